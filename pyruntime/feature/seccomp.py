"""The system calls a container may make: linux.seccomp as a BPF filter.

libseccomp compiles the profile (feature/seccomp_compile.py, 12-17 ms for an engine's default
profile); the result is kept by content (feature/seccomp_cache.py), so that all later containers of
the profile read it in a fraction of a millisecond. The filter is loaded by the container's init.
"""

from __future__ import annotations

import _blake2
import marshal

from pyruntime import errors
from pyruntime.feature import seccomp_cache, step
from pyruntime.kernel import door
from pyruntime.spec import seccompwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyruntime.spec.shapes import Seccomp, SyscallArgument, SyscallRule

    Condition = tuple[int, int, int, int]  # index, operator, value, second value
    Rule = tuple[tuple[str, ...], int, tuple[Condition, ...]]  # names, action, conditions

# Changes with everything in seccomp_compile.py that changes the program of a profile.
_COMPILER = 1

_EPERM = 1
_HIGHEST_NUMBER = 0xFFFF  # SECCOMP_RET_DATA
_ARGUMENTS = 6
_NOTIFY = seccompwords.ACTIONS["SCMP_ACT_NOTIFY"]
# Tells how a listener waits; the kernel refuses it for a filter without one.
_WAITS = seccompwords.FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
_TSYNC = seccompwords.FLAGS["SECCOMP_FILTER_FLAG_TSYNC"]
# Alone, TSYNC tells a thread's id when it fails; with a listener that would look like a descriptor.
_NEW_LISTENER, _TSYNC_ESRCH = 8, 16
_UNSAID = ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",)


class FilterStep(step.Step):
    """A profile in the kernel's words.

    Attributes:
        default: action of a call that no rule matches.
        architectures: SCMP_ARCH_… besides the native one.
        rules: (names, action, conditions), in order.
        flags: of seccomp(2).
        agent: (path of its socket, metadata) where calls are notified, else None.
    """

    __slots__ = ("agent", "architectures", "default", "flags", "rules")

    def __init__(
        self,
        default: int,
        architectures: tuple[str, ...],
        rules: tuple[Rule, ...],
        flags: int,
        agent: tuple[str, str] | None = None,
    ) -> None:
        self.agent = agent
        self.default = default
        self.architectures = architectures
        self.rules = rules
        self.flags = flags

    def describe(self) -> str:
        """Say how large the profile is and what it answers by default."""
        count = sum(len(names) for names, _, _ in self.rules)
        told = f"filter system calls: {count} names, otherwise {_answer(self.default)}"
        return told if self.agent is None else f"{told}, notifying the agent at {self.agent[0]}"

    def key(self) -> str:
        """Return the name of the compiled program: a digest of all that it depends on.

        libseccomp itself is not part of it: finding it costs more than reading the program does.
        The program is kept with the files that made it, which seccomp_cache looks at.
        """
        whole = (_COMPILER, door.MACHINE, self.default, self.architectures, self.rules)
        # Version 0 writes equal values equally: later ones refer back to objects met before.
        digest: str = _blake2.blake2b(marshal.dumps(whole, 0), digest_size=20).hexdigest()
        return digest


class Filter:
    """What seccomp(2) loads: `program`, eight bytes an instruction, and `flags`."""

    __slots__ = ("flags", "program")

    def __init__(self, program: bytes, flags: int) -> None:
        self.program = program
        self.flags = flags


def _answer(action: int) -> str:
    """Return the word of an action, with its number where it has one."""
    word, number = action & ~_HIGHEST_NUMBER, action & _HIGHEST_NUMBER
    told = next((name for name, bits in seccompwords.ACTIONS.items() if bits == word), f"{word:#x}")
    if told == "SCMP_ACT_ERRNO":
        return f"{told} {number} ({errors.reason(number)})"
    return f"{told} {number}" if told in seccompwords.NUMBERED_ACTIONS else told


