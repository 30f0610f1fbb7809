"""The host's programs cannot be reached through a container's first process (CVE-2019-5736)."""

import fcntl
import os
import stat
from pathlib import Path

import pytest
from functional import inside
from security import hostile

_F_GET_SEALS = 1034
_ALL_SEALS = 0xF

# A process inside that keeps what it gets of /proc/1/exe and writes to it when nobody runs it.
_OVERWRITE = """
import errno, time
told = []
def attempt(what, deed):
    try:
        deed()
        told.append(what + ": SUCCESS")
    except OSError as error:
        told.append(what + ": " + errno.errorcode[error.errno])
held = os.open("/proc/self/exe", os.O_RDONLY)
for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
    attempt("own", lambda: os.open("/proc/self/exe", flags))
print(" ".join(told))
"""


@pytest.fixture
def unchanged():
    """All that the runtime is made of is after the test what it was before."""
    before = hostile.digests()
    assert len(before) > 50
    yield
    assert hostile.digests() == before


@pytest.fixture
def waiting(bundle, runtime, containers):
    """Pid of a container that waits for start."""
    bundle.config["process"]["args"] = ["sleep", "60"]
    done = runtime("create", "--bundle", bundle.save(), "c1", env=os.environ | {"SECRET": "runtime"})
    assert done.returncode == 0, done.stderr
    return containers.state("c1")["pid"]


def refusal(path, flags):
    """Return the errno with which an open fails, 0 if it succeeds."""
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return error.errno
    return 0


def test_cve_2019_5736_the_program_cannot_be_the_runtime_itself(bundle, runtime, unchanged):
    """CVE-2019-5736: an image whose entrypoint is /proc/self/exe gets nothing to execute."""
    for name in ("/proc/self/exe", "/entry", "entry"):
        link = bundle.rootfs / "entry"
        if not link.is_symlink():
            link.symlink_to("/proc/self/exe")
            (bundle.rootfs / "bin/entry").symlink_to("/proc/self/exe")
        bundle.config["process"]["args"] = [name, "-c", "print('executed')"]
        done = runtime("run", "--bundle", bundle.save(), "c1")
        assert done.returncode == 1, name
        assert "executed" not in done.stdout


def test_cve_2019_5736_a_script_interpreted_by_the_runtime_runs_only_the_sealed_player(
    bundle, runtime, unchanged
):
    """CVE-2019-5736: `#!/proc/self/exe` leads to the player in memory, which does nothing."""
    script = bundle.rootfs / "bin/entry"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    for env in (["PATH=/bin"], ["3", "PATH=/bin"], ["0", "PATH=/bin"]):
        bundle.config["process"] |= {"args": ["/bin/entry"], "env": env}
        done = runtime("run", "--bundle", bundle.save(), "c1")
        if env[0].isdigit():
            assert done.returncode != 0
        else:
            assert done.returncode == 127, done.stderr
        assert done.stdout == ""


def test_cve_2019_5736_the_first_process_cannot_be_written_while_it_waits(waiting, unchanged):
    """CVE-2019-5736: not even by the host's root."""
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
        assert refusal(f"/proc/{waiting}/exe", flags) == 26  # ETXTBSY


def test_cve_2019_5736_what_is_kept_of_it_cannot_be_written_later(waiting, runtime, unchanged):
    """CVE-2019-5736: a descriptor taken while it waits is worthless when nobody executes it."""
    held = os.open(f"/proc/{waiting}/exe", os.O_RDONLY)
    try:
        content = os.pread(held, 1 << 16, 0)
        assert fcntl.fcntl(held, _F_GET_SEALS) == _ALL_SEALS
        assert runtime("start", "c1").returncode == 0
        writer = os.open(f"/proc/self/fd/{held}", os.O_RDWR)
        try:
            for deed in (
                lambda: os.write(writer, b"#!/bin/evil\n"),
                lambda: os.ftruncate(writer, 0),
                lambda: os.ftruncate(writer, 1 << 20),
                lambda: fcntl.fcntl(writer, 1033, 0),
            ):
                with pytest.raises(PermissionError):
                    deed()
        finally:
            os.close(writer)
        assert os.pread(held, 1 << 16, 0) == content
    finally:
        os.close(held)


