"""The table is what the compiler makes of the schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyruntime.spec import compile_table, explain


def test_the_table_is_up_to_date():
    written = Path(compile_table.__file__).with_name("table.py").read_text()
    assert compile_table.compiled(explain.schema("config")) == written


@pytest.mark.parametrize(
    "change",
    [
        {"type": "string", "maxLength": 5},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
        {"$ref": "#/$defs/Text", "minLength": 1},
    ],
)
def test_a_keyword_that_the_walker_does_not_know_is_refused(change):
    schema = explain.schema("config")
    schema["$defs"]["Root"]["properties"]["path"] = change
    with pytest.raises(ValueError, match=r"does not know|only notes"):
        compile_table.compiled(schema)
