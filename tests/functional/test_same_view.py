"""A container sees the same as under runc: mounts, status, devices, limits, environment.

Both runtimes run one bundle. What may differ is listed below, each with its reason; whatever else
does is an error.
"""

import json
import re
import shutil
import subprocess

import busybox
import pytest

pytestmark = pytest.mark.skipif(shutil.which("runc") is None, reason="no runc to compare with")

SECTIONS = {
    "mountinfo": "cat /proc/self/mountinfo",
    "status": "cat /proc/self/status",
    "first process": "cat /proc/1/status; cat /proc/1/oom_score_adj",
    "dev": "find /dev | sort | xargs stat -c '%N %F %a %u %g %t %T'",
    "limits": "cat /proc/self/limits",
    "environment": "tr '\\0' '\\n' < /proc/1/environ | sort",
    "identity": "id; umask; pwd; hostname; cat /proc/sys/kernel/domainname",
    "descriptors": "(cd /proc/1/fd; for each in *; do echo $each; done)",
    "session": "cut -d ' ' -f 4-8 /proc/1/stat; cat /proc/keys | cut -c41-",
    "cgroup": "cat /proc/self/cgroup",
    "network": "ip address; ip route",
    "places": "stat -c '%n %F %a %u %g' /* /proc/* /sys/* /dev/pts/* 2>/dev/null | grep -v '/proc/[0-9]'",
    "writable": "for each in / /dev /dev/shm /proc/sys /sys /tmp /run; do test -w $each; echo $each $?; done",
}
SCRIPT = "".join(f"(echo '=== {name}'; {command}) 2>&1; " for name, command in SECTIONS.items())

# (section, pattern of what is replaced, replacement, why it may differ)
DIFFERENCES = [
    ("mountinfo", r"(?m)^\d+ \d+ (\d+):\d+ ", r"\1 ",
     "ids of mounts and numbers of unnamed devices are counted by the kernel"),
    ("mountinfo", r" (master|shared):\d+", r" \1:N", "so are peer groups"),
    ("mountinfo", r"(- tmpfs tmpfs ro),size=4k,nr_inodes=1", r"\1",
     "masks are one tiny tmpfs, so that nothing can be stored even where it became writable"),
    ("mountinfo", r"( - tmpfs \S+ rw.*),mode=755", r"\1",
     "later runcs too hand the directory's mode over when mounting, 1.1.5 sets it afterwards"),
    ("status", r"(?m)^(Tgid|Pid|NStgid|NSpid|NSpgid):.*$", r"\1",
     "the threads of runc's Go runtime used up the first pids"),
    ("status", r"(?m)^(Vm\w+|Rss\w+|SigQ|Mems_allowed\w*|\w*voluntary_ctxt_switches):.*$", r"\1",
     "sizes and counts of the moment"),
    ("status", r"(?m)^(SigIgn:\t)0000000[01][08]([0-9a-f]{7})$", r"\g<1>000000000\2",
     "runc hands on that its caller ignores signals 32 and 33, which C libraries keep for themselves"),
    ("first process", r"(?m)^(SigIgn:\t)0000000[01][08]([0-9a-f]{7})$", r"\g<1>000000000\2",
     "as in status"),
    ("first process", r"(?m)^(State|Vm\w+|Rss\w+|SigQ|FDSize|Mems_allowed\w*|\w*voluntary_ctxt_switches):.*$",
     r"\1", "sizes and counts of the moment"),
    ("network", r"(?m)@if\d+|\bqlen \d+", "", "numbers of the moment"),
]  # fmt: skip


def plain(config):
    """Leave what `spec` writes."""
    return config


def changed(config):
    """Use what a configuration may change about the view."""
    process, linux = config["process"], config["linux"]
    process["user"] = {"uid": 65534, "gid": 5, "additionalGids": [7, 9], "umask": 0o77}
    process["cwd"], process["noNewPrivileges"], process["oomScoreAdj"] = "/tmp", False, 500
    process["env"] += ["TWICE=1", "TWICE=2", "EMPTY="]
    process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NPROC", "soft": 1000, "hard": 1000},
    ]
    capabilities = process["capabilities"]
    capabilities["inheritable"] = capabilities["ambient"] = ["CAP_KILL"]
    config["root"]["readonly"] = False
    config["mounts"] += [
        {"destination": "/made", "type": "tmpfs", "source": "made", "options": ["mode=1777", "size=1m"]},
        {"destination": "/home", "type": "bind", "source": "/usr/share", "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/etc/passwd", "type": "bind", "source": "/etc/passwd", "options": ["bind", "noexec"]},
    ]  # fmt: skip
    linux["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 1, "gid": 2},
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
    ]  # fmt: skip
    linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "9000"}
    linux["maskedPaths"].append("/proc/no/such")
    return config


def private_less(config):
    """Share what can be shared with the host."""
    linux = config["linux"]
    kept = ("mount", "pid")
    linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] in kept]
    del config["hostname"]
    config["mounts"] = [each for each in config["mounts"] if each["type"] not in ("sysfs", "mqueue")]
    config["mounts"] = [each for each in config["mounts"] if each["type"] != "cgroup"]
    linux["rootfsPropagation"] = "slave"
    return config


@pytest.fixture
def compared(runtime, tmp_path):
    """Callable: run a changed bundle under both; return the sections that each printed."""

    def compare(kind, change):
        path = tmp_path / "bundle"
        busybox.bundle(kind, str(path), ["sh", "-c", SCRIPT])
        config = change(json.loads((path / "config.json").read_text()))
        (path / "config.json").write_text(json.dumps(config))
        command = ["runc", "--root", str(tmp_path / "runc"), "run", "-b", str(path), "c1"]
        theirs = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        ours = runtime("run", "--bundle", path, "c1")
        assert (theirs.returncode, theirs.stderr) == (0, "")
        assert (ours.returncode, ours.stderr) == (0, "")
        return sections(theirs.stdout), sections(ours.stdout)

    return compare


def sections(text):
    """Split what the script printed, without what may differ."""
    found = dict(part.split("\n", 1) for part in re.split(r"(?m)^=== ", text)[1:])
    for section, pattern, replacement, _ in DIFFERENCES:
        found[section] = re.sub(pattern, replacement, found[section])
    return found


@pytest.mark.parametrize(
    ("kind", "change"),
    [("plain", plain), ("plain", changed), ("plain", private_less), ("podman-like", plain)],
    ids=["plain", "changed", "sharing", "podman-like"],
)
def test_the_container_sees_what_it_sees_under_runc(compared, kind, change):
    theirs, ours = compared(kind, change)
    assert ours.keys() == theirs.keys() == SECTIONS.keys()
    for name in SECTIONS:
        assert ours[name].strip(), name
        assert ours[name].splitlines() == theirs[name].splitlines(), name


def test_every_difference_has_a_reason_and_stands_in_a_section():
    for section, pattern, _, reason in DIFFERENCES:
        assert section in SECTIONS
        assert re.compile(pattern)
        assert reason
