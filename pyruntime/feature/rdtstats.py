"""What resctrl tells of a container's class of service, in the shape of runc's `intel_rdt`."""

from __future__ import annotations

import posix

from pyruntime.errors import doing
from pyruntime.kernel import resctrl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.rdt import RdtStep

    Document = dict[str, Any]

# Keys of what the processor can do: directory of `info`, the key, its files.
_ALLOCATIONS = (
    ("L3", "l3_cache", ("cbm_mask", "min_cbm_bits", "num_closids")),
    ("MB", "mem_bw", ("bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids")),
)
_MEASURED = (
    ("mbm_stats", ("mbm_total_bytes", "mbm_local_bytes")),
    ("cmt_stats", ("llc_occupancy",)),
)


def read(step: RdtStep, tree: str) -> Document:
    """Return the document; what the processor lacks is left out.

    Args:
        step: the plan of the container's class of service.
        tree: where resctrl is mounted.

    Raises:
        KernelError: the group is gone, or a file cannot be read.
    """
    group = step.group(tree)
    with doing("read the resctrl group", group):
        above, own = _schemata(tree), _schemata(group)
        document: Document = {}
        for part, key, files in _ALLOCATIONS:
            if resctrl.exists(f"{tree}/info/{part}"):
                document[f"{key}_info"] = _information(f"{tree}/info/{part}", files)
                document[f"{key}_schema_root"] = _line(above, part)
                document[f"{key}_schema"] = _line(own, part)
        document["schemata"] = own
        watched = f"{group}/mon_groups/{step.monitor}" if step.monitor else group
        document |= _measured(tree, watched)
    return {key: value for key, value in document.items() if value}


def _schemata(group: str) -> list[str]:
    return [line.strip() for line in resctrl.read(f"{group}/schemata").splitlines()]


def _line(schemata: list[str], part: str) -> str:
    """Return the line of a kind of resource, the last one of several."""
    return next((line for line in reversed(schemata) if part in line), "")


def _information(directory: str, files: tuple[str, ...]) -> dict[str, str | int]:
    """Read files of one value each: masks are told as they are written, all else as numbers."""
    found: dict[str, str | int] = {}
    for name in files:
        if resctrl.exists(f"{directory}/{name}"):
            text = resctrl.read(f"{directory}/{name}").strip()
            found[name] = int(text) if name != "cbm_mask" and text.isdecimal() else text
    return {name: value for name, value in found.items() if value}


def _measured(tree: str, group: str) -> Document:
    """Read the counters of each cache domain that the processor has."""
    if not resctrl.exists(f"{tree}/info/L3_MON/mon_features"):
        return {}
    able = resctrl.read(f"{tree}/info/L3_MON/mon_features").split()
    document: Document = {}
    for key, names in _MEASURED:
        if any(name in able for name in names):
            document[key] = [
                {name: _count(f"{group}/mon_data/{domain}/{name}", name in able) for name in names}
                for domain in sorted(posix.listdir(f"{group}/mon_data"))
            ]
    return document


def _count(file: str, able: bool) -> int:  # noqa: FBT001
    """Return a counter; 0 where there is none, or the kernel says Unavailable or Error."""
    text = resctrl.read(file).strip() if able else ""
    return int(text) if text.isdecimal() else 0
