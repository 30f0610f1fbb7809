"""The session keyring of a container."""

import pytest

from functional.inside import said
from pyruntime.kernel import door, keyring

KEYS = "cat /proc/keys"
JOIN_SESSION = 1
USER_VIEW_SEARCH = 0x00090000


@pytest.fixture(autouse=True)
def shown(bundle):
    """Let the payload see /proc/keys, which the sample masks."""
    bundle.config["linux"]["maskedPaths"].remove("/proc/keys")


def callers():
    """Be a caller with a session keyring of its own."""
    keyring.allow(door.call("keyctl", JOIN_SESSION, "of-the-caller"), USER_VIEW_SEARCH)


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
    first = row(said(bundle, runtime, KEYS), "_ses.c1")[0]
    assert row(said(bundle, runtime, KEYS), "_ses.c1")[0] != first


def test_the_callers_keyring_is_kept_when_wished(bundle, runtime):
    told = said(bundle, runtime, KEYS, "--no-new-keyring", preexec_fn=callers)
    assert "of-the-caller" in names(told)
    assert "_ses.c1" not in names(told)


def test_the_longest_id_is_no_trouble(bundle, runtime):
    name = "i" * 200
    bundle.config["process"]["args"] = ["cat", "/proc/keys"]
    done = runtime("run", "--bundle", bundle.save(), name)
    assert done.returncode == 0, done.stderr
    assert "_ses.iii" in done.stdout
