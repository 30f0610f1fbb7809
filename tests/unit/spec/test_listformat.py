"""Lists of processors and nodes, against a reading that counts one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyruntime.spec import listformat

RANGES = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair))), max_size=6
)


@given(RANGES, st.sampled_from([",", " ,", ", ", ",,"]))
def test_what_is_written_is_read(wanted, comma):
    text = comma.join(f"{low}-{high}" if low < high else str(low) for low, high in wanted)
    assert listformat.ranges(text) == wanted
    members = {each for low, high in wanted for each in range(low, high + 1)}
    assert listformat.mask(text) == sum(1 << each for each in members)


@pytest.mark.parametrize("text", ["a", "1-a", "٣", "1--2", "+1", "0x1", "1;2", "4-3", "65536"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(ValueError, match=r".") as caught:
        listformat.ranges(text)
    assert listformat.fault(text) == str(caught.value)


def test_an_empty_list_is_none_and_one_of_nothing_is_a_mistake():
    assert listformat.fault("") == ""
    assert listformat.fault(" , ") == '" , " names nothing'
    assert listformat.mask("") == 0
    assert listformat.mask("65535") == 1 << 65535
