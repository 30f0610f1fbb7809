"""From a profile to a filter, by libseccomp; only when the cache does not have it."""

from __future__ import annotations

import posix

from pyruntime import errors, libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.seccomp import Condition, FilterStep

_TREE = 2
_CTL_OPTIMIZE = 8  # SCMP_FLTATR_CTL_OPTIMIZE
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_INSTRUCTION_SIZE = 8
_WORD = 0xFFFFFFFF

_X86_64, _X32, _X32_BIT = 0xC000003E, 0x4000003E, 0x40000000

_ENOSYS = 38
_ERRNO, _ALLOW, _LOG, _TRACE = 0x00050000, 0x7FFF0000, 0x7FFC0000, 0x7FF00000
_ACTION = 0xFFFF0000

# linux/bpf_common.h; the number of the call is at 0 of struct seccomp_data, the architecture at 4.
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def compiled(wanted: FilterStep) -> bytes:
    """Return the program of a profile: libseccomp's, behind a stub that answers ENOSYS.

    Names that libseccomp does not know are left out, as every engine expects: its profile names
    calls of kernels to come.

    Raises:
        Unsupported: libseccomp or its binding is missing or does not know an architecture, or the
            program is larger than the kernel takes.
        RuntimeFailure: libseccomp refuses a rule.
    """
    library = _library()
    tokens = _tokens(library, wanted.architectures)
    program = _stub(library, wanted, tokens) + _exported(_filter(library, wanted, tokens))
    count = len(program) // _INSTRUCTION_SIZE
    if count > _MOST_INSTRUCTIONS:
        raise errors.Unsupported(
            f"the seccomp profile needs {count} instructions, the kernel takes {_MOST_INSTRUCTIONS}"
        )
    return program


def makers() -> list[str]:
    """Return the files that take part in the making: the binding and, if apart, libseccomp."""
    library = _library()
    found = {library.__file__}
    descriptor = posix.open("/proc/self/maps", posix.O_RDONLY)
    maps = _whole(descriptor).decode("utf-8", "surrogateescape")
    for line in maps.splitlines():
        path = line.partition("/")[2]
        if "seccomp" in path.rpartition("/")[2]:
            found.add("/" + path)
    return sorted(found)


def _library() -> Any:
    """Import libseccomp's binding: the distribution's, else the one from PyPI."""
    why: Exception | None = None
    # The installed program knows the place of the first and need not look far.
    for name, look_far in (("seccomp", False), ("seccomp", True), ("pyseccomp", True)):
        try:
            if look_far:
                libraries.reach()
            return __import__(name)
        except (ImportError, RuntimeError) as error:  # RuntimeError: there is no libseccomp
            why = error
    told = "seccomp needs libseccomp and its Python binding (python3-seccomp or pyseccomp)"
    raise errors.Unsupported(told) from why


def _tokens(library: Any, names: tuple[str, ...]) -> list[int]:
    """Return libseccomp's tokens of the native architecture and of the given ones, each once.

    They are AUDIT_ARCH_… of linux/audit.h, but for x32. The bindings are not of one mind on their
    sign.
    """
    tokens = [library.system_arch() & _WORD]
    for name in names:
        token = getattr(library.Arch, name.removeprefix("SCMP_ARCH_"), None)
        if token is None:
            raise errors.Unsupported(f"linux.seccomp: this libseccomp does not know {name}")
        if token & _WORD not in tokens:
            tokens.append(token & _WORD)
    return tokens


def _number(library: Any, token: int, name: str) -> int:
    """Return a call's number on an architecture; below 0 when it has none, -1 when nobody has."""
    try:
        return int(library.resolve_syscall(_signed(token), name))
    except ValueError:
        return -1


def _filter(library: Any, wanted: FilterStep, tokens: list[int]) -> Any:
    """Tell libseccomp the rules."""
    made = library.SyscallFilter(_signed(wanted.default))
    for token in tokens[1:]:
        made.add_arch(_signed(token))
    count = 0
    for names, action, conditions in wanted.rules:
        if action == wanted.default:  # libseccomp refuses what changes nothing
            continue
        alternatives = [
            [_argument(library, condition) for condition in alternative]
            for alternative in _alternatives(conditions)
        ]
        for name in names:
            number = _number(library, tokens[0], name)
            if number == -1:
                continue
            count += 1
            for arguments in alternatives:
                _add(made, action, number, arguments, name)
    if count:  # 2.5.4 makes a wrong program of a tree without calls
        _set_tree(made)
    return made


