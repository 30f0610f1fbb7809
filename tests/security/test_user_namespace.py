"""What root of a container with a user namespace can reach of the runtime and of the host.

Two attackers. One is a user of the host whose uid is that of root inside, as another container with
the same map has it: it looks at everything that is born. The other is root inside with every
capability there, let in while the container waits for start: the runtime is executed in the user
namespace by then, so dumpable or not it is his to trace, and must hold nothing.
"""

import ctypes
import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from functional import inside
from functional.mapped import FIRST, map_ids
from security import hostile

NEW_USER, NEW_PID, NEW_MOUNT = 0x10000000, 0x20000000, 0x00020000
SECRET = "secret-of-the-runtime"
BIRTHS = 25

# Looks at every process that appears, without end; says what it may read that it should not.
_WATCH = r"""
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
os.write(out, b"watching\n")
told, own = set(), str(os.getpid())
def read(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if not os.read(descriptor, 1):
            raise OSError("empty, as those of the kernel's own processes")
    finally:
        os.close(descriptor)
def attempt(pid, what, deed):
    try:
        deed()
    except OSError:
        return
    if (pid, what) not in told:
        told.add((pid, what))
        os.write(out, f"{pid} {what}\n".encode())
while True:
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == own:
            continue
        base = f"/proc/{name}"
        try:
            if os.stat(base).st_uid == os.getuid():
                attempt(name, "seen", lambda: None)
        except OSError:
            continue
        for file in ("environ", "mem", "maps", "auxv"):
            attempt(name, file, lambda: read(f"{base}/{file}"))
        for link in ("exe", "root", "cwd", "fd/3", "ns/mnt"):
            attempt(name, link, lambda: os.readlink(f"{base}/{link}"))
        attempt(name, "write", lambda: os.close(os.open(f"{base}/mem", os.O_RDWR)))
"""


@pytest.fixture
def user(bundle):
    """A bundle whose container has a user namespace."""
    map_ids(bundle)
    return bundle


@pytest.fixture
def waiting(user, runtime, containers):
    """Pid of a container that waits for start; what runs there later would be every bit of root."""
    user.config["process"]["args"] = ["sleep", "60"]
    hostile.strengthen(user)
    done = runtime("create", "--bundle", user.save(), "c1", env=os.environ | {"SECRET": SECRET})
    assert done.returncode == 0, done.stderr
    return containers.state("c1")["pid"]


