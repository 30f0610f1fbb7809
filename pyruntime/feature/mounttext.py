"""How a planned mount is said to people."""

from __future__ import annotations

from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep

_OPPOSITE = {"ro": "rw"}  # of the others it is the word without "no"
_ATIME = words.MOUNT_OPTIONS["strictatime"][2]  # cleared by each of its three values


def said(step: MountStep) -> str:
    """Say a mount as mount(8) would be asked."""
    wishes = [*step.options, *step.extensions]
    told = [key if value is None else f"{key}={value}" for key, value in wishes]
    told += [word for bit, word in words.ATTRIBUTE_NAMES if step.add & bit]
    told += ["r" + word for bit, word in words.ATTRIBUTE_NAMES if step.tree_add & bit]
    lifted = step.clear & ~step.add & ~_ATIME
    told += [_OPPOSITE.get(word, word[2:]) for bit, word in words.ATTRIBUTE_NAMES if lifted & bit]
    told += [_propagated(kind, recursive=recursive) for kind, recursive in step.propagation]
    told += ["recursive"] if step.recursive else []
    told += ["ro at last"] if step.late else []
    verb = "remount" if step.remount else "bind" if step.kind == "bind" else f"mount {step.kind}"
    source = f" {step.source}" if step.kind == "bind" else ""
    return f"{verb}{source} on {step.destination}" + (f" ({', '.join(told)})" if told else "")


def _propagated(bits: int, *, recursive: bool) -> str:
    """Return the option that stands for a type of propagation."""
    name = next(word for word, kind in words.PROPAGATIONS.items() if kind == bits)
    return f"r{name}" if recursive else name
