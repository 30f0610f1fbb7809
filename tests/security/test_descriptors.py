"""No descriptor of the host gets into a container but those that the caller named."""

import os

import pytest
from functional import inside
from security import hostile

# What the shell opens itself to list the directory is gone when its link is read.
_KINDS = "for fd in /proc/self/fd/*; do readlink $fd; done; true"


@pytest.fixture
def leaked():
    """A caller that left directories and files of the host open, without close-on-exec."""
    opened = [os.open(path, os.O_RDONLY) for path in ("/", "/etc", "/sys/fs/cgroup", "/proc", "/etc/passwd")]
    opened += [os.open("/", os.O_PATH), os.open("/proc/self/ns/pid", os.O_RDONLY)]
    for descriptor in opened:
        os.set_inheritable(descriptor, True)
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def numbers(leaked):
    """Return descriptors that a runtime may have left open, those of the caller among them."""
    return sorted({*range(3, 13), *leaked})


def test_cve_2024_21626_the_working_directory_is_no_descriptor(bundle, runtime, leaked):
    """CVE-2024-21626: cwd /proc/self/fd/N, with a caller that leaks descriptors."""
    for number in numbers(leaked):
        for below in ("", "/../..", "/etc"):
            bundle.config["process"] |= {"cwd": f"/proc/self/fd/{number}{below}", "args": ["pwd"]}
            done = runtime("run", "--bundle", bundle.save(), "c1", close_fds=False)
            assert done.returncode == 1, done.stdout


def test_cve_2024_21626_nor_by_a_link_of_the_image(bundle, runtime, leaked):
    """CVE-2024-21626: the image's directory is a link to /proc/self/fd/N, /proc/1/cwd, /proc/1/root."""
    for number, target in enumerate([*(f"self/fd/{each}" for each in leaked), "1/cwd", "1/root", "self/root"]):
        (bundle.rootfs / f"work{number}").symlink_to(f"/proc/{target}")
        bundle.config["process"] |= {"cwd": f"/work{number}", "args": ["/bin/ls", "-d", "home/.."]}
        done = runtime("run", "--bundle", bundle.save(), "c1", close_fds=False)
        assert done.returncode == 1, (target, done.stdout)


def test_cve_2024_21626_a_directory_reached_in_the_last_moment_is_seen(bundle, runtime, leaked, tmp_path):
    """CVE-2024-21626: cwd becomes such a link after it was made, while the container is created."""
    volume = tmp_path / "volume"
    (volume / "work").mkdir(parents=True)
    (volume / "link").symlink_to(f"/proc/self/fd/{leaked[0]}")
    hostile.share(bundle, volume)
    bundle.config["process"] |= {"cwd": "/vol/work", "args": ["/bin/pwd", "-P"]}
    bundle.save()

    def attack():
        while True:
            hostile.exchange(volume / "work", volume / "link")

    outcomes = {}
    with hostile.forked(attack):
        for _ in range(40):
            done = runtime("run", "--bundle", bundle.path, "c1", close_fds=False)
            outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
            assert done.stdout in ("", "/vol/work\n", "/vol/link\n"), done.stdout
    assert outcomes.keys() == {0, 1}, f"the race never hit: {outcomes}"


def test_cve_2024_21626_the_program_is_no_descriptor(bundle, runtime, leaked):
    """CVE-2024-21626: args[0] /proc/self/fd/N/…, and a PATH that leads there."""
    for number in numbers(leaked):
        for args, path in (
            ([f"/proc/self/fd/{number}/bin/true"], "/bin"),
            ([f"/proc/self/fd/{number}"], "/bin"),
            (["true"], f"/proc/self/fd/{number}/usr/bin:/proc/self/fd/{number}/bin"),
        ):
            bundle.config["process"] |= {"args": args, "env": [f"PATH={path}"]}
            done = runtime("run", "--bundle", bundle.save(), "c1", close_fds=False)
            assert done.returncode == 1, args


def test_cve_2024_21626_what_the_caller_leaks_is_closed(bundle, runtime, containers, leaked):
    """CVE-2024-21626: neither what waits nor the payload holds what nobody named."""
    bundle.config["process"]["args"] = ["sleep", "60"]
    done = runtime("create", "--bundle", bundle.save(), "c1", close_fds=False)
    assert done.returncode == 0, done.stderr
    pid = containers.state("c1")["pid"]
    held = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd") if int(name) > 2]
    assert len(held) == 2 and all("exec." in name for name in held), held
    assert runtime("start", "c1").returncode == 0
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


def test_the_payload_is_given_nothing_beside_its_standard_descriptors(bundle, runtime, leaked):
    assert len(inside.said(bundle, runtime, _KINDS, close_fds=False).splitlines()) == 3


def preserving(runtime, bundle, count, given):
    """Run with descriptors 3, 4, … open as `given` and --preserve-fds."""

    def arrange():
        for number, descriptor in enumerate(given):
            os.dup2(descriptor, 100 + number)
        for number in range(len(given)):
            os.dup2(100 + number, 3 + number)
        os.closerange(3 + len(given), 200)

    return runtime(
        "run", "--preserve-fds", count, "--bundle", bundle.save(), "c1", preexec_fn=arrange, close_fds=False
    )


def test_preserved_descriptors_are_those_of_the_caller_and_no_others(bundle, runtime):
    """The flaw without a CVE: 3 are open, 3 are kept; 4 are refused."""
    given = [os.memfd_create(f"given{number}") for number in range(3)]
    try:
        bundle.config["process"]["args"] = ["sh", "-c", _KINDS]
        done = preserving(runtime, bundle, 3, given)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 6, done.stdout
        for count in (4, 5, 12, 100):
            done = preserving(runtime, bundle, count, given)
            assert done.returncode == 1, done.stdout
            assert done.stdout == ""
        done = preserving(runtime, bundle, 1, given)
        assert len(done.stdout.splitlines()) == 4, done.stdout
    finally:
        for descriptor in given:
            os.close(descriptor)


@pytest.mark.parametrize("name", ["createContainer", "createRuntime", "prestart", "poststart", "poststop"])
def test_hooks_hold_no_descriptor_of_the_runtime(bundle, runtime, leaked, tmp_path, name):
    """Nor of its caller: a hook runs with the privileges of the runtime, or among hostile files."""
    told = tmp_path / "told"
    bundle.config["hooks"] = {
        name: [{"path": "/bin/sh", "args": ["sh", "-c", f"ls /proc/self/fd > {told}"]}]
    }
    done = runtime("run", "--bundle", bundle.save(), "c1", close_fds=False)
    assert done.returncode == 0, done.stderr
    assert set(told.read_text().split()) <= {"0", "1", "2", "3"}  # 3 is what ls opens
