"""Reading and writing JSON: the private half and the public one agree, errors name the place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyruntime import errors, jsonfault, jsonfile

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(), st.text('\x00\x1f"\\/\u2028é<>&\udc80\udcff\U0001f600', max_size=4),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below), st.dictionaries(st.text(), below)),
    max_leaves=20,
)
PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', '"a"', "1", "-", "1.5", "1e400", "NaN", "Infinity", "null",
     "true", " ", "\n", "\\", "\\u12", "x", "\ufeff", "é", "\0", "9" * 5000],
)  # fmt: skip
ROOT = Path(__file__).parents[2]
quick = settings(deadline=None, database=None)


def outcome(function, *arguments):
    try:
        return repr(function(*arguments))
    except Exception as error:
        kind = ValueError if isinstance(error, ValueError) else type(error)
        return kind.__name__, getattr(error, "pos", None), getattr(error, "msg", None)


def refusal(text):
    with pytest.raises(errors.RuntimeFailure) as caught:
        jsonfile.decode(text, "config.json")
    return caught.value.say()


@quick
@given(st.one_of(VALUES.map(json.dumps), st.lists(PIECES).map("".join)))
def test_both_scanners_read_the_same(text):
    private, public = jsonfile.private_scanner(int), jsonfault.public_scanner(int)
    assert outcome(private, text, 0) == outcome(public, text, 0)


@quick
@given(VALUES)
@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("form", [jsonfile.encode_basestring, jsonfile.encode_basestring_ascii])
def test_both_encoders_write_the_same(sort, form, value):
    private, public = (
        jsonfile.private_encoder(form, sort=sort),
        jsonfault.public_encoder(form, sort=sort),
    )
    assert private(value) == public(value)


@quick
@given(VALUES)
def test_what_is_written_is_read_back_and_can_be_stored_as_utf8(value):
    text = jsonfile.encode(value)
    text.encode()
    assert jsonfile.decode(text, "x") == value
    assert jsonfile.decode(jsonfile.encode_indented(value, "\t"), "x") == value


@quick
@given(st.one_of(st.lists(PIECES).map("".join), st.text()))
def test_any_text_is_read_as_json_reads_it_or_refused_with_its_place(text):
    try:
        value = jsonfile.decode(text, "config.json")
    except errors.RuntimeFailure as error:
        assert error.say().startswith("config.json: line ")
        assert "\n" not in error.say()
    else:
        assert repr(value) == repr(json.loads(text))


@quick
@given(st.binary())
def test_any_bytes_are_read_or_refused_with_their_place(data):
    try:
        jsonfile.decode_bytes(data, "config.json")
    except errors.RuntimeFailure as error:
        assert error.say().startswith("config.json: line ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": b}', "line 1 column 7: found 'b' where a value should begin"),
        ('{\n  "a": 1,\n  b: 2\n}', "line 3 column 3: found 'b' where a name in double quotes"),
        ('{"a" 1}', "line 1 column 6: found '1' where a colon should be"),
        (
            '{"a": 1 "b"}',
            "line 1 column 9: found '\"' where a comma or a closing bracket should be",
        ),
        ('{"a": 1,\n}', "line 2 column 1: a comma stands before '}'"),
        ("[1, 2,]", "line 1 column 7: a comma stands before ']'"),
        ('{"a": "b', "line 1 column 7: the string that begins here has no end"),
        ('{"a": "b\nc"}', "line 1 column 9: a line end, tab or other control character"),
        (r'"\x"', "line 1 column 2: a backslash in a string is followed by something"),
        ("", "line 1 column 1: found the end of the document where a value should begin"),
        ("{}\n{}", "line 2 column 1: found '{' after the end of the document"),
        ("[1, NaN]", "line 1 column 5: NaN is not a JSON value"),
        ('["-Infinity",\n-Infinity]', "line 2 column 1: -Infinity is not a JSON value"),
        ("[1e400]", "line 1 column 2: the number is too large"),
        ('["\\"1", 1' + "0" * 5000 + "]", "line 1 column 9: the number is too large (5001 digits)"),
        ("\ufeff{}", "line 1 column 1: begins with a byte order mark"),
        ("\x07", "line 1 column 1: found the character U+0007 where a value should begin"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_a_broken_document_is_told_in_plain_words_with_line_and_column(text, told):
    assert refusal(text).startswith(f"config.json: {told}")


def test_bytes_that_are_not_utf8_are_told_with_their_place():
    with pytest.raises(errors.RuntimeFailure) as caught:
        jsonfile.decode_bytes(b'{\n"\xc3\xa9": "\xe9"}', "config.json")
    assert caught.value.say() == "config.json: line 2 column 7: byte 0xe9 is not valid UTF-8"


def test_of_a_name_given_twice_the_last_value_counts():
    assert jsonfile.decode(' {"a": 1, "a": 2}\n', "x") == {"a": 2}


def test_indented_output_is_laid_out_as_go_does():
    value = {"a": [1, {"b": []}], "c": {}, "d": "é", "e": ("f",)}
    assert jsonfile.encode_indented(value, "\t") == json.dumps(
        value, indent="\t", ensure_ascii=False
    )


def test_compact_output_can_be_sorted():
    assert jsonfile.encode({"b": 1, "a": [True, None]}, sort=True) == '{"a":[true,null],"b":1}'


def test_half_a_surrogate_pair_is_written_as_an_escape_and_told():
    assert jsonfile.encode("a\udcff") == r'"a\udcff"'
    assert not jsonfile.is_unicode(["a\udcff"])
    assert jsonfile.is_unicode(["a\U0001f600"])


def test_what_json_has_no_form_for_is_a_mistake_of_the_caller():
    for value in (b"a", float("nan")):
        with pytest.raises((TypeError, ValueError)):
            jsonfile.encode({"a": value})


def test_a_pointer_escapes_what_would_mislead():
    assert jsonfile.pointer(["a/b", "c~d", 0, "e\n"]) == r"/a~1b/c~0d/0/e\n"


def printed(script):
    """What a new interpreter prints that runs `script`."""
    line = [sys.executable, "-c", script]
    return subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


SCRIPT = """
import sys
if {hidden}: sys.modules["_json"] = None
from pyruntime import errors, jsonfault, jsonfile
assert (jsonfile.make_scanner is None) == {hidden}
assert jsonfile.decode('{{"a": [1, 2.5, "x"]}}', "x") == {{"a": [1, 2.5, "x"]}}
assert jsonfile.encode({{"a": [1, "é\\udcff"]}}) == '{{"a":[1,"\\\\u00e9\\\\udcff"]}}'
assert ("json" in sys.modules) == {hidden}
try:
    jsonfile.decode('{{"a": 1,}}', "x")
except errors.RuntimeFailure as error:
    print(error.say())
"""


@pytest.mark.parametrize("hidden", [False, True])
def test_a_python_without_the_private_half_does_the_same(hidden):
    assert (
        printed(SCRIPT.format(hidden=hidden)) == "x: line 1 column 9: a comma stands before '}'\n"
    )


def test_a_broken_document_is_still_refused_where_nothing_can_be_imported():
    script = (
        "import sys\nfrom pyruntime import errors, jsonfile\nsys.meta_path.clear()\n"
        "try: jsonfile.decode('{\"a\": 1,}', 'x')\n"
        "except errors.RuntimeFailure as error: print(error.say())"
    )
    assert printed(script) == "x: not a JSON document\n"
