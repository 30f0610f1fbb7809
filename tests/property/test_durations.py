"""Durations: whatever is given is read or refused, and parts add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyruntime import errors
from pyruntime.command import durations

UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
PIECES = ["", "0", "007", "12", "99999999999999999999", ".", "-", "+", " ", "e", "d", "ü", "\n", "٣", *UNITS]
PART = st.tuples(st.integers(0, 10**5), st.integers(0, 999), st.sampled_from(sorted(UNITS)))


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
def test_a_text_is_a_duration_or_refused_by_name(text):
    try:
        length = durations.nanoseconds(text)
    except errors.UsageError as refusal:
        assert refusal.say().startswith("time: ")
        return
    assert abs(length) < 2**63
    assert text.isprintable()


@given(st.lists(PART, min_size=1, max_size=5), st.sampled_from(["", "+", "-"]))
def test_parts_add_up(parts, sign):
    text = sign + "".join(f"{whole}.{thousandths:03}{unit}" for whole, thousandths, unit in parts)
    total = sum(whole * UNITS[unit] + thousandths * UNITS[unit] // 1000 for whole, thousandths, unit in parts)
    if total >= 2**63:
        with pytest.raises(errors.UsageError, match="invalid duration"):
            durations.nanoseconds(text)
    else:
        assert durations.nanoseconds(text) == (-total if sign == "-" else total)