def test_cve_2019_5736_a_process_inside_cannot_write_what_runs_it(bundle, runtime, unchanged):
    """CVE-2019-5736: from inside, as a root with every capability that counts."""
    hostile.lend_python(bundle)
    hostile.strengthen(bundle)
    bundle.config["process"]["args"] = hostile.python(_OVERWRITE)
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    # Its own interpreter here is a read-only mount of the host's, which is busy as well.
    assert "SUCCESS" not in done.stdout
    assert done.stdout.split() == ["own:", "ETXTBSY"] * 3 or "EROFS" in done.stdout


def test_what_waits_is_no_file_of_the_host(waiting):
    """Neither its program nor anything that it has mapped lies on a mounted file system."""
    known = os.stat(f"/proc/{waiting}/exe")
    device = f"{os.major(known.st_dev)}:{os.minor(known.st_dev)}"
    tables = hostile.mountinfo() + hostile.mountinfo(waiting)
    assert device not in {line.split()[2] for line in tables.splitlines()}
    assert os.readlink(f"/proc/{waiting}/exe").startswith("/memfd:")
    with open(f"/proc/{waiting}/maps") as maps:
        files = {parts[5].strip() for line in maps if len(parts := line.split(maxsplit=5)) > 5}
    assert {name for name in files if not name.startswith(("[", "/memfd:"))} == set()


def test_what_waits_holds_its_standard_descriptors_and_two_fifos(waiting, bundle):
    kinds = {}
    for name in os.listdir(f"/proc/{waiting}/fd"):
        kinds[int(name)] = stat.S_IFMT(os.stat(f"/proc/{waiting}/fd/{name}").st_mode)
    assert {0, 1, 2} <= kinds.keys()
    more = {number: kind for number, kind in kinds.items() if number > 2}
    assert sorted(more.values()) == [stat.S_IFIFO, stat.S_IFIFO], more
    assert stat.S_IFDIR not in kinds.values()
    assert stat.S_IFSOCK not in kinds.values()


def test_what_waits_stands_in_the_container_and_shows_only_its_environment(waiting, bundle):
    assert os.path.samefile(f"/proc/{waiting}/root", bundle.rootfs)
    assert os.readlink(f"/proc/{waiting}/cwd") == "/"
    with open(f"/proc/{waiting}/environ", "rb") as environ:
        assert b"SECRET" not in environ.read()


_PRY = """
import os, sys
for name in ("environ", "mem", "maps", "fd", "exe", "root", "cwd", "auxv", "syscall", "map_files", "io"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        if name in ("exe", "root", "cwd"):
            os.readlink(path)
        elif name in ("fd", "map_files"):
            os.listdir(path)
        else:
            os.read(os.open(path, os.O_RDONLY), 0)
        print(name)
    except PermissionError:
        pass
"""


@pytest.mark.parametrize("uid", [0, hostile.NOBODY])
def test_what_waits_cannot_be_looked_into_by_a_user_of_the_host(bundle, runtime, containers, uid):
    """Not even by the user that the payload will run as: it is closed to tracers while it waits."""
    bundle.config["process"] |= {"args": ["sleep", "60"], "user": {"uid": uid, "gid": uid}}
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    pid = containers.state("c1")["pid"]
    assert hostile.as_nobody(_PRY, pid) == ""
    assert hostile.as_nobody(_PRY, "self") != "", "the attack itself does not work"


def test_what_waits_has_given_up_what_the_payload_will_not_have(waiting):
    status = inside.status(Path(f"/proc/{waiting}/status").read_text())
    wanted = 1 << 29 | 1 << 5 | 1 << 10  # as the sample bundle says
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[name], 16) == wanted, name
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1"
