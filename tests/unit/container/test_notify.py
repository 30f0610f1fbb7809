"""What of a payload's words to a service manager may be passed on."""

import pytest

from pyruntime import errors
from pyruntime.container import notify


@pytest.mark.parametrize(
    ("datagram", "lines"),
    [
        (b"READY=1", [b"READY=1"]),
        (b"READY=1\nMAINPID=7\nSTATUS=up\n", [b"READY=1", b"STATUS=up"]),
        (b"STATUS=", [b"STATUS="]),
        (b"STATUS=a=b", [b"STATUS=a=b"]),
        ("STATUS=größer".encode(), ["STATUS=größer".encode()]),
        (b"ERRNO=2\nWATCHDOG_USEC=5000000", [b"ERRNO=2", b"WATCHDOG_USEC=5000000"]),
        (b"RELOADING=1\nMONOTONIC_USEC=123", [b"RELOADING=1", b"MONOTONIC_USEC=123"]),
        (b"READY=0", []),
        (b"READY", []),
        (b"READY=1 ", []),
        (b" READY=1", []),
        (b"ready=1", []),
        (b"ERRNO=", []),
        ("ERRNO=²".encode(), []),
        (b"STATUS=\x7f", []),
        (b"STATUS=" + b"x" * 1025, []),
        (b"BARRIER=1", []),
        (b"FDSTOREREMOVE=1", []),
        (b"", []),
        (b"\xff\nSTOPPING=1", [b"STOPPING=1"]),
    ],
)
def test_only_known_words_with_values_of_their_kind_pass(datagram, lines):
    assert notify.passed(datagram) == lines


@pytest.mark.parametrize("told", ["/run/systemd/notify", "@name", ""])
def test_an_address_is_a_path_or_an_abstract_name(told):
    assert notify.address({b"NOTIFY_SOCKET": told.encode()}) == told
    assert notify.address({}) == ""


@pytest.mark.parametrize("told", ["vsock:2:1", "a", "/" + "x" * 107])
def test_another_address_is_refused(told):
    with pytest.raises(errors.UsageError):
        notify.address({b"NOTIFY_SOCKET": told.encode()})


def test_the_mount_is_added_and_the_config_is_not_changed(tmp_path):
    from pyruntime.container.store import Entry

    config = {"mounts": [{"destination": "/a"}]}
    added = notify.mounting(config, Entry(str(tmp_path), "c1"))
    assert config == {"mounts": [{"destination": "/a"}]}
    assert added["mounts"][1] == {
        "destination": "/run/notify", "source": f"{tmp_path}/c1/notify",
        "options": ["bind", "nosuid", "noexec", "nodev", "ro"],
    }  # fmt: skip
    assert len(notify.mounting({"mounts": None}, Entry(str(tmp_path), "c1"))["mounts"]) == 1
