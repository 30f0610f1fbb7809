"""What `plan` tells of a new user namespace, held to what a run does and where it fails."""

import os
import re
import subprocess
import tempfile

import pytest
from functional.mapped import FIRST, RANGE, map_ids
from functional.test_plan import STRACED, planned, strace, without

from pyruntime.feature import capabilities

TRACED = "clone3,setns,openat,unshare,setgroups,setresuid,chown,mknodat,fsopen,write"
# The first call by which strace shows a step, by the step's kind.
SHOWN = {
    "join": r"setns\(\d+<.*net:",
    "clone": r"clone3\(.*CLONE_NEWUSER",
    "leave": r"setns\(\d+<.*net:",
    "maps": r"openat\(.*/uid_map",
    "ownership": r"chown\(.*, 100005, -1\)",
    "mapped": r'write\(.*"mapped"',
    "root": r"setgroups\(0, NULL\)",
    "unshare": r"unshare\(CLONE_NEW\w+\|CLONE_NEW\w+\)",
    "lend": r"setns\(.*CLONE_NEWNS\)",
    "bind": r"mknodat\(.*EPERM",
}


@pytest.fixture
def mapped(bundle):
    """A bundle with a user namespace, whose cgroup is given to its user."""
    bundle.config["process"] |= {"args": ["true"], "user": {"uid": 5, "gid": 6}}
    map_ids(bundle)
    (shown,) = (each for each in bundle.config["mounts"] if each["destination"] == "/sys/fs/cgroup")
    shown["options"] = ["nosuid", "noexec", "nodev"]
    bundle.save()
    return bundle


@pytest.fixture
def joining(mapped):
    """The same in a network namespace that is there already."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; read word"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as keeper:
        keeper.stdout.readline()
        for entry in mapped.config["linux"]["namespaces"]:
            if entry["type"] == "network":
                entry["path"] = f"/proc/{keeper.pid}/ns/net"
        mapped.save()
        yield mapped
        keeper.stdin.close()


@STRACED
def test_a_run_takes_the_steps_in_the_order_that_was_told(joining, runtime, launcher, containers, tmp_path):
    steps = [step["kind"] for step in planned(runtime, joining)["steps"]]
    told = [kind for kind in steps if kind in SHOWN]
    assert sorted(told) == sorted(SHOWN)
    trace = tmp_path / "trace"
    done = strace(trace, TRACED, launcher, "--root", containers.root, "run", "--bundle", joining.path, "c1")
    assert done.returncode == 0, done.stderr
    lines = iter(trace.read_text(errors="replace").splitlines())
    for kind in told:
        assert any(re.search(SHOWN[kind], line) for line in lines), kind


def test_the_words_tell_whose_each_act_is(mapped, runtime):
    document = planned(runtime, mapped)
    told = {step["kind"]: (step["actor"], step["does"], step["fields"]) for step in document["steps"]}
    whole = f"0 {FIRST} {RANGE[0]['size']}\n"
    assert told["maps"][::2] == ("parent", {"uid_map": whole, "gid_map": whole})
    assert told["root"][0] == "child"
    assert told["unshare"][1].endswith(": uts, ipc, network")
    assert told["ownership"][2] == {"uid": FIRST + 5}
    assert not [step for step in document["steps"] if step["cannot"]]


def test_a_rootfs_that_its_root_cannot_open_is_told(mapped, runtime):
    mapped.rootfs.chmod(0o700)
    os.chown(mapped.rootfs, 0, 0)
    told = f"is closed to the container's root, which is uid {FIRST} of the host"
    (step,) = [step for step in planned(runtime, mapped)["steps"] if step["cannot"]]
    assert (step["kind"], step["cannot"]) == ("attach", f"it {told}")
    assert told in runtime("run", "--bundle", mapped.path, "c1").stderr


@STRACED
def test_only_what_cannot_be_reached_is_fetched(mapped, runtime, launcher, containers, tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        os.chmod(top, 0o755)
        places = [f"{top}/{name}/data" for name in ("open", "closed")]
        for place in places:
            os.makedirs(place)
            entry = {"destination": f"/{len(place)}", "source": place, "options": ["rbind"]}
            mapped.config["mounts"].append(entry)
        os.chmod(f"{top}/closed", 0o700)
        mapped.save()
        steps = planned(runtime, mapped)["steps"]
        told = [step["fields"]["path"] for step in steps if step["kind"] == "lend"]
        trace = tmp_path / "trace"
        line = ("--root", containers.root, "run", "--bundle", mapped.path, "c1")
        done = strace(trace, "setns", launcher, *line)
    assert done.returncode == 0, done.stderr
    assert told == [str(mapped.rootfs), places[1]]
    fetches = re.findall(r"setns\(.*CLONE_NEWNS\) += 0", trace.read_text(errors="replace"))
    assert len(fetches) == len(told)


# Those that a run needs of the caller, and some that root of the namespace has by itself.
TAKEN = "SETUID SETGID SETFCAP SYS_ADMIN CHOWN SETPCAP NET_ADMIN MKNOD SYS_CHROOT KILL SYS_NICE BPF"


@pytest.mark.parametrize("name", [f"CAP_{name}" for name in TAKEN.split()])
@pytest.mark.parametrize("kind", ["mapped", "joining"])
def test_a_run_fails_for_want_of_a_capability_where_the_plan_says_so(request, runtime, kind, name):
    bundle = request.getfixturevalue(kind)
    drop = without(capabilities.NUMBERS[name])
    document = planned(runtime, bundle, preexec_fn=drop)
    marks = {step["does"]: step["cannot"] for step in document["steps"] if step["cannot"]}
    done = runtime("run", "--bundle", bundle.path, "c1", preexec_fn=drop)
    assert bool(marks) == bool(done.returncode), (marks, done.stderr)
    assert set(marks.values()) <= {f"needs {name}"}


@pytest.mark.parametrize("name", ["CAP_SETFCAP", "CAP_KILL"])
def test_uid_0_of_the_host_is_given_away_only_with_a_right_of_its_own(mapped, runtime, name):
    root = [{"containerID": 0, "hostID": 0, "size": 10}]
    mapped.config["linux"] |= {"uidMappings": root, "gidMappings": root}
    for directory, names, files in os.walk(mapped.rootfs):
        for each in (".", *names, *files):
            os.lchown(f"{directory}/{each}", 0, 0)
    mapped.save()
    drop = without(capabilities.NUMBERS[name])
    marks = [step["cannot"] for step in planned(runtime, mapped, preexec_fn=drop)["steps"] if step["cannot"]]
    assert marks == ["needs CAP_SETFCAP"] * (name == "CAP_SETFCAP")
    done = runtime("run", "--bundle", mapped.path, "c1", preexec_fn=drop)
    assert bool(done.returncode) == bool(marks), done.stderr
    assert ("uid_map" in done.stderr) == bool(marks)
