"""The six kinds of hooks: when and where they run, what they are given, how they fail."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import busybox
import pytest
from functional.inside import refused

RUNTIMES = ("prestart", "createRuntime", "poststart", "poststop")  # in the caller's namespaces
OWN = ("createContainer", "startContainer")  # in the container's
BIRTH = ("prestart", "createRuntime", "createContainer")  # run by create
ORDER = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
# The deprecated prestart keeps what it was told when it ran in start (runtime-spec 1.0).
STATUS = dict(
    zip(ORDER, ("created", "creating", "creating", "created", "running", "stopped"), strict=True)
)
SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
# Redirections are opened by the shell, so /proc/self is the hook and its first environment.
REPORT = """
at={at}/{name}
cat > $at.state
echo {name} >> {at}/order
pwd > $at.cwd
umask > $at.umask
tr '\\0' '\\n' < /proc/self/environ > $at.env
grep -E '^(SigBlk|SigIgn):' /proc/self/status > $at.signals
for name in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$name; done > $at.spaces
ls /proc/self/fd > $at.descriptors
echo "$0" "$@" > $at.arguments
"""


class Journal:
    """A directory that hooks of all places write to; in the container it is /journal."""

    def __init__(self, bundle, path):
        self.bundle, self.path = bundle, path
        path.mkdir()
        bundle.config["mounts"].append(
            {"destination": "/journal", "type": "bind", "source": str(path), "options": ["bind"]}
        )
        bundle.config["process"]["args"] = ["sleep", "1000"]
        bundle.config["annotations"] = {"org.example": "here"}

    def hook(self, name, script, **more):
        """Add a shell script as a hook; {at} in it stands for the directory as the hook sees it."""
        at = "/journal" if name == "startContainer" else str(self.path)
        text = script.replace("{at}", at).replace("{name}", name)
        hooks = self.bundle.config.setdefault("hooks", {}).setdefault(name, [])
        hooks.append({"path": "/bin/sh", "args": ["sh", "-c", text, "zero", "one"], **more})

    def text(self, name):
        return (self.path / name).read_text()

    def order(self):
        file = self.path / "order"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def journal(bundle, tmp_path):
    return Journal(bundle, tmp_path / "journal")


@pytest.fixture
def live(runtime, bundle, containers):
    """Callable: take a container from create to delete; returns the names of its namespaces."""

    def live(**options):
        assert_done(runtime("create", "--bundle", bundle.save(), "c1", **options))
        pid = containers.state("c1")["pid"]
        spaces = [os.readlink(f"/proc/{pid}/ns/{name}") for name in SPACES]
        assert_done(runtime("start", "c1", **options))
        assert_done(runtime("delete", "--force", "c1", **options))
        return {"pid": pid, "spaces": spaces}

    return live


def assert_done(done):
    assert (done.returncode, done.stderr) == (0, "")


def failed(done, *texts):
    """Assert that a command failed in one line with these texts."""
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert [text for text in texts if text not in done.stderr] == [], done.stderr


def attempt(runtime, bundle, name):
    """Run the command in which hooks of this kind fail; the id is c1."""
    if name in BIRTH:
        return runtime("create", "--bundle", bundle.save(), "c1")
    assert_done(runtime("create", "--bundle", bundle.save(), "c1"))
    return runtime("start", "c1")


def test_hooks_run_in_their_order_place_and_state(journal, live, bundle):
    for name in ORDER:
        journal.hook(name, REPORT)
    container = live(umask=0o027)
    assert journal.order() == list(ORDER)
    mine = [os.readlink(f"/proc/self/ns/{name}") for name in SPACES]
    for name in ORDER:
        inside = name in OWN
        spaces = journal.text(f"{name}.spaces").split()
        assert spaces == (container["spaces"] if inside else mine), name
        pid = {"poststop": None}.get(name, 1 if inside else container["pid"])
        state = json.loads(journal.text(f"{name}.state"))
        expected = {"ociVersion": state["ociVersion"], "id": "c1", "status": STATUS[name]}
        expected |= {"bundle": str(bundle.path), "annotations": {"org.example": "here"}}
        assert state == expected | ({"pid": pid} if pid else {}), name
        directory = {"createContainer": f"{bundle.rootfs}", "startContainer": "/"}
        assert journal.text(f"{name}.cwd").strip() == directory.get(name, str(bundle.path)), name
        assert journal.text(f"{name}.arguments") == "zero one\n"
        assert journal.text(f"{name}.descriptors").split() == ["0", "1", "2", "3"], name
        mask = "0022" if name == "startContainer" else "0027"
        assert journal.text(f"{name}.umask").strip().zfill(4) == mask, name


@pytest.mark.parametrize("by", ["create", "run"])
def test_no_signal_is_ignored_or_blocked_in_hooks(journal, runtime, bundle, live, by):
    for name in ORDER:
        journal.hook(name, REPORT)
    bundle.config["process"]["args"] = ["true"]
    if by == "create":
        live()
    else:
        assert_done(runtime("run", "--bundle", bundle.save(), "c1"))
    for name in ORDER:
        words = journal.text(f"{name}.signals").split()
        assert words == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16], name


def test_a_hook_has_the_environment_that_is_given_for_it(journal, live):
    for name in ORDER:
        journal.hook(name, REPORT, env=["PATH=/usr/bin:/bin", "HOOK=one", "EMPTY=", "HOOK=two"])
    live(env={"PATH": "/nowhere", "CALLER": "yes"})
    for name in ORDER:
        lines = journal.text(f"{name}.env").splitlines()
        assert lines.index("PATH=/usr/bin:/bin") == 0, name
        assert "EMPTY=" in lines, name
        assert [line for line in lines if "CALLER" in line or "LC_" in line] == [], name


def test_hooks_without_environment_have_that_of_their_place(journal, live, bundle):
    for name in ORDER:
        journal.hook(name, REPORT)
    bundle.config["process"]["env"] = ["PATH=/bin", "PAYLOAD=yes"]
    callers = {"PATH": "/usr/bin:/bin", "CALLER": "yes"}
    live(env=callers)
    words = {name: set(journal.text(f"{name}.env").split("\n")) - {""} for name in ORDER}
    for name in RUNTIMES:
        assert words[name] == {"PATH=/usr/bin:/bin", "CALLER=yes"}, name
    assert words["createContainer"] == set()
    assert words["startContainer"] == {"PATH=/bin", "PAYLOAD=yes", "HOME=/root"}


@pytest.mark.parametrize("name", ORDER)
def test_an_empty_environment_is_no_absent_one(journal, live, name):
    journal.hook(name, REPORT, env=[])
    live(env={"CALLER": "yes"})
    assert journal.text(f"{name}.env").strip() in ("", "HOME=/root")
    assert "CALLER" not in journal.text(f"{name}.env")


@pytest.mark.parametrize("name", ORDER[:5])
def test_the_error_names_the_hook_and_shows_its_output(journal, runtime, bundle, name):
    journal.hook(name, "echo {name} >> {at}/order")
    journal.hook(name, "echo said; echo wailed >&2; exit 3")
    journal.hook(name, "echo never >> {at}/order")
    done = attempt(runtime, bundle, name)
    failed(done, f"error running {name} hook #1: exit status 3, stdout: said", "stderr: wailed")
    assert journal.order() == [name]


@pytest.mark.parametrize("name", ORDER[:5])
def test_a_hook_that_is_killed_or_missing_fails(journal, runtime, bundle, name):
    journal.hook(name, "kill -KILL $$")
    failed(attempt(runtime, bundle, name), f"error running {name} hook #0: signal")
    assert_done(runtime("delete", "--force", "c1"))
    bundle.config["hooks"] = {name: [{"path": "/no/such/hook"}]}
    failed(attempt(runtime, bundle, name), f"{name} hook #0", "/no/such/hook", "o such file")


def test_a_hook_may_take_its_time_but_not_more(launcher, runtime, tmp_path, containers):
    def one(name):
        path = tmp_path / name
        busybox.bundle("plain", str(path), ["sleep", "1000"])
        config = json.loads((path / "config.json").read_text())
        config["hooks"] = {name: [{"path": "/bin/sleep", "args": ["sleep", "300"], "timeout": 1}]}
        (path / "config.json").write_text(json.dumps(config))
        began = time.monotonic()
        done = runtime("run", "--detach", "--bundle", path, name)
        return name, done, time.monotonic() - began

    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(one, ORDER[:5]))
    for name, done, seconds in outcomes:
        failed(done, f"error running {name} hook #0: hook ran past specified timeout of 1.0s")
        assert 1 <= seconds < 60, name
    assert containers.ids() == []


@pytest.mark.parametrize("name", ORDER)
def test_a_long_state_reaches_readers_and_does_not_trouble_others(journal, live, bundle, name):
    bundle.config["annotations"] = {"long": "x" * 300_000}
    journal.hook(name, "exec true")
    journal.hook(name, "exec <&-; sleep 0.02")
    journal.hook(name, "sleep 0.02; cat > {at}/read")
    live()
    assert json.loads(journal.text("read"))["annotations"]["long"] == "x" * 300_000


@pytest.mark.parametrize("name", ORDER)
def test_a_hook_may_leave_a_daemon_that_holds_its_pipes(journal, live, name):
    journal.hook(name, "sleep 1000 & echo $! > {at}/daemon; sleep 0.01")
    began = time.monotonic()
    live()
    assert time.monotonic() - began < 60
    if name in RUNTIMES:  # the other two end with the pid namespace of the container
        os.kill(int(journal.text("daemon")), signal.SIGKILL)


@pytest.mark.parametrize("name", ORDER)
def test_a_hook_may_say_more_than_a_pipe_holds(journal, live, name):
    journal.hook(name, "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
    live()


def test_the_root_is_not_yet_changed_for_create_container(journal, live, bundle):
    """Its path is the caller's, the mounts of the container are there below the rootfs."""
    journal.hook("createContainer", f"ls {bundle.rootfs}/proc/ > {{at}}/proc; ls dev > {{at}}/dev")
    journal.hook("createRuntime", f"ls {bundle.rootfs}/proc/ > {{at}}/outside")
    live()
    assert "self" in journal.text("proc").split()
    assert "null" in journal.text("dev").split()
    assert journal.text("outside") == ""


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize(
    ("change", "place", "told"),
    [
        ({"timeout": 0}, "timeout", "the timeout of a hook must be greater than zero"),
        ({"timeout": -1}, "timeout", "the timeout of a hook must be greater than zero"),
        ({"timeout": 1.5}, "timeout", ""),
        ({"path": "bin/true"}, "path", "the path of a hook must be absolute"),
        ({"path": ""}, "path", "the path of a hook must be absolute"),
        ({"env": ["A=b", "HOME"]}, "env/1", "invalid environment variable: missing '='"),
        ({"env": ["=b"]}, "env/0", "invalid environment variable: name cannot be empty"),
    ],
)
def test_an_impossible_hook_is_refused_by_its_place(journal, runtime, bundle, name, change, place, told):
    for each in ORDER:
        journal.hook(each, "echo {name} >> {at}/order")
    journal.hook(name, "true", **change)
    line = refused(bundle, runtime)
    assert f"/hooks/{name}/1/{place}: {told}" in line
    assert journal.order() == []


