"""Values of D-Bus as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyruntime.feature.cgroup import message, variant


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("true", ("b", True)),
        (" false ", ("b", False)),
        ("5", ("i", 5)),
        ("-5", ("i", -5)),
        ("+5", ("i", 5)),
        ("0x1f", ("i", 31)),
        ("017", ("i", 15)),
        ("0", ("i", 0)),
        ("1.5", ("d", 1.5)),
        ("1e3", ("d", 1000.0)),
        ("double 2", ("d", 2.0)),
        ("uint64 18446744073709551615", ("t", (1 << 64) - 1)),
        ("int64 -9223372036854775808", ("x", -(1 << 63))),
        ("byte 255", ("y", 255)),
        ("@q 7", ("q", 7)),
        ("boolean true", ("b", True)),
        ("'a'", ("s", "a")),
        ('"a\'b"', ("s", "a'b")),
        (r"'a\'\\\n\u00e9\U0001F600'", ("s", "a'\\\né😀")),
        ("objectpath '/a'", ("o", "/a")),
        ("signature 'as'", ("g", "as")),
        ("b'a\\x01\\012z'", ("ay", b"a\1\nz\0")),
        ("[1, 2]", ("ai", [1, 2])),
        ("@at [1, 2]", ("at", [1, 2])),
        ("[uint64 1, 2]", ("at", [1, 2])),
        ("@as []", ("as", [])),
        ("[byte 1, 0x02]", ("ay", b"\1\2")),
        ("['a', 'b']", ("as", ["a", "b"])),
        ("(1, 'a')", ("(is)", (1, "a"))),
        ("(1,)", ("(i)", (1,))),
        ("@a(ss) [('a', 'b')]", ("a(ss)", [("a", "b")])),
        ("{'k': uint32 1}", ("a{su}", {"k": 1})),
        ("@a{sv} {}", ("a{sv}", {})),
        ("{'k': <5>}", ("a{sv}", {"k": ("i", 5)})),
        ("<'x'>", ("v", ("s", "x"))),
    ],
)
def test_values_are_read_with_their_types(text, found):
    assert variant.read(text) == found


@pytest.mark.parametrize(
    "text",
    ["", " ", "yes", "5x", "'a", "'a' 'b'", "[1", "[1 2]", "[1, 'a']", "[]", "{}", "uint64", "uint64 -1",
     "5000000000", "byte 256", "@ 5", "@zz 5", "uint64 int32 5", "<5", "(1, 2", "{1 2}", "{[1]: 2}", "'\\u12'",
     "b'é€'", "boolean 1", "string 5", "@as 'a'", "@t 'a'", "@s true", "08", "--5", "[" * 100, "<" * 100, "uint64 " * 50 + "5"],
)  # fmt: skip
def test_what_is_no_value_is_unreadable(text):
    with pytest.raises(variant.Unreadable) as caught:
        variant.read(text)
    assert str(caught.value)


@given(st.text("[](){}<>@'\"\\,: 015exubtsaivny.-", max_size=12))
def test_any_text_is_a_value_that_can_be_sent_or_unreadable(text):
    try:
        kind, value = variant.read(text)
    except variant.Unreadable:
        return
    try:
        message.call(1, {}, kind, (value,))
    except message.Malformed:
        pass
