"""The quick check of a configuration, on the way of every create and run.

What walk.py refuses is given to explain.py, which asks jsonschema, the authority, and names every
problem.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.spec import rules, supported, table
from pyruntime.spec.walk import Refused, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(config: Any) -> list[str]:
    """Check the whole configuration and return warnings for the log.

    Args:
        config: what was read from config.json, of any shape.

    Raises:
        errors.SpecError: it is wrong; all problems, each with its place.
        errors.Unsupported: it is right, but asks for keys that are not built; all of them by name.
    """
    try:
        walk(config, table.CONFIG)
    except Refused as refused:
        from pyruntime.spec import explain

        explain.refuse(config, refused)
    problems = rules.broken(config)
    if problems:
        raise errors.SpecError(problems)
    wanting = supported.wanting(config)
    if wanting:
        raise errors.Unsupported("; ".join(f"{name} is not supported yet" for name in wanting))
    return rules.warnings(config)