@pytest.mark.parametrize("name", ORDER)
def test_hooks_of_one_kind_run_in_their_order(journal, live, name):
    """config.md, "POSIX-platform Hooks": hooks MUST be called in the listed order."""
    for number in range(4):
        journal.hook(name, f"echo {number} >> {{at}}/order")
    live()
    assert journal.order() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("more", [{}, {"args": []}])
def test_a_hook_without_arguments_is_called_by_its_path(runtime, bundle, name, more):
    """busybox is the applet that it is called as: by any other name this one would not be false."""
    root = "" if name == "startContainer" else bundle.rootfs
    bundle.config["hooks"] = {name: [{"path": f"{root}/bin/false", **more}]}
    bundle.config["process"]["args"] = ["sleep", "1000"]
    if name == "poststop":
        assert_done(runtime("create", "--bundle", bundle.save(), "c1"))
        said = runtime("delete", "--force", "c1").stderr
    else:
        said = attempt(runtime, bundle, name).stderr
    assert f"error running {name} hook #0: exit status 1, stdout: , stderr:" in said


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("seconds", [3_000_000, (1 << 63) - 1])
def test_a_hook_may_have_all_the_time_in_the_world(journal, live, name, seconds):
    journal.hook(name, "echo {name} >> {at}/order", timeout=seconds)
    live()
    assert journal.order() == [name]


