"""Each question about a string answers as the regular expression of the schema does."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyruntime.spec import explain, forms

NEAR = st.one_of(
    st.text("0123456789.-+,/ rwmKMGB:abz\n\0²", max_size=10),
    st.text(max_size=8),
    st.sampled_from(["1.3.0", "1.0.2-dev", "1.0.0-", "1.0.0+a", "01.0.0", "1.0.0-a\n", "2MB", "0KB",
                     "10GB\n", "KB", "MB:", "MB:a\n", "/", "/a\n", "\n", "1.0.0.0", "1..0"]),
)  # fmt: skip


@pytest.mark.parametrize("pattern", forms.BY_PATTERN)
@settings(database=None, deadline=None)
@given(value=NEAR, data=st.data())
@example(value="", data=None)
def test_a_form_is_its_pattern(pattern, value, data):
    form = forms.BY_PATTERN[pattern]
    assert form(value) == bool(re.search(pattern, value))
    if data is not None:
        alike = data.draw(st.from_regex(pattern))
        assert form(alike) == bool(re.search(pattern, alike))


def test_there_is_a_form_for_each_pattern_of_the_schema_and_no_other():
    found = re.findall(r'"pattern": ("[^"]*")', json.dumps(explain.schema("config")))
    assert {json.loads(text) for text in found} == set(forms.BY_PATTERN)
