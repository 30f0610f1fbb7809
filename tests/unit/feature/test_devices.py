"""Planning /dev: nodes, links, and what they are told to be."""

import pytest

from pyruntime.feature import devices
from pyruntime.spec import words

DEFAULTS = [entry[0] for entry in words.DEFAULT_DEVICES]


def planned(*wishes, mounts=()):
    """Return the steps of a config with these devices."""
    return devices.plan({"mounts": list(mounts), "linux": {"devices": list(wishes)}})


def node(steps, where):
    """Return the one step that makes a path."""
    (found,) = [step for step in steps if step.path == where]
    return found


def test_the_default_devices_and_links_come_by_themselves():
    steps = devices.plan({})
    assert [step.path for step in steps] == [
        *DEFAULTS, "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/core", "/dev/ptmx"
    ]  # fmt: skip
    assert [step.describe() for step in steps[:2]] == [
        "make device /dev/null c 1:3 mode 0666", "make device /dev/zero c 1:5 mode 0666"
    ]  # fmt: skip


def test_only_ptmx_is_forced():
    links = [step for step in devices.plan({}) if isinstance(step, devices.LinkStep)]
    assert [link.path for link in links if link.forced] == ["/dev/ptmx"]
    assert links[-1].describe() == "link /dev/ptmx -> pts/ptmx"


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"type": "c", "major": 10, "minor": 229}, "make device /dev/x c 10:229 mode 0666"),
        ({"type": "u", "major": 1, "minor": 2, "fileMode": 0o600}, "make device /dev/x c 1:2 mode 0600"),
        ({"type": "b", "major": 7, "minor": 0, "fileMode": 0o60660}, "make device /dev/x b 7:0 mode 0660"),
        ({"type": "p", "fileMode": 0}, "make device /dev/x p 0:0 mode 0000"),
        ({"type": "p", "uid": 5, "gid": 6}, "make device /dev/x p 0:0 mode 0666 owned by 5:6"),
        ({"type": "p", "gid": 6}, "make device /dev/x p 0:0 mode 0666 owned by 0:6"),
    ],
)
def test_a_device_is_what_the_config_says(wish, told):
    assert node(planned({"path": "/dev/x", **wish}), "/dev/x").describe() == told


def test_a_device_replaces_the_default_one_of_its_path():
    steps = planned({"path": "/dev/./zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600})
    assert node(steps, "/dev/zero").mode == 0o600
    assert [step.path for step in steps][: len(DEFAULTS)] == DEFAULTS


def test_of_a_path_that_stands_twice_the_last_counts():
    wish = {"path": "/dev/x", "type": "c", "major": 1}
    assert node(planned({**wish, "minor": 1}, {**wish, "minor": 2}), "/dev/x").minor == 2


def test_ptmx_is_never_a_node():
    steps = planned({"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2})
    assert isinstance(node(steps, "/dev/ptmx"), devices.LinkStep)


@pytest.mark.parametrize("destination", ["/dev", "/dev/", "dev", "/x/../dev"])
@pytest.mark.parametrize("option", ["bind", "rbind"])
def test_a_bound_dev_is_left_alone(destination, option):
    entry = {"destination": destination, "source": "/dev", "options": ["ro", option]}
    assert planned({"path": "/dev/x", "type": "p"}, mounts=[entry]) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/dev/shm", "source": "/x", "options": ["bind"]},
        {"destination": "/device", "source": "/x", "options": ["bind"]},
    ],
)
def test_other_mounts_change_nothing(entry):
    assert planned(mounts=[entry]) == devices.plan({})
