"""The reduced device rules and their BPF program against a plain model of cgroup v1."""

import itertools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyruntime import errors
from pyruntime.feature import host
from pyruntime.feature.cgroup import devices, filesystem, removal
from pyruntime.kernel import process

CASES = int(os.environ.get("PYRUNTIME_CASES", "2000"))
BITS = {"m": 1, "r": 2, "w": 4}

# What runc appends to every list, so that engines rely on it.
DEFAULTS = [
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "b", "access": "m"},
    *[
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        for major, minor in [
            (1, 3),
            (1, 5),
            (1, 7),
            (1, 8),
            (1, 9),
            (5, 0),
            (136, None),
            (5, 2),
            (10, 200),
        ]
    ],
]


class Hole(Exception):
    """A rule that cgroup v1 would silently not carry out."""


class Model:
    """security/device_cgroup.c, with exceptions in a list and nothing reduced."""

    def __init__(self, rules):
        self.allow = False
        self.exceptions = []  # [type, major, minor, access]
        for rule in rules:
            self.write(rule)

    def write(self, rule):
        if rule.get("type", "a") == "a":
            self.allow, self.exceptions = rule["allow"], []
            return
        spot = [rule["type"], self.number(rule, "major"), self.number(rule, "minor")]
        access = sum(BITS[letter] for letter in set(rule["access"]))
        if rule["allow"] != self.allow:
            self.add(spot, access)
        else:
            self.take(spot, access)

    @staticmethod
    def number(rule, name):
        value = rule.get(name)
        return None if value in (None, -1) else value

    def add(self, spot, access):
        for each in self.exceptions:
            if each[:3] == spot:
                each[3] |= access
                return
        self.exceptions.append([*spot, access])

    def take(self, spot, access):
        for kind, major, minor, present in self.exceptions:
            wider = kind == spot[0] and major in (None, spot[1]) and minor in (None, spot[2])
            if wider and [kind, major, minor] != spot and present & access:
                raise Hole
        for each in self.exceptions:
            if each[:3] == spot:
                each[3] &= ~access
        self.exceptions = [each for each in self.exceptions if each[3]]

    def allows(self, kind, major, minor, access):
        matching = [
            present
            for its_kind, its_major, its_minor, present in self.exceptions
            if its_kind == kind and its_major in (None, major) and its_minor in (None, minor)
        ]
        if self.allow:
            return not any(present & access for present in matching)
        return any(present & access == access for present in matching)


def run(program, kind, major, minor, access):
    """Interpret the few eBPF operations that device programs use."""
    context = {0: access << 16 | {"b": 1, "c": 2}[kind], 4: major, 8: minor}
    registers = {1: context}
    at = 0
    while True:
        word = int.from_bytes(program[8 * at : 8 * at + 8], "little")
        operation, target, source = word & 0xFF, word >> 8 & 0xF, word >> 12 & 0xF
        offset, value = word >> 16 & 0xFFFF, word >> 32
        assert offset < 0x8000, "a jump backwards"
        at += 1
        if operation == 0x61:  # load a word
            registers[target] = registers[source][offset]
        elif operation == 0x54:  # and, 32 bits
            registers[target] &= value
        elif operation == 0x74:  # shift right, 32 bits
            registers[target] >>= value
        elif operation == 0xB7:  # set
            registers[target] = value
        elif operation == 0x05:  # jump
            at += offset
        elif operation == 0x56:  # jump unless equal, 32 bits
            at += offset if registers[target] != value else 0
        elif operation == 0x46:  # jump if any bit, 32 bits
            at += offset if registers[target] & value else 0
        elif operation == 0x95:  # exit
            return bool(registers[0])
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


OTHER = 77
NUMBERS = st.sampled_from([None, -1, 1, 3, 10, 200, 0xFFFFFFFF])
RULES = st.lists(
    st.fixed_dictionaries(
        {"allow": st.booleans(), "access": st.text("rwm", min_size=1, max_size=3)},
        optional={"type": st.sampled_from("abcbcbc"), "major": NUMBERS, "minor": NUMBERS},
    ),
    max_size=8,
)
POINTS = list(itertools.product("bc", (1, 10, OTHER, 0xFFFFFFFF), (3, 200, OTHER), range(1, 8)))


def reduced(rules):
    """Return (step, model), or (None, None) when both refuse."""
    try:
        model = Model([*rules, *DEFAULTS])
    except Hole:
        with pytest.raises(errors.SpecError):
            devices.plan(rules)
        return None, None
    return devices.plan(rules), model


@given(RULES)
@settings(max_examples=CASES, deadline=None)
def test_the_program_decides_as_cgroup_v1(rules):
    step, model = reduced(rules)
    if step is None:
        return
    program = devices.program(step)
    for point in POINTS:
        assert run(program, *point) == model.allows(*point), point


