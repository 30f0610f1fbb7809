"""Say everything that is wrong with a configuration; jsonschema decides and the schema words it.

This is the cold half of check.py: it runs only when the quick check has refused a value, or when
`validate` asks. Where jsonschema is not installed the walker's first finding must do.
"""

from __future__ import annotations

from pyruntime import errors, jsonfile, libraries
from pyruntime.spec import rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.walk import Refused

_KINDS = {
    dict: "an object", list: "a list", str: "the string", bool: "", int: "the integer",
    float: "the fraction", type(None): "",
}  # fmt: skip
_LONGEST = 60


class Finding:
    """One thing that is wrong.

    Attributes:
        pointer: to the value (RFC 6901), or to where it is missing.
        sentence: everything about it in one line.
        found: the value in words, "" where it is missing or a rule speaks of more than one.
        allowed: what may stand there, "" where only the sentence can tell.
        meant: the nearest right word, "" where none is near.
    """

    __slots__ = ("allowed", "found", "meant", "pointer", "sentence")

    def __init__(
        self, pointer: str, sentence: str, found: str = "", allowed: str = "", meant: str = ""
    ) -> None:
        self.pointer, self.sentence = pointer, sentence
        self.found, self.allowed, self.meant = found, allowed, meant


def refuse(config: Any, refused: Refused) -> None:
    """Raise the SpecError that names every problem; return if jsonschema finds none.

    Args:
        config: the whole configuration.
        refused: what the quick check found; its words are used where jsonschema is absent.
    """
    wrong, unsafe = wrong_values(config, refused)
    if wrong:
        problems = [(finding.pointer, finding.sentence) for finding in wrong]
        raise errors.SpecError(problems + rules.broken(config, except_near=unsafe))


def wrong_values(config: Any, refused: Refused) -> tuple[list[Finding], list[str]]:
    """Return every value that the schema refuses, and the pointers near which nothing is sure.

    Where jsonschema is not installed there is only what the quick check found, and nothing is sure
    anywhere: the pointer "" is that of the whole.

    Args:
        config: the whole configuration.
        refused: what the quick check found.
    """
    try:
        wrong = findings(config, schema("config"))
    except ImportError:
        return [Finding(refused.pointer, refused.sentence)], [""]
    return wrong, [finding.pointer for finding in wrong]


def schema(name: str) -> dict[str, Any]:
    """Return the project's JSON Schema of `config`, `state` or `features`."""
    libraries.reach()  # with which the interpreter has `open` at the latest
    path = __file__.rpartition("/")[0] + f"/schema/{name}.json"
    with open(path, "rb") as file:
        found: dict[str, Any] = jsonfile.decode_bytes(file.read(), f"{name}.json")
    return found


def validator(document: dict[str, Any]) -> Any:
    """Return jsonschema's validator for a schema; raises ImportError where it is not installed.

    Unlike JSON Schema's own rule, 1.0 is no integer here: the official schemas (draft 4) and Go
    refuse it, and the kernel floor wants ints.
    """
    libraries.reach()
    import jsonschema

    draft = jsonschema.Draft202012Validator
    whole = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(draft, type_checker=whole)(document)


def disagreements(value: Any, document: dict[str, Any]) -> list[Problem]:
    """Return every problem that jsonschema finds, as (JSON pointer, sentence)."""
    return [(finding.pointer, finding.sentence) for finding in findings(value, document)]


def findings(value: Any, document: dict[str, Any]) -> list[Finding]:
    """Return everything that jsonschema finds wrong, each once."""
    found: dict[Problem, Finding] = {}
    try:
        for error in validator(document).iter_errors(value):
            for finding in _findings(error, value, document):
                found.setdefault((finding.pointer, finding.sentence), finding)
    except RecursionError:
        return [Finding("", "nested too deeply")]
    return list(found.values())


def _findings(error: Any, value: Any, document: dict[str, Any]) -> Iterator[Finding]:
    """Turn one error of jsonschema into ours; a list of missing names into one for each."""
    place = list(error.absolute_path)
    nodes = _nodes(error.absolute_schema_path, document)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield _missing([*place, name], error.instance, nodes, document)
    elif "propertyNames" in error.absolute_schema_path:
        yield _wrong(jsonfile.pointer([*place, error.instance]), error, nodes, {})
    else:
        for name in place[:-1]:
            value = value[name]
        yield _wrong(jsonfile.pointer(place), error, nodes, value)


