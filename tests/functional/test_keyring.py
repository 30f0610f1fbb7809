"""The session keyring of a container."""

import pytest
from functional.inside import said

from pyruntime.kernel import door, keyring

KEYS = "cat /proc/keys"
JOIN_SESSION, SETPERM = 1, 5
ONLY_POSSESSED = 0x3F000000  # nobody sees the key who does not hold it


@pytest.fixture(autouse=True)
def shown(bundle):
    """Let the payload see /proc/keys, which the sample masks."""
    bundle.config["linux"]["maskedPaths"].remove("/proc/keys")


def callers():
    """Be a caller with a session keyring of its own."""
    serial = door.call("keyctl", JOIN_SESSION, "of-the-caller")
    door.call("keyctl", SETPERM, serial, ONLY_POSSESSED)


def names(text):
    """Return the names of the keyrings that are listed."""
    return {line.split()[8].rstrip(":") for line in text.splitlines() if line.split()[7] == "keyring"}


def row(text, name):
    """Return the fields of one keyring: serial number, flags, uses, expiry, permissions, owner."""
    (found,) = [line.split() for line in text.splitlines() if f" {name}:" in line]
    return found


def test_a_container_has_a_session_keyring_of_its_own_name(bundle, runtime):
    told = said(bundle, runtime, KEYS, preexec_fn=callers)
    assert "_ses.c1" in names(told)
    assert "of-the-caller" not in names(told)


def test_its_user_may_search_it(bundle, runtime):
    permissions = int(row(said(bundle, runtime, KEYS), "_ses.c1")[4], 16)
    assert permissions & keyring.USER_SEARCH


def test_each_container_has_another(bundle, runtime):
    bundle.config["process"]["args"] = ["cat", "/proc/keys"]
    bundle.save()
    serials = set()
    for name in ("one", "two"):
        done = runtime("run", "--bundle", bundle.path, name)
        serials.add(row(done.stdout, f"_ses.{name}")[0])
    assert len(serials) == 2


def test_the_callers_keyring_is_kept_when_wished(bundle, runtime):
    bundle.config["process"]["args"] = ["cat", "/proc/keys"]
    flags = ("--bundle", bundle.save(), "--no-new-keyring")
    done = runtime("run", *flags, "never-joined", preexec_fn=callers)
    assert done.returncode == 0, done.stderr
    assert "of-the-caller" in names(done.stdout)
    assert "_ses.never-joined" not in names(done.stdout)


def test_the_longest_id_is_no_trouble(bundle, runtime):
    name = "i" * 200
    bundle.config["process"]["args"] = ["cat", "/proc/keys"]
    done = runtime("run", "--bundle", bundle.save(), name)
    assert done.returncode == 0, done.stderr
    assert "_ses.iii" in done.stdout
