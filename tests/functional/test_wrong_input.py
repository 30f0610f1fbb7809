"""Wrong input gives one clear line and the right exit code, and a failure at any stage leaves nothing."""

import json
import os
import re
from pathlib import Path

import pytest
from functional import inside

# Runc's words where it has some: engines look for them, and so do people.
# test_bad_bundles.py has more of these, with their whole messages.
ASKED = {  # what the configuration asks for: (path to it, value, words of the error)
    "a number for text": ("process.cwd", 1, "/process/cwd"),
    "a limit above the hard one": (
        "process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 1}], "RLIMIT_NOFILE",
    ),
    "a file for a namespace": (
        "linux.namespaces", [{"type": "mount"}, {"type": "ipc", "path": "/etc/passwd"}],
        "/etc/passwd",
    ),
    "a namespace of another type": (
        "linux.namespaces", [{"type": "mount"}, {"type": "ipc", "path": "/proc/self/ns/net"}],
        "/proc/self/ns/net",
    ),
    "a host name on the host": (
        "linux.namespaces", [{"type": "mount"}],
        "unable to set hostname without a private UTS namespace",
    ),
    "a host name too long": ("hostname", "x" * 65, "hostname"),
    "an unknown parameter": ("linux.sysctl", {"net.no.such": "1"}, "net.no.such"),
    "a bad value of a parameter": ("linux.sysctl", {"net.ipv4.ip_forward": "x"}, "ip_forward"),
    "a mask below a file": ("linux.maskedPaths", ["/etc/passwd/x"], "not a directory"),
    "a cgroup that is the root": ("linux.cgroupsPath", "/", "/linux/cgroupsPath"),
    "a cgroup in use": ("linux.cgroupsPath", "/init", "container's cgroup is not empty"),
    "an unknown seccomp action": (
        "linux.seccomp", {"defaultAction": "SCMP_ACT_FOO"}, "/linux/seccomp/defaultAction",
    ),
    "a limit of a controller that is missing": (
        "linux.resources.unified", {"nosuch.max": "1"}, "controller nosuch is not available in ",
    ),
    "a root that is missing": ("root.path", "nosuch", "invalid rootfs: "),
    "a root that is a file": ("root.path", "config.json", "invalid rootfs: "),
    "a root elsewhere that is missing": (
        "root.path", "/no/such/rootfs", "/no/such/rootfs: no such file or directory",
    ),
    "a program that is missing": (
        "process.args", ["/nosuch"], 'exec: \\"/nosuch\\": stat /nosuch: no such file or directory',
    ),
    "a program that is not in PATH": (
        "process.args", ["nosuchcmd"], 'exec: \\"nosuchcmd\\": executable file not found in $PATH',
    ),
    "a directory as program": ("process.args", ["/etc"], 'exec: \\"/etc\\": is a directory'),
    "a program that may not run": (
        "process.args", ["/etc/passwd"], 'exec: \\"/etc/passwd\\": permission denied',
    ),
    "a directory behind a file": ("process.cwd", "/etc/passwd/x", "/etc/passwd/x: not a directory"),
    "a hook that is missing": (
        "hooks", {"createRuntime": [{"path": "/no/such"}]}, "error running createRuntime hook #0",
    ),
    "a hook with a relative path": (
        "hooks", {"poststop": [{"path": "true"}]}, "/hooks/poststop/0/path",
    ),
}  # fmt: skip
MOUNTED = {  # a mount that is added: (mount, words of the error)
    "a missing source": (
        {"type": "bind", "source": "/no/such", "options": ["bind"]}, "no such file or directory",
    ),
    "an unknown file system": ({"type": "nofs", "source": "x"}, "no such device"),
    "an unknown option": ({"type": "tmpfs", "source": "x", "options": ["foo"]}, "invalid argument"),
    "a place inside of proc": (
        {"destination": "/proc/sys", "type": "tmpfs", "source": "x"},
        "cannot be mounted because it is inside /proc",
    ),
    "the top as place": ({"destination": "/", "type": "tmpfs", "source": "x"}, "on the top of rootfs"),
    "no place": ({"destination": None, "type": "tmpfs"}, "destination"),
}  # fmt: skip
FILES = {  # what stands in config.json instead: (text, words of the error)
    "nothing": (b"", ("config.json",)),
    "broken": (b'{"ociVersion": "1.0.2",\n  "process": oops}', ("config.json", "line 2", "column 14")),
    "cut off": (b'{"ociVersion": "1.0.2",\n\n  "process": {', ("config.json", "line 3")),
    "a list": (b"[]", ("config.json", "object")),
    "no UTF-8": (b'{"ociVersion": "\xff"}', ("config.json",)),
    "nested without end": (b"[" * 100_000, ("config.json",)),
    "an empty object": (b"{}", ("/ociVersion",)),
}
LINES = {  # a command line: (words, exit code, words of the error)
    "an unknown signal": (["kill", "c1", "FOO"], 1, 'unknown signal \\"FOO\\"'),
    "a signal too large": (["kill", "c1", "65"], 1, 'unknown signal \\"65\\"'),
    "a slash in the id": (["create", "a/b"], 1, "invalid container ID format"),
    "an id above": (["run", ".."], 1, "invalid container ID format"),
    "an empty id": (["delete", "--force", ""], 1, "invalid container ID format"),
    "an id with a space": (["state", "a b"], 1, "invalid container ID format"),
    "an id too long": (["create", "x" * 256], 1, "invalid container ID format"),
    "no such container": (["start", "nx"], 1, "container does not exist"),
    "a missing bundle": (["create", "--bundle", "/no/such", "x"], 1, "/no/such: no such file or directory"),
    "a bundle that is a file": (["run", "--bundle", "/etc/passwd", "x"], 1, "/etc/passwd: not a directory"),
    "a bundle without config": (
        ["run", "--bundle", "/usr", "x"], 1, "JSON specification file config.json not found",
    ),
    "a top root": (["--root", "/", "list"], 1, "Option --root argument should not be set to /"),
    "an unknown format": (["--log-format", "xml", "list"], 1, "invalid log-format: xml"),
}  # fmt: skip


