"""`validate [BUNDLE]`: say everything that is wrong or strange in a bundle's config.json.

The exit status is 0 when the configuration is valid and 1 when it is not. Warnings, and valid keys
that this version does not support yet, leave it valid. With `--format json` standard output is one
document:

    valid        true or false
    problems     a list of objects: `pointer` (RFC 6901, "" for the whole document) and `sentence`;
                 where they are known also `found`, `allowed` and `meant`, the nearest right word
    warnings     a list of objects: `pointer`, "" where the sentence names the place, and `sentence`
    unsupported  a list of names, such as "linux.resources.pids"

A config.json that is no JSON is one problem with the pointer "". A bundle that cannot be read is
an error as in every command.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.command import paths
from pyruntime.container import validate
from pyruntime.spec import read, report
from pyruntime.spec.explain import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.command.grammar import Line
    from pyruntime.spec.report import Report

_FORMATS = ("text", "json")


def perform(line: Line, root: str) -> tuple[str, int]:
    """Return the report and the exit status.

    Raises:
        UsageError: no such format.
        RuntimeFailure: the bundle or its config.json cannot be read.
    """
    del root
    wanted = form(line)
    _, found = look(line.words[0] if line.words else ".")
    return told(found, wanted), 1 if found.problems else 0


def form(line: Line) -> str:
    """Return the value of --format.

    Raises:
        UsageError: no such format.
    """
    wanted = str(line.options.get("format", "text"))
    if wanted not in _FORMATS:
        raise errors.UsageError("invalid format option")
    return wanted


def look(bundle: str) -> tuple[Any, Report]:
    """Read a config.json and report on it; a document that is no JSON has one problem.

    Returns:
        (config, report): config is None where the document is no JSON.

    Raises:
        RuntimeFailure: the bundle or its config.json cannot be read.
    """
    data = read.content(bundle)
    try:
        config = read.document(data)
    except errors.RuntimeFailure as problem:
        found = report.Report()
        found.problems.append(Finding("", problem.say()))
        return None, found
    return config, validate.validate(config, paths.absolute(bundle))


def told(found: Report, form: str) -> str:
    """Return a report in a format, "text" or "json"."""
    return report.encoded(found) + "\n" if form == "json" else _text(found)


def _text(told: Report) -> str:
    """Lay a report out for people: one line each, and a last one that sums up."""
    lines = [placed(finding.pointer, finding.sentence) for finding in told.problems]
    lines += [f"warning: {placed(pointer, sentence)}" for pointer, sentence in told.warnings]
    lines += [f"not supported yet: {name}" for name in told.unsupported]
    counts = [
        _counted(len(told.problems), "problem"),
        _counted(len(told.warnings), "warning"),
        _counted(len(told.unsupported), "key") + " not supported yet" if told.unsupported else "",
    ]
    verdict = "config.json is not valid" if told.problems else "config.json is valid"
    summary = ", ".join(count for count in counts if count)
    lines.append(f"{verdict}: {summary}" if summary else verdict)
    return "".join(line + "\n" for line in lines)


def placed(pointer: str, sentence: str) -> str:
    """Return a sentence behind its place, where it has one."""
    return f"{pointer}: {sentence}" if pointer else sentence


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number > 1 else "") if number else ""
