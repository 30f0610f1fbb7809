"""Which devices the container may use: linux.resources.devices as a BPF program of its cgroup.

The rules mean what they meant to the device controller of cgroup v1 (kernel documentation,
admin-guide/cgroup-v1/devices.rst; security/device_cgroup.c): a default, to allow or to deny, and a
list of exceptions to it. A rule of type "a" sets the default and empties the list; any other adds
an exception, or takes one away, when it says what the default says. Under "deny" an access is
allowed when ONE exception covers all of it; under "allow" it is denied when an exception covers
any part of it.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.kernel import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyruntime.spec.shapes import DeviceRule

    # (type, major, minor); ANY for every number
    Devices = tuple[str, int, int]

ANY = -1
MKNOD, READ, WRITE = 1, 2, 4  # BPF_DEVCG_ACC_…
_ALL = MKNOD | READ | WRITE
_ACCESS = {"m": MKNOD, "r": READ, "w": WRITE}
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_…
_HIGHEST = 0xFFFFFFFF
_SYSTEMDS = "sd_devices"  # name of systemd's device programs

# What every container may use, whatever its rules say, as with runc: node making, the devices that
# the spec puts into every container, terminals, and tun.
_DEFAULTS: tuple[tuple[Devices, int], ...] = (
    (("c", ANY, ANY), MKNOD),
    (("b", ANY, ANY), MKNOD),
    (("c", 1, 3), _ALL),  # null
    (("c", 1, 5), _ALL),  # zero
    (("c", 1, 7), _ALL),  # full
    (("c", 1, 8), _ALL),  # random
    (("c", 1, 9), _ALL),  # urandom
    (("c", 5, 0), _ALL),  # tty
    (("c", 136, ANY), _ALL),  # pts/*
    (("c", 5, 2), _ALL),  # ptmx
    (("c", 10, 200), _ALL),  # net/tun
)


class DeviceStep(step.Step):
    """The reduced rules.

    Attributes:
        allow: what happens to a device that no exception covers.
        exceptions: ((type, major, minor), access bits), none of them covered by another.
        required: whether it is an error when the kernel refuses the program.
    """

    __slots__ = ("allow", "exceptions", "required")

    def __init__(
        self, exceptions: tuple[tuple[Devices, int], ...], *, allow: bool, required: bool
    ) -> None:
        self.allow = allow
        self.exceptions = exceptions
        self.required = required

    def describe(self) -> str:
        """Say the default and the exceptions in the notation of cgroup v1."""
        told = ", ".join(_spelled(devices, access) for devices, access in self.exceptions)
        default = "allow" if self.allow else "deny"
        return f"{default} all devices" + (f" but {told}" if told else "")


def _spelled(devices: Devices, access: int) -> str:
    major, minor = ("*" if number == ANY else str(number) for number in devices[1:])
    letters = "".join(letter for letter in "rwm" if access & _ACCESS[letter])
    return f"{devices[0]} {major}:{minor} {letters}"


def plan(rules: Sequence[DeviceRule]) -> DeviceStep:
    """Reduce linux.resources.devices and the default rules after it to the fewest exceptions.

    Without rules only the default devices may be used, as with runc. A rule that would take a part
    out of a wider exception is refused, as by runc: cgroup v1 ignores it silently, which is a hole.

    Args:
        rules: the rules in order, checked; empty for none.

    Raises:
        SpecError: a number out of range, or a hole in a wider exception.
    """
    allow, exceptions = False, dict[tuple[str, int, int], int]()
    required = not rules
    for index, rule in enumerate(rules):
        devices, access = _read(rule, f"/linux/resources/devices/{index}")
        required = required or not rule["allow"] or access != _ALL
        if devices[0] == "a":
            allow, exceptions = rule["allow"], {}
        elif rule["allow"] != allow:
            exceptions[devices] = exceptions.get(devices, 0) | access
        else:
            _take(exceptions, devices, access, f"/linux/resources/devices/{index}")
    for devices, access in _DEFAULTS:
        if allow:
            _take(exceptions, devices, access, "/linux/resources/devices")
        else:
            exceptions[devices] = exceptions.get(devices, 0) | access
    return DeviceStep(_fewest(exceptions, allow=allow), allow=allow, required=required)


def _read(rule: DeviceRule, pointer: str) -> tuple[Devices, int]:
    """Return one rule; a missing type means "a", a missing number or -1 means every number."""
    devices = (
        rule.get("type") or "a",
        _number(rule.get("major"), f"{pointer}/major"),
        _number(rule.get("minor"), f"{pointer}/minor"),
    )
    return devices, _union([_ACCESS[letter] for letter in rule.get("access") or ""])


def _number(value: int | None, pointer: str) -> int:
    if value is None:
        return ANY
    if not ANY <= value <= _HIGHEST:
        raise errors.SpecError([(pointer, f"device number {value} is out of range")])
    return value


def _wider(devices: Devices) -> list[Devices]:
    """Return the wildcards that cover these devices and are not the same."""
    kind, major, minor = devices
    several = ((kind, ANY, minor), (kind, major, ANY), (kind, ANY, ANY))
    return [wider for wider in several if wider != devices]


def _take(exceptions: dict[Devices, int], devices: Devices, access: int, pointer: str) -> None:
    """Take an exception away.

    Raises:
        SpecError: a wider exception has a part of it.
    """
    for wider in _wider(devices):
        if exceptions.get(wider, 0) & access:
            hole, whole = _spelled(devices, access), _spelled(wider, exceptions[wider])
            told = f"requested rule [{hole}] cannot punch hole in existing wildcard rule [{whole}]"
            raise errors.SpecError([(pointer, told)])
    left = exceptions.pop(devices, 0) & ~access
    if left:
        exceptions[devices] = left


def _fewest(exceptions: dict[Devices, int], *, allow: bool) -> tuple[tuple[Devices, int], ...]:
    """Leave out the exceptions that wider ones make needless.

    Under "allow" any part counts, so several wider exceptions may cover one together.
    """
    fewest = []
    for devices, access in exceptions.items():
        wider = [exceptions.get(other, 0) for other in _wider(devices)]
        if allow:
            wider = [_union(wider)]
        if all(access & ~other for other in wider):
            fewest.append((devices, access))
    return tuple(fewest)


def _union(accesses: list[int]) -> int:
    whole = 0
    for access in accesses:
        whole |= access
    return whole


# eBPF operations (kernel documentation, bpf/standardization/instruction-set). The jumps compare the
# low 32 bits: numbers from 2^31 upwards would be sign-extended in a comparison of 64.
_LOAD_WORD, _AND, _SHIFT_RIGHT, _SET, _EXIT = 0x61, 0x54, 0x74, 0xB7, 0x95
_JUMP, _JUMP_UNLESS_EQUAL, _JUMP_IF_ANY_BIT = 0x05, 0x56, 0x46
_RESULT, _CONTEXT, _TYPE, _WISH, _MAJOR, _MINOR = range(6)


def program(wanted: DeviceStep) -> bytes:
    """Return the eBPF instructions that decide as the step says.

    The context is struct bpf_cgroup_dev_ctx (linux/bpf.h): access wish << 16 | type, major, minor.
    """
    code = [
        _instruction(_LOAD_WORD, _TYPE, source=_CONTEXT, offset=0),
        _instruction(_AND, _TYPE, 0xFFFF),
        _instruction(_LOAD_WORD, _WISH, source=_CONTEXT, offset=0),
        _instruction(_SHIFT_RIGHT, _WISH, 16),
        _instruction(_LOAD_WORD, _MAJOR, source=_CONTEXT, offset=4),
        _instruction(_LOAD_WORD, _MINOR, source=_CONTEXT, offset=8),
    ]
    for devices, access in wanted.exceptions:
        code += _exception(devices, access, allow=wanted.allow)
    return b"".join([*code, *_verdict(allow=wanted.allow)])


def _exception(devices: Devices, access: int, *, allow: bool) -> list[bytes]:
    """Return the test of one exception; a test that fails jumps behind its verdict."""
    tests = [(_JUMP_UNLESS_EQUAL, _TYPE, _TYPES[devices[0]])]
    if devices[1] != ANY:
        tests.append((_JUMP_UNLESS_EQUAL, _MAJOR, devices[1]))
    if devices[2] != ANY:
        tests.append((_JUMP_UNLESS_EQUAL, _MINOR, devices[2]))
    if access != _ALL and not allow:  # a wish for more than the exception has is not covered
        tests.append((_JUMP_IF_ANY_BIT, _WISH, ~access & _HIGHEST))
    end = _verdict(allow=not allow)
    if access != _ALL and allow:  # a wish for any part of what the exception denies is denied
        some = _instruction(_JUMP_IF_ANY_BIT, _WISH, access, offset=1)
        end = [some, _instruction(_JUMP, offset=len(end)), *end]
    behind = len(tests) + len(end) - 1
    return [
        *(
            _instruction(operation, register, value, offset=behind - at)
            for at, (operation, register, value) in enumerate(tests)
        ),
        *end,
    ]


def _verdict(*, allow: bool) -> list[bytes]:
    return [_instruction(_SET, _RESULT, int(allow)), _instruction(_EXIT)]


def _instruction(
    operation: int, register: int = 0, value: int = 0, *, source: int = 0, offset: int = 0
) -> bytes:
    """Pack struct bpf_insn: operation, registers, jump or memory offset, immediate value."""
    word = operation | register << 8 | source << 12 | offset << 16 | value << 32
    return word.to_bytes(8, "little")


def apply(wanted: DeviceStep, cgroup: int) -> None:
    """Attach the program to a cgroup, in place of any attached there before.

    But systemd's own stays: it would come back with the next daemon-reload, and each is asked.

    Args:
        wanted: the reduced rules.
        cgroup: descriptor of the cgroup's directory; O_PATH will do.

    Raises:
        KernelError: the kernel refuses, and the rules restrict something, and the runtime is root
            and not in a user namespace: others may not load device programs (nor can what they
            run open other users' devices, or make any).
    """
    try:
        _attach(wanted, cgroup)
    except OSError as error:
        if wanted.required and posix.geteuid() == 0 and not in_user_namespace():
            number = error.errno or 0
            raise errors.KernelError("attach the device program", "", number) from error


def _attach(wanted: DeviceStep, cgroup: int) -> None:
    found = [bpf.open_program(number) for number in bpf.attached(cgroup)]
    old = [each for each in found if bpf.name(each) != _SYSTEMDS]
    try:
        if wanted.allow and not wanted.exceptions and not old:
            return
        new = bpf.load_device_program(program(wanted))
        try:
            # One old program gives its place away at once; of several, each must allow an access,
            # so the new one comes first and there is no moment without rules.
            bpf.attach(cgroup, new, old[0] if len(old) == 1 else None)
        finally:
            posix.close(new)
        for descriptor in old if len(old) > 1 else ():
            bpf.detach(cgroup, descriptor)
    finally:
        for descriptor in found:
            posix.close(descriptor)


def in_user_namespace() -> bool:
    """Tell whether the runtime is in a user namespace (user_namespaces(7))."""
    descriptor = posix.open("/proc/self/uid_map", posix.O_RDONLY)
    try:
        return posix.read(descriptor, 4096).split() != [b"0", b"0", b"4294967295"]
    finally:
        posix.close(descriptor)
