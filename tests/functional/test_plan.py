"""`plan` tells what create does, and does nothing: held to what strace(1) sees of both."""

import ctypes
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import busybox
import pytest

from pyruntime.feature import capabilities

PR_CAPBSET_DROP = 24
STRACED = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
NOBODY = 65534
MADE = "move_mount,mknodat,symlinkat,sethostname,pivot_root,prlimit64,setresgid,setresuid,capset,execve"
# What changes anything outside of the process itself, but for opening files, which is looked at more closely.
CHANGES = (
    "mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat,unlink,unlinkat,rename,renameat,renameat2,"
    "rmdir,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,lsetxattr,fsetxattr,mount,umount2,"
    "move_mount,open_tree,fsopen,fsmount,mount_setattr,pivot_root,chroot,unshare,setns,clone,clone3,fork,"
    "vfork,sethostname,setdomainname,prlimit64,setrlimit,bpf,seccomp,kill,socket,connect,truncate,creat"
)


@pytest.fixture
def rich(bundle):
    """A bundle of much: limits, a filter, masks, a sysctl, a user, hooks, devices, a tmpfs."""
    bundle.config["linux"] |= {
        "seccomp": busybox.configuration("podman-like")["linux"]["seccomp"],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}],
    }
    bundle.config["process"]["user"] = {"uid": 7, "gid": 8, "additionalGids": [9]}
    bundle.config["process"]["args"] = ["true"]
    bundle.config["mounts"].append(
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}
    )
    bundle.save()
    return bundle