@pytest.fixture
def watcher():
    """A user of the host with the uid of root inside, who watches; `words()` is what it told."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as log:
        os.chmod(log.name, 0o666)
        process = subprocess.Popen(
            ["/usr/bin/python3", "-IS", "-c", _WATCH, log.name], user=FIRST, group=FIRST,
            extra_groups=[], cwd="/",
        )  # fmt: skip

        def words():
            return [line.split() for line in Path(log.name).read_text().splitlines()[1:]]

        try:
            inside.eventually(lambda: "watching" in Path(log.name).read_text())
            yield words
        finally:
            process.kill()
            process.wait()


def test_the_watcher_would_see_what_is_not_on_its_guard(watcher):
    bait = subprocess.Popen(["sleep", "60"], user=FIRST, group=FIRST, extra_groups=[])
    try:
        wanted = {"seen", "environ", "maps", "exe", "root", "cwd", "write"}
        assert hostile.wait_for(lambda: wanted <= {what for pid, what in watcher() if pid == str(bait.pid)})
    finally:
        bait.kill()
        bait.wait()


def test_a_birth_shows_nothing_to_a_user_with_the_uid_of_root_inside(user, runtime, watcher):
    """The child is Python for some ten milliseconds, with that uid and dumpable."""
    user.config["process"]["args"] = ["true"]
    for number in range(BIRTHS):
        done = runtime(("run", "create")[number % 2], "--bundle", user.save(), "c1")
        assert done.returncode == 0, done.stderr
        if number % 2:
            time.sleep(0.02)
            assert runtime("delete", "--force", "c1").returncode == 0
    seen = {pid for pid, what in watcher() if what == "seen"}
    assert len(seen) > BIRTHS // 4, "the watcher hardly saw a process"
    assert [words for words in watcher() if words[1] != "seen"] == []


def as_root_inside(pid, work):
    """Do `work` as root of the user namespace of `pid`, in its mount and pid namespace.

    Returns:
        The text that it returns, or how it failed.
    """
    reader, writer = os.pipe()
    outer = os.fork()
    if outer == 0:
        try:
            text = _entered(pid, work)
        except BaseException as error:
            text = f"FAILED {type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(outer, 0)
    assert not text.startswith("FAILED"), text
    return text


def _entered(pid, work):
    """Enter, and do the work in a child that is in the pid namespace."""
    target = os.pidfd_open(pid)
    if hostile.LIBC.setns(target, NEW_USER | NEW_PID | NEW_MOUNT) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(target)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    reader, writer = os.pipe()
    inner = os.fork()
    if inner == 0:
        try:
            text = work()
        except BaseException as error:
            text = f"FAILED {type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    text = b""
    while piece := os.read(reader, 65536):
        text += piece
    os.waitpid(inner, 0)
    return text.decode()


def test_what_waits_holds_nothing_for_root_inside(waiting):
    """Standard descriptors and two fifos; root and program are the container's and a sealed memfd."""

    def look():
        told = [f"caps {status_of(1)['CapEff']}", f"mine {status_of('self')['CapEff']}"]
        for name in os.listdir("/proc/1/fd"):
            kind = stat.S_IFMT(os.stat(f"/proc/1/fd/{name}").st_mode)
            told.append(f"fd {name} {kind:o} {os.readlink(f'/proc/1/fd/{name}')}")
        told.append(f"exe {os.readlink('/proc/1/exe')}")
        told.append(f"root {sorted(os.listdir('/proc/1/root'))}")
        told.append(f"environ {Path('/proc/1/environ').read_bytes()!r}")
        told += [f"map {line.split(maxsplit=5)[5]}" for line in maps() if len(line.split()) > 5]
        told += [f"sees {name}" for name in os.listdir("/proc") if name.isdigit()]
        return "\n".join(told)

    told = as_root_inside(waiting, look).splitlines()
    words = [(line + " ").split(" ", 1) for line in told]
    words = [(kind, text.strip()) for kind, text in words]
    assert int(dict(words)["mine"], 16) & (1 << 19 | 1 << 21) == 1 << 19 | 1 << 21, "the attacker is weak"
    more = [each.split() for kind, each in words if kind == "fd" and int(each.split()[0]) > 2]
    assert sorted(kind for _, kind, *_ in more) == ["10000", "10000"], "two fifos"
    assert dict(words)["exe"].startswith("/memfd:")
    assert dict(words)["root"] == str(sorted(os.listdir(f"/proc/{waiting}/root")))
    assert SECRET not in dict(words)["environ"]
    mapped = {each for kind, each in words if kind == "map"}
    assert {each for each in mapped if not each.startswith(("[", "/memfd:"))} == set()
    assert {each for kind, each in words if kind == "sees"} <= {"1", "2", "3"}


def maps():
    return Path("/proc/1/maps").read_text().splitlines()


def status_of(pid):
    return inside.status(Path(f"/proc/{pid}/status").read_text())


def test_what_waits_cannot_be_overwritten_by_root_inside(waiting, runtime):
    """CVE-2019-5736, by him who may trace the process: its program is sealed."""

    def write():
        told = []
        for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
            try:
                os.open("/proc/1/exe", flags)
                told.append("OPENED")
            except OSError as error:
                told.append(errno.errorcode[error.errno])
        kept = os.open("/proc/1/exe", os.O_RDONLY)
        os.set_inheritable(kept, True)
        return f"{' '.join(told)} {os.fstat(kept).st_size}"

    first, second, size = as_root_inside(waiting, write).split()
    assert {first, second} <= {"ETXTBSY", "EACCES"}
    assert int(size) > 0


def test_root_inside_traces_what_waits_and_gets_no_further(waiting):
    """He may: a memory of the container's own. The host's files are not behind it."""

    def trace():
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.restype = ctypes.c_long
        attached = libc.ptrace(ctypes.c_long(16), ctypes.c_long(1), None, None)
        if attached:
            return f"refused {errno.errorcode[ctypes.get_errno()]}"
        os.waitpid(1, 0x40000000)
        memory = os.open("/proc/1/mem", os.O_RDONLY)
        found = b""
        for line in maps():
            first, _, last = line.split()[0].partition("-")
            if "[v" not in line:
                found += os.pread(memory, int(last, 16) - int(first, 16), int(first, 16))
        libc.ptrace(ctypes.c_long(17), ctypes.c_long(1), None, None)
        return f"{len(found)} {[each for each in (b'ython', SECRET.encode(), b'/bundle') if each in found]}"

    told = as_root_inside(waiting, trace)
    size, secrets = told.split(maxsplit=1)
    if size != "refused":
        assert (int(size) > 1000, secrets) == (True, "[]")