def test_a_poststop_hook_that_takes_too_long_is_killed_and_the_next_is_run(journal, runtime, bundle):
    journal.hook("poststop", "sleep 300", timeout=1)
    journal.hook("poststop", "echo second >> {at}/order")
    assert_done(runtime("create", "--bundle", bundle.save(), "c1"))
    done = runtime("delete", "--force", "c1")
    assert done.returncode == 0
    assert "error running poststop hook #0: hook ran past specified timeout of 1.0s" in done.stderr
    assert journal.order() == ["second"]


def test_the_program_runs_before_poststart_hooks_and_not_before_the_others(journal, live):
    """config.md, "Poststart": after the user-specified process is executed."""
    pid = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')"
    read = "tr '\\0' ' ' < /proc/$pid/cmdline > {at}/{name}"
    for name in ("createRuntime", "poststart"):  # it is empty for a moment within execve
        journal.hook(name, f"{pid}; until [ -s {{at}}/{{name}} ]; do {read}; done")
    live()
    assert journal.text("poststart") == "sleep 1000 "
    assert "pyruntime" in journal.text("createRuntime")


@pytest.mark.parametrize("name", ["prestart", "createRuntime", "createContainer"])
def test_the_process_is_in_its_cgroup_when_the_first_hooks_run(journal, live, bundle, name):
    pid = "self" if name == "createContainer" else "$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')"
    bundle.config["linux"]["cgroupsPath"] = "/of-hooks"
    spaces = bundle.config["linux"]["namespaces"]
    spaces[:] = [entry for entry in spaces if entry["type"] != "cgroup"]
    journal.hook(name, f"grep ^0:: /proc/{pid}/cgroup > {{at}}/cgroup")
    live()
    assert journal.text("cgroup").strip().endswith("/of-hooks")


