"""Documents to try: good ones with one to three changes, and values of any shape."""

from __future__ import annotations

import json
import string

from hypothesis import strategies as st
from unit.spec import configs

from pyruntime.container import features
from pyruntime.spec import explain

KINDS = ("config", "state", "features")
SCHEMAS = {kind: explain.schema(kind) for kind in KINDS}
STATE = {
    "ociVersion": "1.3.0", "id": "a", "status": "running", "pid": 4242, "bundle": "/b",
    "annotations": {"org.example.key": "value"},
}  # fmt: skip


def shipped(kind):
    """The official good documents of a kind."""
    return [json.loads(path.read_text()) for path in configs.documents(kind, "good")]


BASES = {
    "config": [configs.every_key(), configs.small(), *shipped("config")],
    "state": [STATE, *shipped("state")],
    "features": [features.features(), *shipped("features")],
}


def names_and_words(node):
    """All names of properties and all words of enumerations in a schema."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        yield from node.get("enum", ())
        for part in node.values():
            yield from names_and_words(part)
    elif isinstance(node, list):
        for part in node:
            yield from names_and_words(part)


def words(kind):
    return sorted({word for word in names_and_words(SCHEMAS[kind]) if isinstance(word, str)})


EDGES = sorted(
    {
        edge + step
        for edge in (0, 1 << 16, 1 << 31, 1 << 32, 1 << 63, 1 << 64)
        for step in (-1, 0, 1)
    }
)
ODD = ["", "/", "/a", "a/b", "\n", "a\n", "/a\n", "a\0", "/\0", "0-3,7", "1 \n", "rwm", "1.3.0",
       "1.0.2-dev", "01.0.0", "1.0", "2MB", "0KB", "2MB\n", "MB:0=1", "-1", "CAP_KILL\n"]  # fmt: skip


def texts(kind):
    return st.one_of(
        st.sampled_from(words(kind)),
        st.sampled_from(ODD),
        st.text(max_size=6),
        st.text(string.ascii_lowercase + "/-.=", max_size=8),
    )


def values(kind):
    """A value of any shape, made of the words of a kind of document."""
    known = texts(kind)
    scalars = st.one_of(
        st.none(), st.booleans(), st.sampled_from(EDGES), st.sampled_from([-x for x in EDGES]),
        st.integers(-5, 10), st.sampled_from([0.0, 1.0, 1.5, 1e300]), known,
    )  # fmt: skip
    return st.recursive(
        scalars,
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(known, below, max_size=3)
        ),
        max_leaves=6,
    )


def places(value):
    """Every (container, name) in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        yield value, name
        if isinstance(item, (dict, list)):
            yield from places(item)


TEXTS = {kind: texts(kind) for kind in KINDS}
VALUES = {kind: values(kind) for kind in KINDS}


@st.composite
def mutations(draw, kind="config"):
    """A good document with one to three changes."""
    document = configs.copied(draw(st.sampled_from(BASES[kind])))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        change(draw, kind, found, *found[draw(st.integers(0, len(found) - 1))])
    return document


def change(draw, kind, found, holder, name):
    """Change the value `name` of `holder`, or what stands beside it."""
    match draw(st.sampled_from(["replace", "replace", "remove", "add", "other"])):
        case "replace":
            holder[name] = draw(VALUES[kind])
        case "remove":
            del holder[name]
        case "add" if isinstance(holder, dict):
            holder[draw(TEXTS[kind])] = draw(VALUES[kind])
        case "add":
            holder.append(draw(VALUES[kind]))
        case "other":  # a value that is right somewhere else
            other, key = found[draw(st.integers(0, len(found) - 1))]
            holder[name] = configs.copied(other[key])
