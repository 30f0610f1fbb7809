"""Attributes that a process sets on itself by one system call each, and that execve(2) keeps.

I/O priority, personality and memory policy. They are steps of the native program, the last thing
done with all privileges: after Python, which shall neither run nor allocate under them, and before
the seccomp filter, which may forbid the calls. Loaded only where a config has one of them.
"""

from __future__ import annotations

from pyruntime.feature.step import Step
from pyruntime.kernel import door
from pyruntime.spec import listformat, processwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config, IoPriority, MemoryPolicy, Personality

_IOPRIO_WHO_PGRP = 1
_IOPRIO_CLASS_SHIFT = 13
_WORD_BITS = 64


class AttributeStep(Step):
    """Make the system call `call` with `arguments`; `said` for people, `words` for its failure."""

    __slots__ = ("arguments", "call", "said", "words")

    def __init__(
        self, said: str, call: str, arguments: tuple[int | bytes, ...], hint: str = ""
    ) -> None:
        self.said, self.call, self.arguments = said, call, arguments
        self.words = f"{said} ({hint})" if hint else said

    def describe(self) -> str:
        """Return what it sets."""
        return self.said


def known_memory_policies() -> dict[str, list[str]]:
    """Return the modes and flags for `features`."""
    return {
        "modes": sorted(processwords.MEMORY_POLICIES),
        "flags": sorted(processwords.MEMORY_POLICY_FLAGS),
    }


def plan(config: Config) -> list[AttributeStep]:
    """Work out the attributes of a checked config."""
    linux = config.get("linux", {})
    found = []
    if priority := config["process"].get("ioPriority"):
        found.append(_io_priority(priority))
    if personality := linux.get("personality"):
        found.append(_personality(personality))
    if policy := linux.get("memoryPolicy"):
        found.append(_memory_policy(policy))
    return found


def _io_priority(wish: IoPriority) -> AttributeStep:
    """Plan ioprio_set(2) for the process group, whose one member the process still is."""
    kind, priority = wish["class"], wish["priority"]
    value = processwords.IO_CLASSES[kind] << _IOPRIO_CLASS_SHIFT | priority
    hint = "it needs CAP_SYS_NICE or CAP_SYS_ADMIN" if kind == "IOPRIO_CLASS_RT" else ""
    said = f"set the I/O priority {kind} {priority}"
    return AttributeStep(said, "ioprio_set", (_IOPRIO_WHO_PGRP, 0, value), hint)


def _personality(wish: Personality) -> AttributeStep:
    """Plan personality(2); flags that the caller had, such as ADDR_NO_RANDOMIZE, are cleared."""
    domain = wish["domain"]
    hint = "can the processor run 32-bit programs?" if domain == "LINUX32" else ""
    said = f"set the personality {domain}"
    return AttributeStep(said, "personality", (processwords.DOMAINS[domain],), hint)


def _memory_policy(wish: MemoryPolicy) -> AttributeStep:
    """Plan set_mempolicy(2), whose count of bits is one more than those that it reads."""
    nodes, flags = wish.get("nodes", ""), set(wish.get("flags", ()))
    mode = processwords.MEMORY_POLICIES[wish["mode"]]
    mode |= sum(processwords.MEMORY_POLICY_FLAGS[flag] for flag in flags)
    mask = listformat.mask(nodes)
    words = -(-mask.bit_length() // _WORD_BITS)
    said = " ".join(["set the memory policy", wish["mode"], *sorted(flags)])
    if not words:
        return AttributeStep(said, "set_mempolicy", (mode, 0, 0))
    bits = mask.to_bytes(words * _WORD_BITS // 8, door.ORDER)
    return AttributeStep(
        f"{said} on the nodes {nodes}",
        "set_mempolicy",
        (mode, bits, words * _WORD_BITS + 1),
        "nodes must have memory and be in the cpuset",
    )
