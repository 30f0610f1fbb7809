"""linux.intelRdt worked out: which group, which lines in which order."""

import pytest

from pyruntime.feature import rdt


def step(**wish):
    return rdt.plan(wish, "c1")


@pytest.mark.parametrize(
    ("wish", "name", "named", "group"),
    [
        ({}, "c1", False, "/r/c1"),
        ({"closID": ""}, "c1", False, "/r/c1"),
        ({"closID": "gold"}, "gold", True, "/r/gold"),
        ({"closID": "/"}, "", True, "/r"),
    ],
)
def test_the_group(wish, name, named, group):
    planned = step(**wish)
    assert (planned.name, planned.named, planned.group("/r")) == (name, named, group)


def test_lines_come_in_the_order_of_the_specification():
    wish = {"schemata": ["L2:0=f", "MB:0=1"], "memBwSchema": "MB:0=2", "l3CacheSchema": "L3:0=3"}
    assert step(**wish).schemata == ("L3:0=3", "MB:0=2", "L2:0=f", "MB:0=1")
    assert step(l3CacheSchema="", schemata=[]).schemata == ()


def test_it_says_itself():
    assert step(enableMonitoring=True, schemata=["L3:0=f"]).describe() == (
        "enter the class of service c1, L3:0=f, monitored as c1"
    )
    assert step(closID="/").describe() == "enter the class of service /"
    assert step(enableMonitoring=False).monitor == ""


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("    L3:0=07f0;1=01f", ("L3", {"0": "7f0", "1": "1f"})),
        ("MB:0= 100;1=  20", ("MB", {"0": "100", "1": "20"})),
        ("L2: 0 = 00F ; 1=0", ("L2", {"0": "f", "1": "0"})),
    ],
)
def test_lines_are_read_whatever_their_blanks_and_zeros(line, read):
    assert rdt._parsed(line) == read
