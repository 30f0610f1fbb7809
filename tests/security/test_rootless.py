"""A caller that is not root gains nothing by its containers."""

import os
from pathlib import Path

import pytest
from functional import unprivileged
from functional.inside import said
from functional.unprivileged import GID, GROUP, UID


@pytest.fixture
def user(open_launcher):
    """A user with a bundle, whose config.json is what `spec --rootless` wrote."""
    with unprivileged.bench(open_launcher) as made:
        yield made


@pytest.fixture
def barred(user):
    """A file that everybody may read but the members of one group of the caller's."""
    file = user.place / "barred"
    file.write_text("secret\n")
    os.chown(file, 0, GROUP)
    file.chmod(0o604)
    mount = {"destination": "/barred", "type": "bind", "source": str(file), "options": ["bind", "ro"]}
    user.bundle.config["mounts"].append(mount)
    (user.bundle.rootfs / "barred").touch()
    return user


def test_cve_2014_8989_a_group_that_bars_from_a_file_cannot_be_shed(barred):
    """CVE-2014-8989: with the caller's own group mapped alone, setgroups is denied, and groups stay."""
    capabilities = barred.bundle.config["process"]["capabilities"]
    for kind in capabilities:
        capabilities[kind] = [*capabilities[kind], "CAP_SETGID", "CAP_SETUID", "CAP_DAC_OVERRIDE"]
    script = "cat /proc/self/setgroups; cat /barred 2>&1; busybox su -s /bin/cat root /barred 2>&1; echo over"
    told = said(barred.bundle, barred.runtime, script)
    assert told.splitlines()[0] == "deny"
    assert "secret" not in told
    assert told.endswith("over\n")
    done = barred.runtime("run", "--bundle", barred.bundle.save(), "--detach", "c1")
    assert done.returncode == 0


def test_exec_cannot_shed_it_either(barred):
    barred.bundle.config["process"]["args"] = ["sleep", "60"]
    assert barred.runtime("run", "--detach", "--bundle", barred.bundle.save(), "c1").returncode == 0
    done = barred.runtime("exec", "--cap", "CAP_SETGID", "c1", "cat", "/barred")
    assert (done.returncode, "secret" in done.stdout) == (1, False)


def test_files_of_root_stay_closed(user):
    file = user.place / "closed"
    file.write_text("secret\n")
    file.chmod(0o600)
    mount = {"destination": "/closed", "type": "bind", "source": str(file), "options": ["bind"]}
    user.bundle.config["mounts"].append(mount)
    (user.bundle.rootfs / "closed").touch()
    told = said(user.bundle, user.runtime, "cat /closed 2>&1; echo x 2>&1 >/closed; chown 0 /closed 2>&1; true")
    assert "secret" not in told
    assert file.read_text() == "secret\n"
    assert file.stat().st_uid == 0


def test_a_volume_behind_a_closed_directory_is_not_fetched(user):
    """What root's runtime may fetch for a container, a user's may not: it has no rights to lend."""
    top = user.place / "locked"
    (top / "data").mkdir(parents=True)
    (top / "data" / "file").write_text("secret\n")
    top.chmod(0o700)
    mount = {"destination": "/mnt", "type": "bind", "source": str(top / "data"), "options": ["rbind"]}
    user.bundle.config["mounts"].append(mount)
    (user.bundle.rootfs / "mnt").mkdir()
    done = user.runtime("run", "--bundle", user.bundle.save(), "c1")
    assert done.returncode == 1
    assert f"mount {top}/data on /mnt: permission denied" in done.stderr


def test_the_runtime_never_acts_as_anybody_else(user):
    """All that a create leaves belongs to the caller, on the host and in its root file system."""
    user.bundle.config["process"]["args"] = ["sleep", "60"]
    user.bundle.config["root"]["readonly"] = False
    assert user.runtime("create", "--bundle", user.bundle.save(), "c1").returncode == 0
    places = [user.place / "state", user.bundle.rootfs]
    found = [path for place in places for path in (place, *place.rglob("*"))]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in found} == {(UID, GID)}
    pid = user.containers.state("c1")["pid"]
    owners = {path.stat().st_uid for path in (Path(f"/proc/{pid}/root/{name}") for name in ("", "dev", "dev/pts"))}
    assert owners <= {UID}
