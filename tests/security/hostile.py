"""What the attackers of these tests share: Python inside a container, old kernels, watched files."""

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
PYTHON = os.path.realpath("/usr/bin/python3")
NOBODY = 65534
RENAME_EXCHANGE = 2
LIBC = ctypes.CDLL(None, use_errno=True)

# What a privileged container has that an attacker can use against a process that it can see.
STRONG = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD",
    "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
]  # fmt: skip

# Written into the program of an attacker: a system call by its number, with its errno.
CALL = """
import ctypes, os, sys
_libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = _libc.syscall(ctypes.c_long(number), *[
        each if isinstance(each, bytes) else ctypes.c_long(each) for each in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "call")
    return result
PIDFD_OPEN, PIDFD_GETFD = 434, 438
"""


def lend_python(bundle):
    """Show the container this machine's /usr, read-only, so that attackers can be in Python."""
    usr = bundle.rootfs / "usr"
    shutil.rmtree(usr)
    usr.mkdir()
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (bundle.rootfs / name).symlink_to(os.readlink(f"/{name}"))
    bundle.config["mounts"].append(
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]}
    )


def python(source):
    """Return the arguments that run a program in Python inside."""
    return ["/usr/bin/python3", "-IS", "-c", CALL + source]


def strengthen(bundle):
    """Make the payload what --privileged makes it: capabilities, and no no_new_privs."""
    for kind in ("bounding", "effective", "permitted"):
        bundle.config["process"]["capabilities"][kind] = STRONG
    bundle.config["process"]["noNewPrivileges"] = False


def share(bundle, directory, destination="/vol"):
    """Give the container a directory of the host as a volume that it can write."""
    bundle.config["mounts"].append(
        {"destination": destination, "type": "bind", "source": str(directory), "options": ["rbind"]}
    )


def digests():
    """Return digests of what the runtime is made of: interpreter, libraries, its own files."""
    with open("/proc/self/maps") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/") > 1}
    files = {path for path in mapped if path.startswith(("/usr", "/lib")) and os.path.isfile(path)}
    files |= {PYTHON, *map(str, (TREE / "pyruntime").rglob("*.py"))}
    files.add(str(TREE / "pyruntime/native/waiting_init"))
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in sorted(files)}


def mountinfo(pid="self"):
    """Return the mount table of a process."""
    return Path(f"/proc/{pid}/mountinfo").read_text()


def as_nobody(source, *words):
    """Run a program in Python as an unprivileged user of the host; return its output."""
    return subprocess.run(
        ["/usr/bin/python3", "-IS", "-c", source, *map(str, words)],
        user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=True,
        cwd="/",
    ).stdout  # fmt: skip


def exchange(one, other):
    """Exchange two names in one step."""
    LIBC.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE)


@contextlib.contextmanager
def forked(work):
    """Have a child do `work` for ever; kill it at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def mount_namespace(prepare):
    """Hold a mount namespace that `prepare` made hostile; yield the path that joins it.

    The parent's /proc must show it, so it is opened before anything in it changes.
    """
    reader, writer = os.pipe()

    def live():
        LIBC.unshare(0x00020000)
        LIBC.mount(None, b"/", None, 0x4000 | 1 << 18, None)
        prepare()
        os.write(writer, b"ready")
        while True:
            signal.pause()

    with forked(live) as pid:
        os.close(writer)
        told = os.read(reader, 5)
        os.close(reader)
        assert told == b"ready", "the hostile mount namespace could not be made"
        yield f"/proc/{pid}/ns/mnt"


def old_kernel(*calls):
    """Return a function for `preexec_fn` that makes system calls fail as on an older kernel.

    Args:
        calls: (number, errno) or (number, errno, value of the second argument).
    """

    def load():
        code = [(0x20, 0, 0, 0)]  # A = number
        for number, error, *second in calls:
            tests = [(0x20, 0, 0, 24), (0x15, 0, 1, second[0])] if second else []
            code += [(0x15, 0, len(tests) + 1, number), *tests, (0x06, 0, 0, 0x00050000 | error)]
            if second:
                code.append((0x20, 0, 0, 0))
        code.append((0x06, 0, 0, 0x7FFF0000))
        packed = b"".join(
            op.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")
            for op, yes, no, value in code
        )
        memory = ctypes.create_string_buffer(packed)
        program = len(code).to_bytes(8, "little") + ctypes.addressof(memory).to_bytes(8, "little")
        if LIBC.prctl(22, 2, program, 0, 0):
            os._exit(126)

    return load


FSCONFIG, FSCONFIG_SET_FD, FCHMODAT2 = 431, 5, 452
# procfs takes no pid namespace as an option before Linux 6.17.
NO_PIDNS_OPTION = (FSCONFIG, 22, FSCONFIG_SET_FD)
# chmod through an O_PATH descriptor came with Linux 6.6.
NO_FCHMODAT2 = (FCHMODAT2, 38)


def alive(pid):
    """Tell whether a process lives, a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(question, seconds=60.0):
    """Ask until the answer is true or the time is up; return the last answer."""
    limit = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < limit:
        time.sleep(0.01)
    return answer


def modules():
    """Return all names that Python could import for itself."""
    return sorted(sys.stdlib_module_names | {"sitecustomize", "usercustomize", "pyruntime"})
