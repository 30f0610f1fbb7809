"""How a planned mount is said to people."""

from __future__ import annotations

from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep


def said(step: MountStep) -> str:
    """Say a mount as mount(8) would be asked."""
    wishes = [*step.options, *step.extensions]
    told = [key if value is None else f"{key}={value}" for key, value in wishes]
    told += [word for bit, word in words.ATTRIBUTE_NAMES if step.add & bit]
    told += ["r" + word for bit, word in words.ATTRIBUTE_NAMES if step.tree_add & bit]
    told += ["recursive"] if step.recursive else []
    verb = "remount" if step.remount else "bind" if step.kind == "bind" else f"mount {step.kind}"
    source = f" {step.source}" if step.kind == "bind" else ""
    return f"{verb}{source} on {step.destination}" + (f" ({', '.join(told)})" if told else "")
