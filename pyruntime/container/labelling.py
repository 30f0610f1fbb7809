"""The steps that have the payload labelled by security modules; pieces of container/script.py.

Loaded by the parent for containers that ask for a label, since the child can load nothing.
"""

from __future__ import annotations

import _struct

from pyruntime.container import memory, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.script import Order
    from pyruntime.container.steps import Operation
    from pyruntime.feature.confinement import Label

_O_WRONLY_CLOEXEC = 0o2000001
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 1, 2, 8


def write(order: Order) -> list[Operation]:
    """Write the labels for the next execution, through a procfs that no mount covers.

    The files are opened here, since one opened before the player's own execution is refused; and
    without leaving the private procfs (CVE-2019-16884, CVE-2025-52881).
    """
    if order.procfs is None:
        return []
    found = [step for label in order.labels for step in _write_one(label, order.procfs)]
    return [*found, steps.Call("close the private procfs", "close", (order.procfs,))]


def _write_one(label: Label, procfs: int) -> list[Operation]:
    resolve = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_BENEATH
    how = _struct.pack("<QQQ", _O_WRONLY_CLOEXEC, 0, resolve)
    text = label.text.encode("utf-8", "surrogateescape")
    arguments = (procfs, label.file, how, len(how))
    opened = steps.Call(f"open {label.file}", "openat2", arguments, label.words)
    file = memory.Result(opened)
    said = f'label the payload "{label.text}"'
    return [
        opened,
        steps.Call(said, "write", (file, text, len(text)), label.words),
        steps.Call(f"close {label.file}", "close", (file,)),
    ]
