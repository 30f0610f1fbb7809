"""A container that joins another's pid namespace shows nothing of the host to it (CVE-2016-9962).

The attacker is the other container: root with CAP_SYS_PTRACE and no user namespace, the worst
there is. It looks at every process that appears, again and again, for as long as it lives.
"""

import copy
import os
import subprocess
import time

import pytest
from functional import inside
from security import hostile

BIRTHS = int(os.environ.get("PYRUNTIME_CASES", "100"))
SECRET = "secret-of-the-runtime"

_SCAN = r"""
import errno
marker, secret = sys.argv[1], sys.argv[2].encode()
out = os.open("/out/found", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
seen, told = set(), set()
def tell(pid, what):
    if (pid, what) not in told:
        told.add((pid, what))
        os.write(out, f"{pid} {what}\n".encode())
def read(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)
def look(pid):
    base = f"/proc/{pid}"
    def attempt(deed):
        try:
            deed()
        except OSError:
            pass
    def root():
        os.stat(f"{base}/root{marker}")
        tell(pid, "HOST ROOT")
    def cwd():
        os.stat(f"{base}/cwd/{marker}")
        tell(pid, "HOST CWD")
    def exe():
        name = os.readlink(f"{base}/exe")
        if "python" in name or "pyruntime" in name and "memfd" not in name:
            tell(pid, "HOST EXE " + name)
    def environ():
        if secret in read(f"{base}/environ"):
            tell(pid, "ENVIRON")
    def maps():
        if b"/python" in read(f"{base}/maps"):
            tell(pid, "MEMORY OF PYTHON")
    def fds():
        for name in os.listdir(f"{base}/fd"):
            if int(name) < 3:
                continue
            mode = os.stat(f"{base}/fd/{name}").st_mode & 0o170000
            if mode not in (0o010000, 0o140000):
                tell(pid, f"DESCRIPTOR {mode:o} {os.readlink(base + '/fd/' + name)}")
    for deed in (root, exe, environ, maps, fds, cwd):
        attempt(deed)
os.write(out, b"0 scanning\n")
me = str(os.getpid())
while True:
    for name in os.listdir("/proc"):
        if name.isdigit() and name != me and name != "1":
            if name not in seen:
                seen.add(name)
                os.write(out, f"{name} seen\n".encode())
            look(name)
"""


class Attacker:
    """The container that scans; `found()` returns what it saw as {pid: {words}}."""

    def __init__(self, pid, log):
        self.pid, self.log = pid, log

    def found(self):
        told = {}
        for line in self.log.read_text().splitlines():
            pid, _, words = line.partition(" ")
            told.setdefault(pid, set()).add(words)
        return told

    def secrets(self):
        """Return what it must never see."""
        return {pid: words - {"seen"} for pid, words in self.found().items() if pid != "0" and words - {"seen"}}


@pytest.fixture
def attacker(bundle, runtime, containers, tmp_path):
    """Start the attacker; the bundle is afterwards a harmless one that joins its pid namespace."""
    out, marker = tmp_path / "out", tmp_path / "marker-of-the-host"
    out.mkdir()
    marker.write_text("host")
    theirs = tmp_path / "attacker"
    subprocess.run(["cp", "-a", bundle.path, theirs], check=True)
    mine = (bundle.path, bundle.rootfs, bundle.config)
    bundle.path, bundle.rootfs = theirs, theirs / "rootfs"
    bundle.config = copy.deepcopy(bundle.config)
    hostile.lend_python(bundle)
    hostile.strengthen(bundle)
    hostile.share(bundle, out, "/out")
    bundle.config["process"]["args"] = [*hostile.python(_SCAN), str(marker), SECRET]
    done = runtime("run", "--detach", "--bundle", bundle.save(), "attacker")
    assert done.returncode == 0, done.stderr
    bundle.path, bundle.rootfs, bundle.config = mine
    pid = containers.state("attacker")["pid"]
    inside.at(bundle, "pid", f"/proc/{pid}/ns/pid")
    log = out / "found"
    inside.eventually(lambda: log.exists() and "scanning" in log.read_text())
    yield Attacker(pid, log)


@pytest.fixture
def old():
    return hostile.old_kernel(hostile.NO_PIDNS_OPTION)


def environment():
    return os.environ | {"SECRET": SECRET}


def test_cve_2016_9962_the_attack_sees_a_process_that_is_not_on_its_guard(attacker):
    """CVE-2016-9962: what a process of the host shows that simply enters: everything."""
    entering = ["nsenter", f"--pid=/proc/{attacker.pid}/ns/pid", "/usr/bin/python3", "-c", "input()"]
    with open("/etc/passwd") as leak:
        os.set_inheritable(leak.fileno(), True)
        process = subprocess.Popen(entering, stdin=subprocess.PIPE, env=environment(), close_fds=False)
        try:
            words = {"HOST ROOT", "ENVIRON", "MEMORY OF PYTHON"}
            assert hostile.wait_for(lambda: any(words <= each for each in attacker.found().values()))
            assert "HOST EXE" in str(attacker.secrets())
            assert "DESCRIPTOR" in str(attacker.secrets())
        finally:
            process.communicate(b"\n")


@pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 17),
    reason="needs Linux 6.17: procfs takes the pid namespace as an option (ARCHITECTURE.md, Security)",
)
def test_cve_2016_9962_a_birth_shows_nothing_of_the_host(bundle, runtime, attacker):
    """CVE-2016-9962: many containers are born under the attacker's eyes."""
    options = {"env": environment()}
    bundle.config["process"]["args"] = ["true"]
    bundle.save()
    for number in range(10 * BIRTHS):
        if number >= BIRTHS and len(attacker.found()) > BIRTHS // 4:
            break
        command = ("run", "create")[number % 4 == 0]
        done = runtime(command, "--bundle", bundle.path, "c1", **options)
        assert done.returncode == 0, done.stderr
        if command == "create":
            assert runtime("delete", "--force", "c1").returncode == 0
    found = attacker.found()
    assert len(found) > BIRTHS // 4, "the attacker hardly saw a process"
    assert attacker.secrets() == {}


def test_the_procfs_of_a_joined_pid_namespace_shows_that_namespace(bundle, runtime, attacker, old):
    """On both kernels; else the attack above would be met by not working."""
    for options in ({}, {"preexec_fn": old}):
        assert "1" in inside.said(bundle, runtime, "cd /proc; echo [0-9]*", **options).split()


# What a process does that holds the runtime's socket: it says that another one is the container.
_FORGE = """
import socket, time
victim = sys.argv[1].encode()
target = int(sys.argv[2])
pidfd = call(PIDFD_OPEN, target, 0)
for number in range(3, 30):
    try:
        taken = call(PIDFD_GETFD, pidfd, number, 0)
        if os.fstat(taken).st_mode & 0o170000 == 0o140000:
            os.write(taken, victim)
            print("sent", flush=True)
    except OSError as error:
        print(number, error, flush=True)
raise SystemExit(1)
"""


@pytest.fixture
def victim():
    """A process of the host that has nothing to do with containers."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("command", ["run", "create"])
def test_a_container_cannot_name_a_process_of_the_host_as_its_own(
    bundle, runtime, containers, victim, command
):
    """By the socket that its first process holds until execve: the runtime would kill what is named.

    A startContainer hook is a program of the image and runs while the first process still waits.
    """
    hostile.lend_python(bundle)
    hostile.strengthen(bundle)
    args = [*hostile.python(_FORGE), str(victim.pid), "1"]
    bundle.config["hooks"] = {"startContainer": [{"path": args[0], "args": args}]}
    done = runtime(command, "--bundle", bundle.save(), "c1")
    if command == "create":
        runtime("start", "c1")
    time.sleep(0.1)
    assert hostile.alive(victim.pid), f"killed by the runtime: {done.stderr}"
    named = [containers.state(name)["pid"] for name in containers.ids()]
    assert victim.pid not in named


_FORGE_IN_PASSING = """
import signal
victim = sys.argv[1].encode()
out = os.open("/out/found", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(out, b"0 scanning\\n")
me, done = str(os.getpid()), set()
while True:
    for name in os.listdir("/proc"):
        if not name.isdigit() or name in (me, "1") or name in done:
            continue
        done.add(name)
        try:
            pidfd = call(PIDFD_OPEN, int(name), 0)
            os.kill(int(name), signal.SIGSTOP)
            for number in range(3, 20):
                try:
                    taken = call(PIDFD_GETFD, pidfd, number, 0)
                except OSError:
                    continue
                if os.fstat(taken).st_mode & 0o170000 == 0o140000:
                    os.write(taken, victim)
                    os.write(out, b"%s sent\\n" % name.encode())
                os.close(taken)
            os.kill(int(name), signal.SIGKILL)
            os.close(pidfd)
        except OSError:
            pass
"""


def test_a_neighbour_in_the_pid_namespace_cannot_either(
    bundle, runtime, containers, tmp_path, victim
):
    """The same by a container whose pid namespace is shared, in the moment before the execve."""
    out = tmp_path / "out"
    out.mkdir()
    theirs = tmp_path / "attacker"
    subprocess.run(["cp", "-a", bundle.path, theirs], check=True)
    mine = (bundle.path, bundle.rootfs, copy.deepcopy(bundle.config))
    bundle.path, bundle.rootfs = theirs, theirs / "rootfs"
    hostile.lend_python(bundle)
    hostile.strengthen(bundle)
    hostile.share(bundle, out, "/out")
    bundle.config["process"]["args"] = [*hostile.python(_FORGE_IN_PASSING), str(victim.pid)]
    done = runtime("run", "--detach", "--bundle", bundle.save(), "attacker")
    assert done.returncode == 0, done.stderr
    bundle.path, bundle.rootfs, bundle.config = mine
    inside.at(bundle, "pid", f"/proc/{containers.state('attacker')['pid']}/ns/pid")
    log = out / "found"
    inside.eventually(lambda: log.exists() and "scanning" in log.read_text())
    bundle.save()
    for number in range(250):
        if number >= 25 and "sent" in log.read_text():
            break
        runtime("run", "--bundle", bundle.path, "c1")
        assert hostile.alive(victim.pid), "killed by the runtime"
        runtime("delete", "--force", "c1")
        assert hostile.alive(victim.pid), "killed by the runtime"
    assert "sent" in log.read_text(), "the attacker never came to it"
