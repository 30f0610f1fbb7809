"""Every known flaw of a container runtime has a test here, or waits for the part it concerns.

A test names the flaws that it would catch in the first words of its docstring. These wait, because
what they are about is refused by name so far:

    flaw                what it is about                                     waits for
    CVE-2025-24965      files written through links of a krun image          not built: no krun
    CVE-2022-24769      inheritable capabilities that an engine wrote        the engine's: the config is followed
    CVE-2023-2640       overlay xattrs in a user namespace                   the kernel's
"""

import ast
import re
from pathlib import Path

import pytest

KNOWN = """
2014-8989 2016-9962 2019-5736 2019-16884 2019-18837 2019-19921 2021-30465 2021-43784 2022-24769
2022-27650 2022-29162 2023-2640 2023-25809 2023-27561 2023-28642 2024-21626 2024-45310 2025-24965
2025-27612 2025-31133 2025-52565 2025-52881 2025-54867 2025-62161 2025-62596 2026-30892 2026-41579
2026-46680 2026-47766
""".split()
_ID = re.compile(r"CVE-(\d{4}-\d+)")


def covered():
    """Return the ids that docstrings of tests name before their first colon."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_cve_"):
                found.update(_ID.findall((ast.get_docstring(node) or "").partition(":")[0]))
    return found


def waiting():
    """Return the ids of the table above."""
    return {match[1] for line in __doc__.splitlines() if (match := re.match(r" {4}CVE-(\d{4}-\d+) {2}", line))}


@pytest.mark.anyone
@pytest.mark.parametrize("flaw", KNOWN)
def test_each_known_flaw_is_tested_or_waits(flaw):
    assert (flaw in covered()) != (flaw in waiting())


@pytest.mark.anyone
def test_no_flaw_is_tested_that_is_not_known():
    assert covered() | waiting() == set(KNOWN)
