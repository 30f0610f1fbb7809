"""Where resctrl is mounted."""

import pytest

from pyruntime.kernel import resctrl

OTHERS = """\
23 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
24 23 0:40 / /sys/fs/not rw - tmpfs resctrl rw
"""


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("", ""),
        ("99 23 0:41 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw", "/sys/fs/resctrl"),
        ("99 23 0:41 / /a\\040b\\011c\\134d rw master:1 - resctrl none rw,mba_MBps", "/a b\tc\\d"),
        ("99 23 0:41 / /x rw - tmpfs tmpfs rw\n9 2 0:4 / /y rw - resctrl r rw", "/y"),
    ],
)
def test_the_place_is_that_of_the_file_systems_kind(line, place):
    assert resctrl.place(OTHERS + line) == place


def test_a_backslash_in_a_name_is_not_read_twice():
    line = "99 23 0:41 / /a\\134040b rw - resctrl resctrl rw"
    assert resctrl.place(line) == "/a\\040b"