def test_a_failed_poststart_hook_kills_the_container(journal, runtime, bundle, containers):
    journal.hook("poststart", "echo no; exit 1")
    journal.hook("poststop", "echo poststop >> {at}/order")
    done = attempt(runtime, bundle, "poststart")
    failed(done, "error running poststart hook #0: exit status 1, stdout: no, stderr: ")
    deadline = time.monotonic() + 60
    while json.loads(runtime("state", "c1").stdout)["status"] != "stopped":
        assert time.monotonic() < deadline
    assert journal.order() == []
    assert_done(runtime("delete", "c1"))
    assert journal.order() == ["poststop"]
    failed(runtime("run", "--bundle", bundle.path, "c2"), "error running poststart hook #0")
    assert containers.ids() == []
    assert journal.order() == ["poststop", "poststop"]


@pytest.mark.parametrize("command", ["delete", "run"])
def test_a_failed_poststop_hook_is_only_warned_of(journal, runtime, bundle, containers, command):
    journal.hook("poststop", "echo no; exit 1")
    journal.hook("poststop", "echo second >> {at}/order")
    bundle.config["process"]["args"] = ["sh", "-c", "exit 7"]
    if command == "delete":
        assert_done(runtime("create", "--bundle", bundle.save(), "c1"))
        done = runtime("delete", "c1")
    else:
        done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == (0 if command == "delete" else 7)
    assert "level=warning" in done.stderr
    assert "error running poststop hook #0: exit status 1" in done.stderr
    assert containers.ids() == []
    assert journal.order() == ["second"]  # runtime.md, lifecycle: the remaining hooks are run


@pytest.mark.parametrize("name", ORDER[:5])
@pytest.mark.parametrize("command", ["create", "run"])
def test_poststop_hooks_run_when_another_hook_failed(
    journal, runtime, bundle, containers, name, command
):
    journal.hook(name, "exit 1")
    journal.hook("poststop", "cat > {at}/state; echo poststop >> {at}/order")
    if command == "run":
        failed(runtime("run", "--bundle", bundle.save(), "c1"), f"{name} hook #0")
    else:
        failed(attempt(runtime, bundle, name), f"{name} hook #0")
        if name not in BIRTH:
            assert_done(runtime("delete", "--force", "c1"))
    assert journal.order() == ["poststop"]
    state = json.loads(journal.text("state"))
    assert (state["status"], state.get("pid")) == ("stopped", None)
    assert containers.ids() == []


def test_poststop_runs_in_the_top_directory_when_the_bundle_is_gone(
    journal, runtime, bundle, tmp_path
):
    journal.hook("poststop", "pwd > {at}/cwd")
    assert_done(runtime("create", "--bundle", bundle.save(), "c1"))
    assert_done(runtime("kill", "c1", "KILL"))
    bundle.path.rename(tmp_path / "elsewhere")
    assert_done(runtime("delete", "--force", "c1"))
    assert journal.text("cwd") == "/\n"
    assert not Path(bundle.path).exists()