def known() -> dict[str, object]:
    """Return the words for `features`: what a profile may use."""
    flags = sorted(seccompwords.FLAGS)
    return {
        "enabled": True,
        "actions": sorted(seccompwords.ACTIONS),
        "operators": sorted(seccompwords.OPERATORS),
        "archs": sorted(seccompwords.ARCHITECTURES),
        "knownFlags": flags,
        "supportedFlags": flags,
    }


def plan(profile: Seccomp) -> FilterStep | None:
    """Put a checked linux.seccomp into the kernel's words; None when it asks for nothing.

    Raises:
        SpecError: a condition on a seventh argument, or an error number too large to be returned.
    """
    syscalls = profile.get("syscalls") or ()
    if not profile.get("defaultAction") and not syscalls:
        return None
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"), "")
    flags = 0
    for word in profile.get("flags", _UNSAID):  # an empty list wants none, silence wants this one
        flags |= seccompwords.FLAGS[word]
    architectures, rules = tuple(profile.get("architectures") or ()), _rules(syscalls)
    if all(action != _NOTIFY for _, action, _ in rules):
        return FilterStep(default, architectures, rules, flags & ~_WAITS)
    flags |= _NEW_LISTENER | (_TSYNC_ESRCH if flags & _TSYNC else 0)
    agent = (profile["listenerPath"], profile.get("listenerMetadata", ""))
    return FilterStep(default, architectures, rules, flags, agent)


def _rules(syscalls: Sequence[SyscallRule]) -> tuple[Rule, ...]:
    """Return the rules in order; neighbours that differ in their names only become one.

    Engines write an entry for each name: over 400, that become about a dozen.
    """
    rules: list[tuple[list[str], int, tuple[Condition, ...]]] = []
    before: object = None
    names: list[str] = []
    for index, entry in enumerate(syscalls):
        wish = (entry["action"], entry.get("errnoRet"), entry.get("args"))
        if wish != before:
            before, names = wish, []
            place = f"/syscalls/{index}"
            conditions = [_condition(each, place) for each in wish[2] or ()]
            rules.append((names, _action(wish[0], wish[1], place), tuple(conditions)))
        names += entry["names"]
    return tuple([(tuple(names), action, conditions) for names, action, conditions in rules])


def _action(word: str, number: int | None, place: str) -> int:
    """Return an action's word with its error number, EPERM by default."""
    if word not in seccompwords.NUMBERED_ACTIONS:
        return seccompwords.ACTIONS[word]
    if number is None:
        number = _EPERM
    if number > _HIGHEST_NUMBER:
        told = f"error number {number} is larger than {_HIGHEST_NUMBER}"
        raise errors.SpecError([(f"/linux/seccomp{place}", told)])
    return seccompwords.ACTIONS[word] | number


def _condition(argument: SyscallArgument, place: str) -> Condition:
    index = argument["index"]
    if index >= _ARGUMENTS:
        told = f"a system call has arguments 0 to 5, not {index}"
        raise errors.SpecError([(f"/linux/seccomp{place}/args", told)])
    operator = seccompwords.OPERATORS[argument["op"]]
    return index, operator, argument["value"], argument.get("valueTwo") or 0


def program(wanted: FilterStep, cache_directory: str) -> Filter:
    """Return the filter of a profile, from the cache when it was compiled before.

    Args:
        wanted: the profile.
        cache_directory: where programs are kept, made when missing; one that cannot be used is
            passed over with a warning.

    Raises:
        Unsupported: libseccomp or its Python binding is missing, does not know an architecture, or
            the program is larger than the kernel takes.
        RuntimeFailure: libseccomp refuses a rule.
    """
    key = wanted.key()
    code = seccomp_cache.read(cache_directory, key)
    if code is None:
        from pyruntime.feature import seccomp_compile

        code = seccomp_compile.compiled(wanted)
        seccomp_cache.write(cache_directory, key, code, seccomp_compile.makers())
    return Filter(code, wanted.flags)
