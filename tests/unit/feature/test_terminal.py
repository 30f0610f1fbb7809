"""Planning a terminal: its size and its owner."""

import pytest

from pyruntime import errors
from pyruntime.feature import terminal


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ({}, "open a new terminal of the devpts at /dev/pts"),
        ({"user": {"uid": 0}}, "open a new terminal of the devpts at /dev/pts"),
        ({"user": {"uid": 7}}, "open a new terminal of the devpts at /dev/pts, owned by uid 7"),
        (
            {"consoleSize": {"height": 25, "width": 80}, "user": {"uid": 7}},
            "open a new terminal of 25 lines and 80 columns of the devpts at /dev/pts, owned by uid 7",
        ),
        ({"consoleSize": {"height": 25, "width": 0}}, "open a new terminal of the devpts at /dev/pts"),
        ({"consoleSize": None}, "open a new terminal of the devpts at /dev/pts"),
    ],
)
def test_a_terminal_is_what_the_process_says(process, told):
    assert terminal.plan(process).describe() == told


@pytest.mark.parametrize("name", ["height", "width"])
def test_what_the_kernel_has_no_room_for_is_refused(name):
    size = {"height": 1, "width": 1} | {name: 65536}
    with pytest.raises(errors.SpecError) as caught:
        terminal.plan({"consoleSize": size})
    assert caught.value.say() == f"invalid config.json: /process/consoleSize/{name}: a terminal has at most 65535"
    assert terminal.plan({"consoleSize": {"height": 65535, "width": 65535}}).width == 65535
