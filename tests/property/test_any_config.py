"""Whatever stands in config.json: it works, or one clear line says why not, and nothing is left.

Every case goes through the real command line: `create` and `delete --force`, or `run`. They run in
mount, UTS, IPC and network namespaces of the test's own, so that no configuration can reach the
machine: one without namespaces meets these. PYRUNTIME_CASES sets how many cases each test tries.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys

import conftest
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyruntime.kernel import mount, process

pytestmark = pytest.mark.root

CASES = int(os.environ.get("PYRUNTIME_CASES", "150"))
SPACES = {
    "mnt": process.CLONE_NEWNS,
    "uts": process.CLONE_NEWUTS,
    "ipc": process.CLONE_NEWIPC,
    "net": process.CLONE_NEWNET,
}
quick = settings(
    max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


# --- values --------------------------------------------------------------------------------------

# No word here is the name of a program, a file system of a disk, or a parameter of the host.
TEXTS = st.one_of(
    st.sampled_from(
        ["", "/", ".", "..", "/a", "a/../../..", "\0", "a\0b", "/a\0", "\n", "ä", "\ud800", "\udcff",
         "%s", "{}", "\x1b[31m", "x" * 300, "/x" * 3000, "rwm", "tmpfs", "bind", "ro", "rw", "SIGKILL",
         "RLIMIT_NOFILE", "CAP_KILL", "c", "a", "1.3.0", "shared", "mount", "user", "=", "A=", "A=b"]
    ),
    st.text(max_size=5),
)  # fmt: skip
NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, 1 << 64, 10**400]),
    st.sampled_from([0.5, -0.0, 1e300, float("inf"), float("nan")]),
    st.integers(-9, 5000),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(TEXTS, below, max_size=3)),
    max_leaves=8,
)


class Twice(dict):
    """An object of which one member is written twice."""

    def __init__(self, members, name, value):
        super().__init__(members)
        self.more = (name, value)


def text(value):
    """Write a value as JSON, as Python's encoder does; a Twice with its member twice."""
    if isinstance(value, dict):
        members = [*value.items(), *([value.more] if isinstance(value, Twice) else [])]
        return "{" + ",".join(f"{json.dumps(name)}:{text(item)}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**400:
        return "9" * 5000  # more digits than int() takes
    return json.dumps(value)


def good():
    """A config that uses most of what there is."""
    config = conftest.busybox.configuration("plain")
    config["process"]["terminal"] = False
    config["process"] |= {"args": ["true"], "oomScoreAdj": 500, "umask": 18}
    config["process"]["user"] |= {"additionalGids": [5], "umask": 18}
    config["process"] |= {
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5, "priority": 0, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0-1", "final": "0"},
    }
    config["annotations"] = {"a": "b"}
    config["domainname"] = "zoo"
    config["hooks"] = {
        name: [{"path": "/bin/true", "args": ["true", "x"], "env": ["A=b"], "timeout": 5}]
        for name in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    }
    config["mounts"] += [
        {"destination": "/b", "type": "bind", "source": "rootfs/etc", "options": ["rbind", "ro", "rslave"]},
        {"destination": "/t", "type": "tmpfs", "source": "t", "options": ["size=64k", "ro", "nosuid"]},
    ]
    config["linux"]["namespaces"].append({"type": "time"})
    if os.path.exists("/proc/self/numa_maps"):
        config["linux"]["memoryPolicy"] = {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": []}
    config["linux"] |= {
        "cgroupsPath": "/any-config",
        "timeOffsets": {"boottime": {"secs": 5, "nanosecs": 6}, "monotonic": {"secs": 7}},
        "personality": {"domain": "LINUX"},
        "rootfsPropagation": "slave",
        "sysctl": {"net.ipv4.ip_forward": "1", "kernel.shmmax": "4096"},
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 0}],
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [
                {"names": ["setns"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                 "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}
            ],
        },
    }  # fmt: skip
    config["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    )
    return config


def places(value):
    """Every (container, name) in a document."""
    for name, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(item, (dict, list)):
            yield from places(item)


@st.composite
def mutations(draw):
    """A good config with one to three mistakes."""
    config = copy.deepcopy(good())
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(config))
        where, name = known[draw(st.integers(0, len(known) - 1))]
        kind = draw(st.sampled_from(["drop", "replace", "text", "number", "twice", "swap", "odd key"]))
        if kind == "drop":
            del where[name]
        elif kind == "twice" and isinstance(where, list):
            where.append(where[name])
        elif kind == "twice":
            change_twice(config, where, name, draw(VALUES))
        elif kind == "swap":
            there, other = known[draw(st.integers(0, len(known) - 1))]
            where[name] = copy.deepcopy(there[other])
        elif kind == "odd key" and isinstance(where, dict):
            where[draw(TEXTS)] = where.pop(name)
        else:
            where[name] = draw({"text": TEXTS, "number": NUMBERS}.get(kind, VALUES))
    return config


def change_twice(config, where, name, value):
    """Put a Twice in the place of an object; the top has no place to put it."""
    for holder, key in places(config):
        if holder[key] is where:
            holder[key] = Twice(where, name, value)
            return


# --- what no case may reach ----------------------------------------------------------------------


def harmless(config, bundle):
    """Bend what could reach out of the bundle: roots, bind sources, hooks, disks, remounts."""
    if not isinstance(config, dict):
        return config
    root = config.get("root")
    if isinstance(root, dict) and not below(bundle, root.get("path")):
        root["path"] = "rootfs"
    linux = config.get("linux")
    if isinstance(linux, dict) and isinstance(linux.get("cgroupsPath"), str):
        # The levels above a cgroup stay, since others may be using them.
        linux["cgroupsPath"] = "/" + linux["cgroupsPath"].replace("/", "-")
    for entry in objects(config.get("mounts")):
        if not below(bundle, entry.get("source")):
            entry["source"] = "rootfs/etc"
        if isinstance(entry.get("options"), list) and "remount" in entry["options"]:
            entry["options"].remove("remount")
    for hooks in (config.get("hooks") or {}).values() if isinstance(config.get("hooks"), dict) else ():
        for hook in objects(hooks):
            if isinstance(hook.get("path"), str) and os.path.lexists(hook["path"].replace("\0", "")):
                hook["path"] = "/bin/true"
    return config


def objects(value):
    """Return the objects of a list, whatever the value is."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def below(bundle, path):
    """Tell whether a path is one below the bundle, or nothing that could be a path."""
    if not isinstance(path, str):
        return True
    whole = os.path.normpath(os.path.join(bundle, path.replace("\0", "")))
    return whole.startswith(f"{bundle}/")


@pytest.fixture
def cage():
    """Put the test into mount, UTS, IPC and network namespaces of its own, and take it back."""
    home = os.getcwd()
    before = {name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in SPACES}
    process.unshare(sum(SPACES.values()))
    mount.propagate("/", mount.MS_PRIVATE | mount.MS_REC)
    yield
    for name, descriptor in before.items():
        process.setns(descriptor, SPACES[name])
        os.close(descriptor)
    os.chdir(home)


@pytest.fixture
def tried(cage, tmp_path, launcher, bundle):
    """Callable: try one text as config.json; the answers are checked."""
    held = conftest.Containers(tmp_path / "state")

    def attempt(content, way):
        try:
            examine(content, way)
        finally:  # a case that failed must not spoil the next
            for name in held.ids():
                call("delete", "--force", name)
                shutil.rmtree(held.root / name, ignore_errors=True)

    def examine(content, way):
        (bundle.path / "config.json").write_bytes(content)
        done = call("run" if way == "run" else "create", "--bundle", bundle.path, "c1")
        check(done, content)
        if way == "create" and done.returncode == 0:
            assert '"created"' in call("state", "c1").stdout, content
        if way == "create" or done.returncode == 0:
            deleted = call("delete", "--force", "c1")
            assert (deleted.returncode, errors_of(deleted.stderr)) == (0, []), (content, deleted.stderr)
        assert held.ids() == [], (content, done)
        assert conftest.leaked(held.before) == {}, content

    def call(*words):
        return conftest.call(launcher, held.root, *words)

    return attempt


def check(done, content):
    """Success, or one line of error; never a bug's words."""
    told = errors_of(done.stderr)
    assert "internal error" not in done.stderr, (content, done.stderr)
    assert "Traceback" not in done.stderr, (content, done.stderr)
    assert done.returncode in (0, 1), (content, done.returncode, done.stderr)
    assert len(told) == done.returncode, (content, done.stderr)
    assert all(line.startswith('time="') for line in done.stderr.splitlines()), (content, done.stderr)
    assert "\0" not in done.stderr
    assert len(done.stderr) < 20000, (len(done.stderr), content)


def errors_of(text):
    """Return the lines of level error."""
    return [line for line in text.splitlines() if "level=error" in line]


def encoded(value):
    return text(value).encode("utf-8", "surrogatepass")


# --- the tests -----------------------------------------------------------------------------------


def test_the_config_that_is_mutated_is_a_good_one(tried):
    tried(encoded(good()), "run")
    tried(encoded(good()), "create")


def test_a_configuration_with_mistakes_works_or_is_refused(tried, bundle):
    @quick
    @given(mutations(), st.sampled_from(["create", "run"]))
    def holds(config, way):
        tried(encoded(harmless(config, str(bundle.path))), way)

    holds()


def test_any_json_value_is_refused_in_one_line(tried, bundle):
    @settings(quick, max_examples=CASES // 2)
    @given(VALUES)
    def holds(value):
        tried(encoded(harmless(value, str(bundle.path))), "create")

    holds()


def test_any_bytes_are_refused_in_one_line(tried):
    whole = encoded(good())

    @settings(quick, max_examples=CASES // 3)
    @given(st.data())
    def holds(data):
        cut = data.draw(st.integers(0, len(whole) - 1))
        junk = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"\xef\xbb\xbf", b"]", b",,"])))
        way = data.draw(st.sampled_from(["cut", "begin"]))
        tried(whole[:cut] + junk if way == "cut" else junk + b"x" + whole, "create")

    holds()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"ociVersion": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"ociVersion": ' + b"1" * 100_000 + b"}",
        b'{"ociVersion": -1e99999}',
        b'{"ociVersion": "\\ud800"}',
        b'{"ociVersion": "' + b"x" * 1_000_000 + b'"}',
        b"{" + b",".join(b'"%d": 1' % number for number in range(50_000)) + b"}",
        '{"ociVersion": "1.0.0"}'.encode("utf-16"),
        b'{"ociVersion": "1.0.0"} {}',
    ],
    ids=lambda content: f"{content[:12]!r}x{len(content)}",
)
def test_extreme_documents_are_refused_in_one_line(tried, content):
    tried(content, "create")


def test_deep_parts_of_a_good_config_are_no_trouble(tried):
    for depth in (50, 500, sys.getrecursionlimit() * 3):
        config = good()
        config["annotations"] = None
        nested = encoded(config).replace(b'"annotations":null', b'"x":' + b"[" * depth + b"]" * depth)
        assert len(nested) > 2 * depth
        tried(nested, "create")
