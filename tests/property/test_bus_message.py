"""The messages of D-Bus that the runtime writes are jeepney's byte for byte, and it reads jeepney's.

PYRUNTIME_CASES sets how many cases are tried (by default 250).
"""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from jeepney import low_level

from pyruntime.feature.cgroup import message

CASES = settings(max_examples=int(os.environ.get("PYRUNTIME_CASES", "5000")) // 20, deadline=None)
RANGES = {
    "y": (0, 255), "n": (-(1 << 15), (1 << 15) - 1), "q": (0, (1 << 16) - 1),
    "i": (-(1 << 31), (1 << 31) - 1), "u": (0, (1 << 32) - 1),
    "x": (-(1 << 63), (1 << 63) - 1), "t": (0, (1 << 64) - 1),
}  # fmt: skip
TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=9)
PLAIN = st.sampled_from([*RANGES, "b", "d", "s", "o", "g"])
TYPES = st.recursive(
    st.one_of(PLAIN, st.just("v")),
    lambda inner: st.one_of(
        inner.map("a{}".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(PLAIN, inner).map(lambda pair: f"a{{{''.join(pair)}}}"),
    ),
    max_leaves=5,
)


def values(kind):
    """A strategy for values of one complete type."""
    sign = kind[0]
    if sign in RANGES:
        return st.integers(*RANGES[sign])
    if sign in "bdsog":
        simple = {"b": st.booleans(), "d": st.floats(allow_nan=False), "s": TEXTS, "o": st.just("/a/b")}
        return simple.get(sign, st.sampled_from(["", "as", "a{sv}(tt)"]))
    if sign == "v":
        return PLAIN.flatmap(lambda held: st.tuples(st.just(held), values(held)))
    if sign == "(":
        return st.tuples(*map(values, message.split(kind[1:-1])))
    if kind[1] == "{":
        return st.dictionaries(values(kind[2]), values(kind[3:-1]), max_size=3)
    if kind == "ay":
        return st.binary(max_size=9)
    return st.lists(values(kind[1:]), max_size=3)


@st.composite
def bodies(draw):
    """A signature, the types in it, and values of these."""
    kinds = draw(st.lists(TYPES, max_size=3))
    return "".join(kinds), tuple(draw(values(kind)) for kind in kinds)


def jeepneys(serial, fields, signature, body, flags):
    """The same message by jeepney."""
    numbers = low_level.HeaderFields
    told = {numbers(number): value for number, value in fields.items()}
    if signature:
        told[numbers.signature] = signature
    header = low_level.Header(
        low_level.Endianness.little, low_level.MessageType.method_call,
        low_level.MessageFlag(flags), 1, -1, serial, told,
    )  # fmt: skip
    return low_level.Message(header, body).serialise()


FIELDS = st.fixed_dictionaries(
    {message.PATH: st.just("/org/freedesktop/systemd1"), message.MEMBER: st.just("Hello")},
    optional={message.INTERFACE: st.just("a.b.C"), message.DESTINATION: st.sampled_from(["a.b", ":1.5"])},
)


@CASES
@given(st.integers(1, (1 << 32) - 1), FIELDS, bodies(), st.sampled_from([0, message.NO_REPLY_EXPECTED]))
def test_calls_are_written_as_jeepney_writes_them(serial, fields, body, flags):
    signature, arguments = body
    written = message.call(serial, fields, signature, arguments, flags)
    assert written == jeepneys(serial, fields, signature, arguments, flags)
    assert message.size(written[: message.HEAD]) == len(written)


@CASES
@given(st.integers(1, (1 << 32) - 1), FIELDS, bodies())
def test_what_jeepney_writes_is_read(serial, fields, body):
    signature, arguments = body
    told = message.read(jeepneys(serial, fields, signature, arguments, 0))
    assert told.kind == message.CALL
    assert told.fields == ({**fields, message.SIGNATURE: signature} if signature else fields)
    assert tuple(told.body) == arguments


@CASES
@given(FIELDS, bodies(), st.data())
def test_damaged_bytes_are_malformed_or_another_message_and_nothing_else(fields, body, data):
    whole = bytearray(message.call(1, fields, *body))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for each in (bytes(whole), cut):
        try:
            message.size(each[: message.HEAD].ljust(message.HEAD, b"\0"))
            message.read(each)
        except message.Malformed:
            continue


@CASES
@given(st.sampled_from([*RANGES]), st.integers(-(1 << 70), 1 << 70))
def test_a_number_out_of_its_range_is_refused(kind, number):
    least, most = RANGES[kind]
    try:
        message.call(1, {}, kind, (number,))
    except message.Malformed:
        assert not least <= number <= most
    else:
        assert least <= number <= most
