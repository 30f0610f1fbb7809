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
    from pyruntime.spec.check import Refused

_KINDS = {
    dict: "an object", list: "a list", str: "the string", bool: "", int: "the integer",
    float: "the fraction", type(None): "",
}  # fmt: skip
_LONGEST = 60


def refuse(config: Any, refused: Refused) -> None:
    """Raise the SpecError that names every problem; return if jsonschema finds none.

    Args:
        config: the whole configuration.
        refused: what the quick check found; its words are used where jsonschema is absent.
    """
    try:
        problems = disagreements(config, schema("config"))
    except ImportError:
        raise errors.SpecError([(refused.pointer, refused.sentence)]) from None
    if problems:
        pointers = [pointer for pointer, _ in problems]
        raise errors.SpecError(problems + rules.broken(config, except_near=pointers))


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
    found: dict[Problem, None] = {}
    try:
        for error in validator(document).iter_errors(value):
            found.update(dict.fromkeys(_problems(error, value, document)))
    except RecursionError:
        return [("", "nested too deeply")]
    return list(found)


def _problems(error: Any, value: Any, document: dict[str, Any]) -> Iterator[Problem]:
    """Turn one error of jsonschema into ours; a list of missing names into one for each."""
    place = list(error.absolute_path)
    nodes = _nodes(error.absolute_schema_path, document)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                told = _missing(name, error.instance, nodes, document)
                yield jsonfile.pointer([*place, name]), told
    elif "propertyNames" in error.absolute_schema_path:
        yield jsonfile.pointer([*place, error.instance]), _sentence(error, nodes, {})
    else:
        for name in place[:-1]:
            value = value[name]
        yield jsonfile.pointer(place), _sentence(error, nodes, value)


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
    name: str, found: dict[str, Any], nodes: list[dict[str, Any]], document: dict[str, Any]
) -> str:
    """Say that `name` is missing, what it is, and which present name may be meant."""
    known = nodes[-1].get("properties", {})
    node = known.get(name, {})
    chain = [node, _definition(node, document)] if "$ref" in node else [node]
    note = _note(chain, "description") or _note(chain, "title")
    told = f"is missing ({note})" if note else "is missing"
    strange = [other for other in found if other not in known]
    return told + _nearest(name, strange, '; "{}" may be meant for it')


def _sentence(error: Any, nodes: list[dict[str, Any]], around: Any) -> str:
    """Say what was found and what is allowed, beginning with the schema's own refusal."""
    value, kind, wanted = error.instance, error.validator, _note(nodes, "title")
    found = f"found {shown(value)}"
    if kind == "type":
        form = "an object ({})" if error.validator_value == "object" else "{}"
        return f"{found}, wanted {form.format(wanted or error.validator_value)}"
    refusal = _filled(_note(nodes, "refusal"), value, around)
    if kind == "enum":
        words = [str(word) for word in error.validator_value if word]
        near = _nearest(str(value), words, '; did you mean "{}"?')
        return f"{refusal or found}; allowed are {', '.join(words)}{near}"
    if kind == "minItems":
        return "must not be empty"
    return (f"{refusal}; " if refusal else "") + found + (f", wanted {wanted}" if wanted else "")


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


def _nearest(word: str, words: list[str], form: str) -> str:
    """Return `form` with the word of `words` that looks most like `word`, or ""."""
    import difflib

    alike = {other.lower(): other for other in words}
    near = difflib.get_close_matches(word.lower(), alike, 1, 0.6)
    return form.format(alike[near[0]]) if near else ""


def shown(value: Any) -> str:
    """Return a value as a sentence can show it: its kind, and small ones as JSON."""
    kind = _KINDS.get(type(value), "something else")
    if isinstance(value, (dict, list)):
        return kind
    text = repr(value) if isinstance(value, float) else jsonfile.encode(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return text if isinstance(value, (bool, type(None))) else f"{kind} {text}"