def _nodes(path: Iterable[Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema nodes that speak of the value: a `$ref` with notes, then its target.

    jsonschema leaves the `$ref` steps out of `path`, whose last step is the broken keyword.
    """
    chain = [document]
    for step in list(path)[:-1]:
        chain = [chain[-1][step]]
        while "$ref" in chain[-1]:
            chain.append(_definition(chain[-1], document))
    return chain


def _definition(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return found


def _note(nodes: list[dict[str, Any]], name: str) -> str:
    return next((str(node[name]) for node in nodes if name in node), "")


def _missing(
    place: list[Any], found: dict[str, Any], nodes: list[dict[str, Any]], document: dict[str, Any]
) -> Finding:
    """Say that a name is missing, what it is, and which present name may be meant for it."""
    known = nodes[-1].get("properties", {})
    node = known.get(place[-1], {})
    chain = [node, _definition(node, document)] if "$ref" in node else [node]
    note = _note(chain, "description") or _note(chain, "title")
    told = f"is missing ({note})" if note else "is missing"
    meant = nearest(place[-1], [other for other in found if other not in known])
    told += f'; "{meant}" may be meant for it' if meant else ""
    return Finding(jsonfile.pointer(place), told, "", _note(chain, "title"), meant)


def _wrong(pointer: str, error: Any, nodes: list[dict[str, Any]], around: Any) -> Finding:
    """Say what was found and what is allowed, beginning with the schema's own refusal."""
    value, kind, wanted = error.instance, error.validator, _note(nodes, "title")
    found = shown(value)
    if kind == "type":
        form = "an object ({})" if error.validator_value == "object" else "{}"
        wanted = form.format(wanted or error.validator_value)
        return Finding(pointer, f"found {found}, wanted {wanted}", found, wanted)
    refusal = _filled(_note(nodes, "refusal"), value, around)
    if kind == "enum":
        words = [str(word) for word in error.validator_value if word]
        meant = nearest(str(value), words)
        told = f"{refusal or f'found {found}'}; allowed are {', '.join(words)}"
        told += f'; did you mean "{meant}"?' if meant else ""
        return Finding(pointer, told, found, ", ".join(words), meant)
    if kind == "minItems":
        return Finding(pointer, "must not be empty", "an empty list", wanted)
    told = (f"{refusal}; " if refusal else "") + f"found {found}"
    return Finding(pointer, told + (f", wanted {wanted}" if wanted else ""), found, wanted)


def _filled(refusal: str, value: Any, around: Any) -> str:
    """Fill {found} and the neighbours' names into a sentence of the schema."""
    if "{" not in refusal:
        return refusal
    texts = {"path": "", **around} if isinstance(around, dict) else {}
    texts["found"] = value
    for name, text in texts.items():
        told = jsonfile.encode(text)[1:-1] if isinstance(text, str) else ""
        refusal = refusal.replace("{" + str(name) + "}", told)
    return refusal


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word of `words` that looks most like `word`, "" if none looks like it.

    A start that all of them share (SCMP_ACT_) makes no two of them alike.
    """
    import difflib

    every = list(words)
    start = _shared_start(every)
    alike = {other[len(start) :].lower(): other for other in every}
    own = word.lower().removeprefix(start.lower())
    near = difflib.get_close_matches(own, alike, 1, 0.6)
    return alike[near[0]] if near else ""


def _shared_start(words: list[str]) -> str:
    """Return the start that all words share, up to its last underline; "" for a single word."""
    if len(words) < 2:
        return ""
    first, last = min(words), max(words)
    length = next((at for at, sign in enumerate(first) if last[at : at + 1] != sign), len(first))
    return first[: first.rfind("_", 0, length) + 1]


def shown(value: Any) -> str:
    """Return a value as a sentence can show it: its kind, and small ones as JSON."""
    kind = _KINDS.get(type(value), "something else")
    if isinstance(value, (dict, list)):
        return kind
    text = repr(value) if isinstance(value, float) else jsonfile.encode(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return text if isinstance(value, (bool, type(None))) else f"{kind} {text}"