def test_root_inside_has_no_right_over_the_host(user, runtime, tmp_path):
    """Every capability counts in his user namespace alone."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("host\n")
    (secret / "file").chmod(0o600)
    hostile.share(user, secret)
    names = ["CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_SYSLOG", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE"]
    hostile.strengthen(user)
    for kind in ("bounding", "effective", "permitted"):
        user.config["process"]["capabilities"][kind] = [*hostile.STRONG, *names]
    user.config["linux"]["maskedPaths"] = user.config["linux"]["readonlyPaths"] = []
    inside.writable(user)
    deeds = {
        "read": "cat /vol/file", "write": "echo x > /vol/file", "own": "chown 0:0 /vol/file",
        "mode": "chmod 666 /vol/file", "node": "mknod /dev/sda b 8 0",
        "kernel": "echo 1 > /proc/sys/kernel/panic", "sysrq": "echo h > /proc/sysrq-trigger",
        "pattern": "echo x > /proc/sys/kernel/core_pattern", "disk": "mount -t ext4 /dev/vda /mnt",
        "score": "echo -1000 > /proc/self/oom_score_adj", "below": "umount /",
        "device": "mount -t devtmpfs none /mnt", "release": "echo x > /sys/kernel/uevent_helper",
    }  # fmt: skip
    script = "date -s 2001-01-01; mkdir /mnt; " + "; ".join(f"({deed}) 2>/dev/null && echo DID {name}" for name, deed in deeds.items())
    told = inside.said(user, runtime, f"{script}; mount -t tmpfs none /mnt && echo able")
    assert told.split("\n")[-2] == "able", "the attacker is weak"
    assert "DID" not in told
    assert time.time() > 1_700_000_000, "the clock was set"
    assert (secret / "file").read_text() == "host\n"
    assert (secret / "file").stat().st_uid == 0


def test_cve_2023_25809_a_cgroup_of_the_same_user_cannot_be_written_through_a_read_only_mount(
    user, runtime
):
    """CVE-2023-25809: without a cgroup namespace all cgroups are bound, and `ro` must count there."""
    top = Path("/sys/fs/cgroup")
    theirs, mode = top / "of-that-user", top.stat().st_mode
    theirs.mkdir()
    try:
        top.chmod(0o755)  # the tests' own
        for place in (theirs, theirs / "cgroup.procs", theirs / "cgroup.max.depth"):
            os.chown(place, FIRST, FIRST)
        inside.without(user, "cgroup")
        script = "cd /sys/fs/cgroup/of-that-user && mkdir x; echo 1 > cgroup.max.depth; cat cgroup.max.depth"
        assert inside.said(user, runtime, script) == "max\n"
        assert [each for each in theirs.iterdir() if each.is_dir()] == []
        (entry,) = [each for each in user.config["mounts"] if each["type"] == "cgroup"]
        entry["options"].remove("ro")
        assert inside.said(user, runtime, script) == "1\n", "the attack itself does not work"
    finally:
        top.chmod(mode & 0o7777)
        for each in (*(entry for entry in theirs.iterdir() if entry.is_dir()), theirs):
            each.rmdir()


def test_a_killed_runtime_leaves_no_process_behind(user, runtime, containers, launcher):
    """Nothing of a half-made container outlives its parent: the child hears the end of the talk."""
    blocked = Path(tempfile.mkdtemp(dir="/tmp"))
    blocked.chmod(0o777)
    user.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {blocked}/there; sleep 60"]}]
    }
    user.config["process"]["args"] = ["true"]
    command = [str(arg) for arg in ("--root", containers.root, "create", "--bundle", user.save(), "c1")]
    process = subprocess.Popen([str(launcher), *command], stderr=subprocess.DEVNULL)
    inside.eventually((blocked / "there").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert runtime("delete", "--force", "c1").returncode == 0
    shutil.rmtree(blocked)