def put(config, place, value):
    """Put a value at a dotted place; None takes away what is there."""
    *above, last = place.split(".")
    for key in above:
        config = config[key]
    if value is None:
        del config[last]
    else:
        config[last] = value


@pytest.fixture(params=["create", "run"])
def fails(request, runtime, bundle, containers):
    """Callable: try to make c1 from the bundle; assert that it fails with these words."""
    ours = processes()

    def fails(*words, **options):
        done = runtime(request.param, "--bundle", bundle.path, "c1", **options)
        clear(done, 1, *words)
        assert f"pyruntime {request.param} failed: " in done.stderr
        assert containers.ids() == []
        inside.eventually(lambda: processes() <= ours)  # a hook of the test may outlive the command
        assert os.listdir(bundle.rootfs / "proc") == []

    return fails


def clear(done, code, *words):
    """Assert that a command failed with one clear line."""
    assert done.returncode == code
    assert done.stdout == ""
    assert re.fullmatch(r'time="\S+" level=error msg=(".+"|\S+)\n', done.stderr), done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def processes():
    """Return the children of this process and those orphans that came to its parent."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) in (os.getpid(), os.getppid()) and state not in "ZX":
            found.add(entry.name)
    return found


@pytest.mark.parametrize(("place", "value", "words"), ASKED.values(), ids=ASKED)
def test_a_configuration_that_cannot_be_fulfilled(fails, bundle, place, value, words):
    put(bundle.config, place, value)
    if place == "linux.namespaces" and "hostname" not in words:
        del bundle.config["hostname"]
    bundle.save()
    fails(words)


@pytest.mark.parametrize(("mount", "words"), MOUNTED.values(), ids=MOUNTED)
def test_a_mount_that_cannot_be_made(fails, bundle, mount, words):
    wish = {"destination": "/mnt", **mount}
    bundle.config["mounts"].append({key: wish[key] for key in wish if wish[key] is not None})
    bundle.save()
    fails(words)


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_configuration(fails, bundle, text, words):
    (bundle.path / "config.json").write_bytes(text)
    fails(*words)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "unending"])
def test_a_configuration_that_is_no_file(fails, bundle, kind):
    file = bundle.path / "config.json"
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "unending":
        file.symlink_to("/dev/zero")
    fails("config.json")


@pytest.mark.parametrize(("words", "code", "error"), LINES.values(), ids=LINES)
def test_a_command_line_that_cannot_be_followed(
    runtime, bundle, containers, tmp_path, words, code, error
):
    assert runtime("create", "--bundle", bundle.path, "c1").returncode == 0
    clear(runtime(*words, cwd=tmp_path), code, error)
    assert containers.ids() == ["c1"]


def test_an_unknown_command_is_named(runtime):
    done = runtime("frobnicate")
    assert (done.returncode, done.stdout) == (3, "")
    assert "No help topic for 'frobnicate'" in done.stderr


@pytest.mark.parametrize("command", ["create", "run"])
def test_an_id_that_is_taken(runtime, bundle, containers, command):
    assert runtime("create", "--bundle", bundle.path, "c1").returncode == 0
    before = containers.state("c1")
    done = runtime(command, "--bundle", bundle.path, "c1")
    clear(done, 1, f"pyruntime {command} failed: container with given ID already exists")
    assert containers.state("c1") == before
    assert json.loads(runtime("state", "c1").stdout)["status"] == "created"


@pytest.mark.parametrize("after", [0, 0.05])
def test_an_init_that_is_killed_while_it_is_made(fails, bundle, after):
    """At once the parent finds it out by writing, later by reading."""
    pid = r"""pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/')"""
    ending = f"(sleep {after}; kill -KILL $pid) &" if after else "kill -KILL $pid; sleep 0.05"
    bundle.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"{pid}; {ending}"]}],
        "createContainer": [{"path": "/bin/sleep", "args": ["sleep", "60"]}],
    }
    bundle.save()
    fails("container's init was killed")


def test_a_filter_that_allows_nothing(runtime, bundle, containers):
    """The player dies of it; create and run say so, and do not hang."""
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_KILL_PROCESS"}
    bundle.save()
    clear(runtime("create", "--bundle", bundle.path, "c1"), 1, "signal 31", "seccomp")
    assert containers.ids() == []
    assert runtime("run", "--bundle", bundle.path, "c1").returncode in (1, 128 + 31)
    assert containers.ids() == []


def test_a_program_of_no_known_format_fails_at_start(runtime, bundle, containers):
    file = bundle.rootfs / "odd"
    file.write_bytes(b"\x7fnothing")
    file.chmod(0o755)
    bundle.config["process"]["args"] = ["/odd"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    clear(runtime("start", "c1"), 1, "exec /odd: exec format error")
    assert json.loads(runtime("state", "c1").stdout)["status"] == "stopped"
    assert runtime("delete", "c1").returncode == 0
    done = runtime("run", "--bundle", bundle.path, "c1")
    clear(done, 1, "pyruntime run failed: ", "exec /odd: exec format error")
    assert containers.ids() == []


def test_errors_go_to_the_log_and_plainly_to_the_terminal(runtime, tmp_path):
    log = tmp_path / "log"
    done = runtime("--log", log, "--log-format", "json", "start", "nx")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "container does not exist\n")
    entry = json.loads(log.read_text())
    assert (entry["level"], entry["msg"]) == ("error", "container does not exist")