@given(RULES)
@settings(max_examples=CASES // 10, deadline=None)
def test_no_exception_can_be_left_out(rules):
    step, _ = reduced(rules)
    if step is None:
        return
    program = devices.program(step)
    for left_out in step.exceptions:
        (kind, major, minor), _ = left_out
        rest = tuple(each for each in step.exceptions if each != left_out)
        without = devices.program(
            devices.DeviceStep(rest, allow=step.allow, required=step.required)
        )
        spot = (
            kind,
            OTHER if major == devices.ANY else major,
            OTHER if minor == devices.ANY else minor,
        )
        assert any(
            run(program, *spot, access) != run(without, *spot, access) for access in range(1, 8)
        )


# Opening a node asks the cgroup before the driver, so numbers that no driver has can be asked for:
# the answer is ENXIO instead of EPERM. 240-254 are for local use (Documentation/admin-guide/devices.txt).
NODES = [
    ("c", 1, 3),
    ("c", 1, 5),
    ("c", 250, 3),
    ("c", 250, 200),
    ("c", 251, 3),
    ("b", 250, 3),
    ("b", 251, 200),
]
KERNEL_STEPS = st.builds(
    lambda allow, exceptions: devices.DeviceStep(
        tuple(exceptions.items()), allow=allow, required=True
    ),
    st.booleans(),
    st.dictionaries(
        st.tuples(
            st.sampled_from("bc"),
            st.sampled_from([devices.ANY, 1, 250, 251]),
            st.sampled_from([devices.ANY, 3, 5, 200]),
        ),
        st.integers(1, 7),
        max_size=6,
    ),
)


class Prisoner:
    """A child in a cgroup of its own and a file system of its own that tries devices on demand."""

    def __init__(self, directory):
        self.cgroup = filesystem.CgroupStep(
            f"/pyruntime-test-{os.getpid()}", host.look().cgroup_root
        )
        self.descriptor, self.made = filesystem.make(self.cgroup)
        self.asking, asked = os.pipe()[::-1]
        answered, answering = os.pipe()
        self.answers = os.fdopen(answered)
        pid, self.pidfd = process.clone3(process.CLONE_NEWNS, self.descriptor)
        if not pid:
            os.close(self.asking)
            try:
                self.live(str(directory), asked, answering)
            finally:
                os._exit(1)
        os.close(asked)
        os.close(answering)
        self.pid = pid

    def live(self, directory, asked, answering):
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        assert not libc.mount(b"none", b"/", None, ctypes.c_ulong(1 << 18 | 1 << 14), None)
        assert not libc.mount(b"tmpfs", directory.encode(), b"tmpfs", ctypes.c_ulong(0), None)
        os.chdir(directory)
        for kind, major, minor in NODES:
            os.mknod(f"{kind}{major}.{minor}", 0o600 | self.mode(kind), os.makedev(major, minor))
        while os.read(asked, 1):
            os.write(answering, json.dumps(self.tries()).encode() + b"\n")
        os._exit(0)

    @staticmethod
    def mode(kind):
        return 0o020000 if kind == "c" else 0o060000

    def tries(self):
        found = []
        for kind, major, minor in NODES:
            name = f"{kind}{major}.{minor}"
            for access, flags in [(2, os.O_RDONLY), (4, os.O_WRONLY), (6, os.O_RDWR)]:
                found.append(
                    [kind, major, minor, access, self.may(os.open, name, flags | os.O_NONBLOCK)]
                )
            found.append(
                [
                    kind,
                    major,
                    minor,
                    1,
                    self.may(os.mknod, "new", 0o600 | self.mode(kind), os.makedev(major, minor)),
                ]
            )
        return found

    @staticmethod
    def may(call, name, *arguments):
        try:
            descriptor = call(name, *arguments)
        except PermissionError:
            return False
        except OSError:  # ENXIO: past the cgroup
            return True
        if descriptor is None:
            os.unlink(name)
        else:
            os.close(descriptor)
        return True

    def ask(self):
        os.write(self.asking, b"?")
        return json.loads(self.answers.readline())

    def release(self):
        os.close(self.asking)
        self.answers.close()
        removal.kill(self.cgroup.directory)
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        os.close(self.descriptor)
        filesystem.unmake(self.cgroup, self.made)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="device programs are root's")
def test_the_kernel_decides_as_the_model(tmp_path):
    prisoner = Prisoner(tmp_path)
    try:

        @given(KERNEL_STEPS)
        @settings(max_examples=max(20, CASES // 50), deadline=None)
        def check(step):
            devices.apply(step, prisoner.descriptor)
            model = Model([])
            model.allow = step.allow
            model.exceptions = [
                [kind, *(None if number == devices.ANY else number for number in numbers), access]
                for (kind, *numbers), access in step.exceptions
            ]
            for *point, allowed in prisoner.ask():
                assert allowed == model.allows(*point), (step.describe(), point)

        check()
    finally:
        prisoner.release()
