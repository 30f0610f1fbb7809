"""Cgroups made, filled, killed and removed on the real hierarchy, below a directory of the test's own."""

import os
import signal
import time

import pytest

from pyruntime import errors
from pyruntime.feature import host
from pyruntime.feature.cgroup import devices, filesystem, removal
from pyruntime.kernel import bpf, process

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make cgroups here"),
]


@pytest.fixture
def top():
    """A cgroup of the test's own, as a path in the hierarchy."""
    path = f"/pyruntime-test-{os.getpid()}-{time.monotonic_ns()}"
    directory = host.look().cgroup_root + path
    os.mkdir(directory)
    yield path
    removal.kill(directory)
    removal.remove(directory)
    assert not os.path.exists(directory)


def wish(path):
    return filesystem.CgroupStep(path, host.look().cgroup_root)


class Inmates:
    """Children that sleep in cgroups; all are ended and reaped with the test."""

    def __init__(self):
        self.pids = []

    def sleep_in(self, directory, seconds=60.0):
        """Start a child in a cgroup."""
        descriptor = os.open(directory, os.O_PATH)
        pid, pidfd = process.clone3(0, descriptor)
        if not pid:
            time.sleep(seconds)
            os._exit(0)
        os.close(descriptor)
        os.close(pidfd)
        self.pids.append(pid)
        return pid

    def end(self, pid):
        """Wait for one that should end; return its wait status."""
        self.pids.remove(pid)
        return os.waitpid(pid, 0)[1]

    def release(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.fixture
def inmates():
    found = Inmates()
    yield found
    found.release()


def own_cgroup(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return next(line[3:].strip() for line in file if line.startswith("0::"))


def test_all_missing_levels_are_made_and_a_child_is_born_in_the_last(top):
    step = wish(f"{top}/a/b/box")
    descriptor, made = filesystem.make(step)
    assert made == [step.root + top + level for level in ("/a", "/a/b", "/a/b/box")]
    reading, writing = os.pipe()
    pid, pidfd = process.clone3(0, descriptor)
    if not pid:
        os.write(writing, own_cgroup(os.getpid()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 1000).decode().endswith(f"{top}/a/b/box")
    for each in (descriptor, pidfd, reading, writing):
        os.close(each)
    filesystem.unmake(step, made)
    assert os.listdir(step.root + top).count("a") == 0


def test_the_descriptor_can_only_name_the_cgroup(top):
    descriptor, _ = filesystem.make(wish(f"{top}/box"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.listdir(descriptor)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_an_empty_cgroup_that_is_already_there_is_taken(top):
    step = wish(f"{top}/box")
    os.mkdir(step.directory)
    descriptor, made = filesystem.make(step)
    os.close(descriptor)
    assert made == []


def test_a_cgroup_with_processes_is_refused(top, inmates):
    step = wish(f"{top}/box")
    os.makedirs(f"{step.directory}/below")
    inmates.sleep_in(step.directory)
    inmates.sleep_in(f"{step.directory}/below")
    with pytest.raises(
        errors.RuntimeFailure, match=r"^container's cgroup is not empty: 2 process\(es\) found$"
    ):
        filesystem.make(step)
    assert os.path.exists(step.directory)


@pytest.mark.parametrize("level", ["", "/box"])
def test_a_frozen_cgroup_is_refused_and_what_was_made_is_removed(top, level):
    step = wish(f"{top}/box/inner")
    if level:
        os.mkdir(step.root + top + level)
    before = os.path.exists(f"{step.root}{top}/box")
    with open(f"{step.root}{top}{level}/cgroup.freeze", "w") as file:
        file.write("1")
    with pytest.raises(errors.RuntimeFailure, match=r"^container's cgroup unexpectedly frozen$"):
        filesystem.make(step)
    assert os.path.exists(f"{step.root}{top}/box") == before
    assert not os.path.exists(step.directory)


def test_a_cgroup_that_cannot_be_made_is_told_with_its_reason(top):
    step = wish(f"{top}/a/with\na line break")
    with pytest.raises(errors.KernelError) as caught:
        filesystem.make(step)
    assert caught.value.say() == f"make the cgroup {step.directory}: invalid argument"
    assert not os.path.exists(f"{step.root}{top}/a")


def test_a_limit_on_the_depth_names_its_cure(top):
    step = wish(f"{top}/a/b")
    with open(f"{step.root}{top}/cgroup.max.depth", "w") as file:
        file.write("1")
    with pytest.raises(errors.KernelError, match=r"cgroup.max.depth") as caught:
        filesystem.make(step)
    assert "resource temporarily unavailable" in caught.value.say()


def test_a_level_that_another_container_uses_stays(top):
    first, second = wish(f"{top}/shared/one"), wish(f"{top}/shared/two")
    descriptor, made = filesystem.make(first)
    other, other_made = filesystem.make(second)
    filesystem.unmake(first, made)
    assert not os.path.exists(first.directory)
    assert os.path.exists(second.directory)
    filesystem.unmake(second, other_made)
    os.close(descriptor)
    os.close(other)


def test_a_level_that_is_taken_away_meanwhile_is_made_again(top, monkeypatch):
    step = wish(f"{top}/shared/box")
    real, calls = os.mkdir, []

    def mkdir(path, mode):
        calls.append(path)
        if len(calls) == 2:  # another container's failure has just removed what both would use
            os.rmdir(f"{step.root}{top}/shared")
        real(path, mode)

    monkeypatch.setattr(filesystem.posix, "mkdir", mkdir)
    descriptor, made = filesystem.make(step)
    os.close(descriptor)
    assert os.path.exists(step.directory)
    filesystem.unmake(step, made)


def test_kill_ends_everything_below_even_what_is_frozen(top, inmates):
    step = wish(f"{top}/box")
    os.makedirs(f"{step.directory}/a/b")
    pids = [inmates.sleep_in(step.directory + below) for below in ("", "/a", "/a/b")]
    with open(f"{step.directory}/a/cgroup.freeze", "w") as file:
        file.write("1")
    assert sorted(removal.processes(step.directory)) == sorted(pids)
    removal.kill(step.directory)
    assert [inmates.end(pid) for pid in pids] == [signal.SIGKILL] * 3
    removal.remove(step.directory)
    assert not os.path.exists(step.directory)


def test_frozen_is_told_of_the_cgroup_and_of_those_below_it(top, inmates):
    step = wish(f"{top}/box/inner")
    os.makedirs(step.directory)
    inmates.sleep_in(step.directory)
    assert not removal.frozen(step.directory)
    outer = f"{step.root}{top}/box"
    with open(f"{outer}/cgroup.freeze", "w") as file:
        file.write("1")
    deadline = time.monotonic() + 60
    while not removal.frozen(outer) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert removal.frozen(outer)
    assert removal.frozen(step.directory)


def test_a_tree_deeper_than_any_path_is_walked_and_removed(top, inmates):
    """A container with a writable cgroup mount may leave one behind."""
    step = wish(f"{top}/box")
    os.mkdir(step.directory)
    here = os.open(step.directory, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("x" * 200, dir_fd=here)
        os.mkdir("y", dir_fd=here)
        lower = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = lower
    pid = inmates.sleep_in(f"/proc/self/fd/{here}")
    os.close(here)
    assert removal.processes(step.directory) == [pid]
    removal.kill(step.directory)
    inmates.end(pid)
    removal.remove(step.directory)
    assert not os.path.exists(step.directory)


def test_removal_waits_for_a_process_that_is_about_to_end(top, inmates, monkeypatch):
    monkeypatch.setattr(removal, "_ROUNDS", 16)  # on a busy machine the end may be far
    step = wish(f"{top}/box")
    os.mkdir(step.directory)
    pid = inmates.sleep_in(step.directory, 0.1)
    removal.remove(step.directory)
    assert not os.path.exists(step.directory)
    assert inmates.end(pid) == 0


def test_removal_gives_up_after_a_second(top, inmates):
    step = wish(f"{top}/box")
    os.mkdir(step.directory)
    pid = inmates.sleep_in(step.directory)
    began = time.monotonic()
    with pytest.raises(errors.KernelError) as caught:
        removal.remove(step.directory)
    busy = f"remove the cgroup {step.directory}: device or resource busy"
    assert caught.value.say() == f"{busy} (still in it: {pid})"
    assert 0.9 < time.monotonic() - began < 30


def test_a_walk_leaves_no_descriptor_open(top):
    step = wish(f"{top}/box")
    os.makedirs(f"{step.directory}/a/b")
    before = os.listdir("/proc/self/fd")
    removal.processes(step.directory)
    removal.remove(step.directory)
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def cgroup(top):
    descriptor = os.open(host.look().cgroup_root + top, os.O_PATH)
    yield descriptor
    os.close(descriptor)


def test_a_device_program_takes_the_place_of_the_one_before(cgroup):
    devices.apply(devices.plan([]), cgroup)
    first = bpf.attached(cgroup)
    devices.apply(devices.plan([{"allow": True, "access": "rwm"}]), cgroup)
    second = bpf.attached(cgroup)
    assert (len(first), len(second)) == (1, 1)
    assert first != second


def test_one_program_takes_the_place_of_several(cgroup):
    step = devices.plan([])
    for _ in range(3):
        loaded = bpf.load_device_program(devices.program(step))
        bpf.attach(cgroup, loaded)
        os.close(loaded)
    old = bpf.attached(cgroup)
    devices.apply(step, cgroup)
    assert len(old) == 3
    assert len(bpf.attached(cgroup)) == 1
    assert bpf.attached(cgroup)[0] not in old


def test_where_everything_is_allowed_no_program_is_attached(cgroup):
    devices.apply(devices.plan([{"allow": True, "access": "rwm"}]), cgroup)
    assert bpf.attached(cgroup) == []


def test_a_refusal_of_the_kernel_is_an_error_where_rules_restrict(tmp_path):
    """A directory that is no cgroup stands for a kernel without device programs."""
    no_cgroup = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(errors.KernelError, match="attach the device program"):
            devices.apply(devices.plan([]), no_cgroup)
        devices.apply(devices.plan([{"allow": True, "access": "rwm"}]), no_cgroup)
    finally:
        os.close(no_cgroup)


def test_a_refusal_of_the_kernel_is_borne_in_a_user_namespace(tmp_path):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            process.unshare(process.CLONE_NEWUSER)
            devices.apply(devices.plan([]), os.open(tmp_path, os.O_PATH))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_no_descriptor_of_a_program_stays_open(cgroup):
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        devices.apply(devices.plan([]), cgroup)
    assert os.listdir("/proc/self/fd") == before