def _add(made: Any, action: int, number: int, arguments: list[Any], name: str) -> None:
    try:
        made.add_rule(_signed(action), number, *arguments)
    except (RuntimeError, OSError) as error:
        told = f"error adding seccomp rule for syscall {name}: {error}"
        raise errors.RuntimeFailure(told) from error


def _set_tree(made: Any) -> None:
    """Look calls up in a binary tree, as libseccomp can from 2.5 on.

    It is faster for a long profile. runc keeps to a row up to 32 calls; but in a row libseccomp
    2.5.4 forgets to load the call's number where an architecture lacks the first call and a later
    one has conditions, so that no rule of that architecture matches any more.
    """
    try:
        made.set_attr(_CTL_OPTIMIZE, _TREE)
    except (RuntimeError, OSError):
        return


def _signed(word: int) -> int:
    """Return an action or a token as the C int that the binding takes."""
    return word - (1 << 32) if word >= 1 << 31 else word


def _alternatives(conditions: tuple[Condition, ...]) -> list[tuple[Condition, ...]]:
    """Return the sets of conditions that each match alone.

    libseccomp cannot put two conditions on one argument into a rule. Docker's profiles relied on
    its old way of taking each as a rule of its own, so runc keeps to that, and so is it here.
    """
    indexes = [condition[0] for condition in conditions]
    if len(set(indexes)) == len(indexes):
        return [conditions]
    return [(condition,) for condition in conditions]


def _argument(library: Any, condition: Condition) -> Any:
    """Return a condition; for MASKED_EQ the value is the mask and the second what must be left."""
    index, operator, value, second = condition
    return library.Arg(index, operator, value, second)


def _exported(made: Any) -> bytes:
    """Return the program; libseccomp writes it to a descriptor."""
    descriptor = posix.memfd_create("filter", posix.MFD_CLOEXEC)
    made.export_bpf(_File(descriptor))
    posix.lseek(descriptor, 0, 0)
    return _whole(descriptor)


class _File:
    """All of a file object that the bindings ask for; `open` is not there in half a start."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor


def _whole(descriptor: int) -> bytes:
    """Read a descriptor to its end and close it."""
    content = b""
    while piece := posix.read(descriptor, 1 << 16):
        content += piece
    posix.close(descriptor)
    return content


def _stub(library: Any, wanted: FilterStep, tokens: list[int]) -> bytes:
    """Return instructions that answer ENOSYS to calls newer than the newest in the profile.

    A libc that tries a new call before an old one goes on only after ENOSYS. A profile that does
    not know the call would say EPERM, and the program would fail on every newer libc. Where the
    default lets calls pass, or answers ENOSYS anyway, there is nothing to do.
    """
    if wanted.default == _ERRNO | _ENOSYS or wanted.default & _ACTION in (_ALLOW, _LOG, _TRACE):
        return b""
    names = {name for rule in wanted.rules for name in rule[0]}
    newest = {}
    for token in tokens:
        number = max((_number(library, token, name) for name in names), default=0)
        if number > 0:
            newest[token] = number
    return stub(newest)


def stub(newest: dict[int, int]) -> bytes:
    """Return the instructions for the newest call of each architecture, none for none.

    x32 is x86_64 with a bit in the call's number. Where the profile has one of the two only, the
    other's calls are left to the filter.
    """
    code: list[bytes] = []
    for token, number in newest.items():
        if token == _X32 and _X86_64 in newest:
            continue
        behind = 1 + len(code)  # from before the answer to behind the stub
        section = [_instruction(_LOAD, _NUMBER_AT)]
        if token in (_X32, _X86_64):
            section += [
                _instruction(_JUMP_FROM, _X32_BIT, 1, 0),
                _instruction(_JUMP_ABOVE, newest.get(_X86_64, _WORD), 1, behind + 1),
                _instruction(_JUMP_ABOVE, newest.get(_X32, _WORD), 0, behind),
            ]
        else:
            section.append(_instruction(_JUMP_ABOVE, number, 0, behind))
        section.append(_instruction(_RETURN, _ERRNO | _ENOSYS))
        audit = _X86_64 if token == _X32 else token
        code = [_instruction(_JUMP_EQUAL, audit, 0, len(section)), *section, *code]
    return b"".join([_instruction(_LOAD, _ARCHITECTURE_AT), *code] if code else [])


def _instruction(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Pack struct sock_filter: operation, two distances, value."""
    word = operation | then << 16 | otherwise << 24 | value << 32
    return word.to_bytes(_INSTRUCTION_SIZE, "little")
