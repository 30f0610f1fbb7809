"""Durations as Go reads them; the expected values and texts are those of Go 1.26."""

import pytest

from pyruntime import errors
from pyruntime.command import durations


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5s", 5 * 10**9), ("500ms", 5 * 10**8), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9),
        ("2h45m", 9900 * 10**9), ("1us", 1000), ("1µs", 1000), ("1μs", 1000), ("3ns", 3), ("0", 0),
        ("-0", 0), ("+0", 0), ("0s", 0), ("-1.5h", -5400 * 10**9), ("+5s", 5 * 10**9), (".5s", 5 * 10**8),
        ("5.s", 5 * 10**9), ("0100ms", 10**8), ("1h1h", 7200 * 10**9), ("0.5ns", 0),
        ("1.0000000000000000000000000001s", 10**9), ("9223372036854775807ns", 2**63 - 1),
    ],
)  # fmt: skip
def test_a_duration_is_read(text, length):
    assert durations.nanoseconds(text) == length


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5", 'missing unit in duration "5"'),
        ("1m30", 'missing unit in duration "1m30"'),
        ("5 s", 'unknown unit " s" in duration "5 s"'),
        ("1d", 'unknown unit "d" in duration "1d"'),
        ("5S", 'unknown unit "S" in duration "5S"'),
        ("1e3s", 'unknown unit "e" in duration "1e3s"'),
        ("", 'invalid duration ""'),
        ("+", 'invalid duration "+"'),
        (".s", 'invalid duration ".s"'),
        ("--5s", 'invalid duration "--5s"'),
        ("s", 'invalid duration "s"'),
        ("9223372036854775808ns", 'invalid duration "9223372036854775808ns"'),
        ("2562048h", 'invalid duration "2562048h"'),
        ("9" * 5000 + "s", f'invalid duration "{"9" * 5000}s"'),
        ("\n5s", r'invalid duration "\n5s"'),
    ],
)
def test_what_is_none_is_refused_in_gos_words(text, told):
    with pytest.raises(errors.UsageError) as failure:
        durations.nanoseconds(text)
    assert failure.value.say() == f"time: {told}"