def planned(runtime, bundle, **options):
    done = runtime("plan", "--format", "json", bundle.path, **options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


# The call by which strace shows a step, by the step's kind.
CALLS = {
    "attach": lambda _: ("move_mount", "/"),
    "feature.mounts.MountStep": lambda step: ("move_mount", step["destination"]),
    "feature.devices.DeviceStep": lambda step: ("mknodat", step["path"].rpartition("/")[2]),
    "feature.devices.LinkStep": lambda step: ("symlinkat", step["target"]),
    "container.plan.NameStep": lambda step: (step["call"], step["name"]),
    "feature.rootfs.RootfsStep": lambda _: ("pivot_root", "."),
    "feature.rlimits.LimitStep": lambda step: ("prlimit64", step["name"]),
    "setresgid": lambda step: ("setresgid", str(step["arguments"][0])),
    "setresuid": lambda step: ("setresuid", str(step["arguments"][0])),
    "capset": lambda _: ("capset", ""),
}


def expected(document):
    """Return the calls that the steps of a plan should show, places of the program, and masks."""
    found, candidates, masks = [], [], []
    for step in document["steps"]:
        kind, fields = step["kind"], step["fields"]
        call = CALLS.get(fields["name"] if kind == "container.steps.Call" else kind)
        if call and (fields.get("path") != "/dev/core" or os.path.exists("/proc/kcore")):
            found.append(call(fields))
        elif kind.startswith("feature.masks."):
            masks.append(fields["path"])
        elif kind == "container.steps.Execute":
            candidates = fields["candidates"]
    return found, candidates, masks


def seen(trace, rootfs):
    """Read the calls of a trace likewise; what is mounted after the root has changed is a mask."""
    found, masks, changed = [], [], False
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\((.*)", line)
        if not match:
            continue
        call, rest = match.groups()
        if call == "move_mount":
            target = re.search(r'"", \d+<([^>]*)>', rest)[1]
            target = target.removeprefix(str(rootfs)) or "/"
            (masks if changed else found).append(target if changed else (call, target))
        elif call in ("mknodat", "symlinkat", "sethostname", "pivot_root", "execve"):
            found.append((call, re.search(r'"([^"]*)"', rest)[1]))
            changed = changed or call == "pivot_root"
        elif call == "prlimit64" and not rest.startswith("0,") and "NULL," not in rest:
            found.append((call, re.search(r"RLIMIT_\w+", rest)[0]))
        elif call in ("setresgid", "setresuid"):
            found.append((call, rest.partition(",")[0]))
        elif call == "capset":
            found.append((call, ""))
    return found, masks


def strace(path, calls, *command):
    words = ["strace", "-f", "-y", "-qq", "-s", "300", "-o", str(path), "-e", f"trace={calls}"]
    return subprocess.run(
        [*words, *map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@STRACED
def test_a_run_takes_the_steps_in_the_order_that_was_told(rich, runtime, launcher, containers, tmp_path):
    told, candidates, masks = expected(planned(runtime, rich))
    trace = tmp_path / "trace"
    done = strace(trace, MADE, launcher, "--root", containers.root, "run", "--bundle", rich.path, "c1")
    assert done.returncode == 0, done.stderr
    calls, covered = seen(trace, rich.rootfs)
    assert [call for call in calls if call[0] != "execve"] == told
    tried = [path for call, path in calls[1:] if call == "execve"]  # the first is the runtime's own
    assert tried
    assert tried == [path for path in candidates if path in tried]
    assert len(covered) > 5
    assert covered == [path for path in masks if path in covered], "those that are there, in order"


@STRACED
def test_a_plan_changes_nothing(rich, launcher, containers, tmp_path):
    trace = tmp_path / "trace"
    done = strace(trace, f"{CHANGES},open,openat", launcher, "--root", containers.root, "plan", rich.path)
    assert done.returncode == 0, done.stderr
    assert "compile it and keep it as" in done.stdout
    lines = trace.read_text().splitlines()
    assert any(f'"{rich.path}' in line or "config.json" in line for line in lines), "hardly a trace"
    changed = [
        line
        for line in lines
        if not re.search(r" open(at)?\(", line) or re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", line)
    ]
    # libseccomp asks the kernel what it knows by calls that it must refuse.
    looked = re.compile(
        r"prlimit64\(0, RLIMIT_\w+, NULL,|\+\+\+ exited|seccomp\(SECCOMP_GET_|seccomp\(.*NULL\) = -1 "
    )
    assert [line for line in changed if not looked.search(line)] == []
    assert not containers.root.exists()


def everything(place):
    """What lies below a directory, with its times of change."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in [place, *place.rglob("*")]
    }


def open_to_all(*places):
    """Let every user walk to these places, which lie in pytest's own directories."""
    for place in places:
        for parent in [place, *place.parents]:
            if parent.stat().st_uid == os.geteuid() and str(parent).count("/") > 1:
                parent.chmod(parent.stat().st_mode | 0o055 if parent.is_dir() else 0o755)


def test_a_user_in_an_empty_directory_is_told_what_he_cannot_do(rich, launcher, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    os.chown(empty, NOBODY, NOBODY)
    open_to_all(Path(launcher), rich.path, empty)
    before = everything(tmp_path)
    done = subprocess.run(
        [launcher, "plan", rich.path], cwd=empty, env={"HOME": str(empty), "PATH": os.environ["PATH"]},
        user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert everything(tmp_path) == before
    for line in (
        "make the child by clone3, in the cgroup and in new namespaces [cannot: needs CAP_SYS_ADMIN]",
        "set the host name to pyruntime [cannot: needs CAP_SYS_ADMIN]",
        "set sysctl net.ipv4.ip_forward = 1 [cannot: needs CAP_NET_ADMIN]",
        "become uid 7 [cannot: needs CAP_SETUID]",
    ):
        assert f"  {line}\n" in done.stdout
    assert ", no capability, " in done.stdout
    assert re.search(r"make the cgroup .* \[cannot: this user may not write to /sys/fs/cgroup", done.stdout)


def without(number):
    """Return what makes a program start without a capability: its bounding set lacks it."""

    def drop():
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0

    return drop


# Those of the payload, those that create needs, and some that one might take for such.
TAKEN = (
    "AUDIT_WRITE KILL NET_BIND_SERVICE SYS_ADMIN SETUID SETGID SETPCAP NET_ADMIN"
    " CHOWN DAC_OVERRIDE FOWNER MKNOD SYS_CHROOT SYS_NICE SYS_PTRACE BPF"
)


@pytest.mark.parametrize("name", [f"CAP_{name}" for name in TAKEN.split()])
def test_a_run_fails_for_want_of_a_capability_where_the_plan_says_so(
    rich, launcher, containers, runtime, name
):
    """Root without one capability: what the plan marks and what the kernel says are one."""
    number = capabilities.NUMBERS[name]
    document = planned(runtime, rich, preexec_fn=without(number))
    marks = {step["does"]: step["cannot"] for step in document["steps"] if step["cannot"]}
    done = runtime("run", "--bundle", rich.path, "c1", preexec_fn=without(number))
    assert bool(marks) == bool(done.returncode), (marks, done.stderr)
    assert not done.returncode or name in done.stderr or set(marks.values()) == {f"needs {name}"}


def test_the_filter_is_as_large_as_it_was_told_and_lies_where_it_was_told(rich, runtime, containers):
    def program():
        return next(step for step in planned(runtime, rich)["steps"] if step["kind"] == "program")

    told = program()
    assert told["does"].startswith("compile it and keep it as ")
    kept = Path(told["fields"]["path"])
    assert not kept.exists()
    assert runtime("run", "--bundle", rich.path, "c1").returncode == 0
    assert len(kept.read_bytes().partition(b"\n")[2]) == told["fields"]["bytes"] > 1000
    assert program()["does"].startswith("take its program from ")


def test_a_wrong_bundle_gets_the_report_of_validate(runtime, bundle):
    bundle.config["process"] |= {"cwd": "tmp", "Umask": 18}
    bundle.save()
    for form in ((), ("--format", "json")):
        reports = [runtime(command, *form, bundle.path) for command in ("plan", "validate")]
        assert reports[0].stdout == reports[1].stdout != ""
        assert [done.returncode for done in reports] == [1, 1]
        assert [done.stderr for done in reports] == ["", ""]
    (bundle.path / "config.json").write_text("{")
    assert runtime("plan", bundle.path).stdout == runtime("validate", bundle.path).stdout != ""


def test_warnings_are_told_and_the_bundle_may_be_the_present_directory(runtime, bundle):
    bundle.config["process"]["Umask"] = 18
    bundle.config["process"]["capabilities"]["bounding"].append("CAP_KIL")
    bundle.config["process"]["capabilities"]["ambient"] = ["CAP_SYS_TIME"]
    bundle.save()
    done = runtime("plan", cwd=bundle.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("warning: ")] == [
        "warning: /process/Umask: unknown key, ignored",
        'warning: /process/capabilities/bounding/3: unknown capability "CAP_KIL", ignored; did you mean "CAP_KILL"?',
        "warning: can't raise ambient capability CAP_SYS_TIME: operation not permitted",
    ]


def test_what_is_missing_is_marked(runtime, bundle):
    shutil.rmtree(bundle.rootfs)
    bundle.config["mounts"].append({"destination": "/a", "source": "/no/such", "options": ["bind"]})
    bundle.config["linux"]["namespaces"].append({"type": "time", "path": "/no/time"})
    bundle.config["linux"]["intelRdt"] = {}
    bundle.config["hooks"] = {"poststop": [{"path": "/no/hook"}]}
    bundle.save()
    done = runtime("plan", bundle.path)
    marked = [line.strip() for line in done.stdout.splitlines() if "[cannot: " in line]
    gone = "[cannot: no such file or directory]"
    assert [line for line in marked if "class of service" not in line] == [
        f"see that {bundle.rootfs} is a directory {gone}",
        f"open the time namespace /no/time, to be joined {gone}",
        f"mount {bundle.rootfs} onto itself, with all mounts below it {gone}",
        f"bind /no/such on /a {gone}",
        f"run poststop hook #0: /no/hook {gone}",
    ]


def test_a_wrong_line_is_refused(runtime, bundle, tmp_path):
    done = runtime("plan", "--format", "xml", bundle.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "invalid format option" in done.stderr
    done = runtime("plan", tmp_path / "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nosuch: no such file or directory" in done.stderr


def test_a_unit_of_systemd_is_planned_and_that_none_runs_here(runtime, bundle):
    bundle.config["linux"]["cgroupsPath"] = "machine.slice:box:c1"
    bundle.save()
    told = runtime("--systemd-cgroup", "plan", bundle.path).stdout
    (line,) = [each for each in told.splitlines() if "have systemd make" in each]
    assert "the scope box-c1.scope in machine.slice" in line
    missing = "[cannot: systemd does not run here" in line
    assert missing == (not Path("/run/systemd/system").exists())
    refused = runtime("plan", bundle.path)
    assert refused.returncode == 1
    assert "names a unit of systemd: --systemd-cgroup is needed" in refused.stderr
