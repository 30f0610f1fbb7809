"""plainjson answers as jsonfile does, or not at all."""

import json
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from pyruntime import jsonfile, plainjson

CASES = settings(max_examples=int(os.environ.get("PYRUNTIME_CASES", "400")), deadline=None)
TEXTS = st.one_of(st.text(max_size=8), st.text("ab/.-_: {}[],\n", max_size=8))
VALUES = st.one_of(
    TEXTS, st.booleans(), st.none(), st.integers(-5, 10**20), st.floats(allow_nan=False),
    st.just({}), st.just([]), st.dictionaries(TEXTS, TEXTS, max_size=2),
)  # fmt: skip
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=5)
PLAIN = st.dictionaries(
    st.text("abc_", min_size=1, max_size=5),
    st.one_of(st.text("ab/.-: ", max_size=8), st.booleans(), st.integers(0, 10**9), st.just({})),
    min_size=1, max_size=5,
)  # fmt: skip


@CASES
@given(st.one_of(DOCUMENTS, PLAIN))
def test_what_is_written_is_what_the_authority_writes_and_reads(document):
    text = plainjson.write(document)
    if text is not None:
        assert jsonfile.decode(text, "x") == document
        assert plainjson.read(text) == document or not document
    text = plainjson.indented(document)
    if text is not None:
        assert text == jsonfile.encode_indented(document, "  ")


@CASES
@given(PLAIN)
def test_plain_documents_are_written_and_read(document):
    assert plainjson.read(plainjson.write(document)) == document
    assert plainjson.indented(document) == json.dumps(document, indent=2)


@CASES
@given(PLAIN, st.integers(0, 200), st.text('"\\{}[]:,0e-. \n', max_size=3))
def test_a_damaged_document_is_read_as_the_authority_reads_it_or_not_at_all(document, place, noise):
    text = plainjson.write(document)
    damaged = text[:place] + noise + text[place + len(noise) :]
    read = plainjson.read(damaged)
    if read is not None:
        assert read == jsonfile.decode(damaged, "x")
