"""Containers of a caller that is not root: what works, and in which words the rest is refused."""

import os
import subprocess
from pathlib import Path

import pytest
from functional import unprivileged
from functional.inside import eventually, pairs, refused, running, said
from functional.inside import status as fields
from functional.screen import Screen
from functional.unprivileged import GID, GROUP, UID, document

IDS = "id -u; id -g; cat /proc/self/setgroups; cat /proc/self/uid_map; cat /proc/self/gid_map"


@pytest.fixture
def user(open_launcher):
    """A user with a bundle, whose config.json is what `spec --rootless` wrote."""
    with unprivileged.bench(open_launcher) as made:
        yield made


@pytest.fixture
def delegated(user):
    """The same with a cgroup of its own."""
    user.delegate()
    return user


def status(pid):
    return fields(Path(f"/proc/{pid}/status").read_text())


def mapped(user, kind, *ranges):
    names = ("containerID", "hostID", "size")
    maps = [dict(zip(names, each, strict=True)) for each in ranges]
    user.bundle.config["linux"][f"{kind}Mappings"] = maps


def test_root_inside_is_the_caller_and_may_set_no_groups(user):
    told = said(user.bundle, user.runtime, IDS).split()
    assert told == ["0", "0", "deny", "0", str(UID), "1", "0", str(GID), "1"]


def test_the_payload_has_the_callers_ids_and_groups_and_no_more_rights(user):
    pid = running(user.bundle, user.runtime, user.containers)
    told = status(pid)
    assert (set(told["Uid"].split()), set(told["Gid"].split())) == ({str(UID)}, {str(GID)})
    assert set(told["Groups"].split()) == {str(GID), str(GROUP)}
    assert Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()


def test_a_life_from_create_to_delete(user):
    user.bundle.config["process"]["args"] = ["sleep", "60"]
    runtime, path = user.runtime, user.bundle.save()
    assert runtime("create", "--bundle", path, "c1").returncode == 0
    state = document(runtime("state", "c1"))
    assert state["status"] == "created"
    assert runtime("exec", "c1", "id", "-u").stdout == "0\n"
    assert runtime("start", "c1").returncode == 0
    assert document(runtime("state", "c1"))["status"] == "running"
    (listed,) = document(runtime("list", "--format", "json"))
    assert (listed["id"], listed["pid"]) == ("c1", state["pid"])
    assert runtime("delete", "c1").returncode == 1
    assert runtime("kill", "c1", "KILL").returncode == 0
    eventually(lambda: document(runtime("state", "c1"))["status"] == "stopped")
    assert runtime("delete", "c1").returncode == 0


def test_exec_enters_with_the_groups_that_cannot_be_let_go(user):
    running(user.bundle, user.runtime, user.containers)
    done = user.runtime("exec", "c1", "sh", "-c", "id -u; cat /proc/self/setgroups; hostname; echo $$")
    assert done.stdout.split()[:3] == ["0", "deny", "pyruntime"]
    done = user.runtime("exec", "--additional-gids", "0", "c1", "true")
    assert (done.returncode, "additional groups may not be set" in done.stderr) == (255, True)


def test_exit_status_and_output_of_exec(user):
    running(user.bundle, user.runtime, user.containers)
    done = user.runtime("exec", "c1", "sh", "-c", "cat; exit 7", input="word")
    assert (done.returncode, done.stdout) == (7, "word")


def test_devices_are_the_hosts_and_no_other_can_be_made(user):
    script = "echo a >/dev/null && head -c 3 /dev/zero | wc -c; mknod /dev/x c 1 3 2>&1; test -b /dev/x || echo none"
    told = said(user.bundle, user.runtime, script)
    assert told.splitlines()[0] == "3"
    assert "peration not permitted" in told


def test_a_shell_on_a_terminal_of_its_own(user):
    user.bundle.config["process"] |= {"terminal": True, "args": ["sh", "-i"]}
    user.bundle.config["process"]["env"] += ["PS1=inside# ", "HISTFILE="]
    become = f'chown {UID} "$(tty)" && exec setpriv --reuid={UID} --regid={GID} --clear-groups "$@"'
    words = [user.launcher, "--root", user.place / "state", "run", "--bundle", user.bundle.save(), "c1"]
    screen = Screen("sh", "-c", become, "sh", *words)
    try:
        screen.see("inside# ")
        screen.type("tty; stat -c 'of %u' /dev/pts/0; exit 5\r")
        screen.see("/dev/pts/0\r\nof 0\r\n")
        assert screen.process.wait(timeout=60) == 5
    finally:
        screen.close()


def test_hooks_run_as_the_caller(user):
    note = user.place / "state" / ".note"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"id -u >{note}"]}
    user.bundle.config["hooks"] = {"createRuntime": [hook]}
    said(user.bundle, user.runtime, "true")
    assert note.read_text() == f"{UID}\n"


def test_a_container_of_root_is_out_of_reach(user, bundle, runtime, containers):
    pid = running(bundle, runtime, containers)
    known = containers.state("c1")
    (user.place / "state" / "c1").mkdir()
    text = (containers.root / "c1" / "state.json").read_text()
    for name, content in {"state.json": text, "config.json": (bundle.path / "config.json").read_text(), "lock": ""}.items():
        (user.place / "state" / "c1" / name).write_text(content)
    unprivileged.own(user.place / "state" / "c1")
    try:
        done = user.runtime("exec", "c1", "true")
        assert (done.returncode, "it belongs to another user" in done.stderr) == (255, True), done.stderr
        done = user.runtime("kill", "c1", "KILL")
        assert (done.returncode, "peration not permitted" in done.stderr) == (1, True), done.stderr
        assert Path(f"/proc/{pid}").exists()
    finally:
        subprocess.run(["rm", "-r", str(user.place / "state" / "c1")], check=True)
    assert containers.state("c1") == known


# --- cgroups -------------------------------------------------------------------------------------


def test_in_a_delegated_cgroup_a_container_has_one_of_its_own(delegated):
    runtime = delegated.runtime
    pid = running(delegated.bundle, runtime, delegated.containers)
    assert delegated.containers.state("c1")["cgroup"] == str(delegated.cgroup / "c1")
    assert (delegated.cgroup / "c1" / "cgroup.procs").read_text().split() == [str(pid)]
    assert document(runtime("ps", "--format", "json", "c1")) == [pid]
    assert runtime("pause", "c1").returncode == 0
    assert document(runtime("state", "c1"))["status"] == "paused"
    assert runtime("resume", "c1").returncode == 0
    done = runtime("exec", "c1", "cat", "/proc/self/cgroup")
    assert done.stdout.splitlines()[-1] == "0::/"
    assert runtime("kill", "--all", "c1", "KILL").returncode == 0


def test_a_container_that_asks_for_no_limits_goes_on_without_a_cgroup(user):
    running(user.bundle, user.runtime, user.containers)
    assert user.containers.state("c1")["cgroup"] == ""
    done = user.runtime("ps", "c1")
    assert (done.returncode, "has no cgroup of its own" in done.stderr) == (1, True)


def test_limits_without_a_delegated_cgroup_are_refused_with_the_cure(user):
    user.bundle.config["linux"]["resources"] = {"pids": {"limit": 9}}
    told = refused(user.bundle, user.runtime)
    assert "permission denied" in told
    assert "a delegated cgroup is needed" in told


def test_a_cgroup_elsewhere_in_the_hierarchy_is_refused_with_the_cure(user):
    user.cgroup.mkdir()
    for name in ("", "cgroup.procs"):
        os.chown(user.cgroup / name, UID, GID)
    user.bundle.config["linux"]["cgroupsPath"] = f"/{user.cgroup.name}/c1"
    try:
        told = refused(user.bundle, user.runtime)
    finally:
        user.cgroup.rmdir()
    assert "permission denied" in told
    assert "systemd-run --user" in told


def test_device_rules_are_the_users_own_limits(delegated):
    delegated.bundle.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    assert said(delegated.bundle, delegated.runtime, "head -c 1 /dev/zero | wc -c") == "1\n"


# --- what only root may --------------------------------------------------------------------------


def _space(user):
    spaces = user.bundle.config["linux"]["namespaces"]
    spaces[:] = [each for each in spaces if each["type"] != "user"]
    for kind in ("uid", "gid"):
        del user.bundle.config["linux"][f"{kind}Mappings"]


def _groups(user):
    user.bundle.config["process"]["user"]["additionalGids"] = [0]


def _score(user):
    user.bundle.config["process"]["oomScoreAdj"] = -1000


def _limit(user):
    user.bundle.config["process"]["rlimits"] = [{"type": "RLIMIT_NPROC", "hard": 1 << 40, "soft": 1}]


def _network(user):
    user.bundle.config["linux"]["namespaces"].append({"type": "network", "path": "/proc/1/ns/net"})


def _device(user):
    user.bundle.config["linux"]["namespaces"].append({"type": "network"})
    user.bundle.config["linux"]["netDevices"] = {"lo": {}}


def _ids(user):
    mapped(user, "uid", (0, UID, 1), (1, 100_000, 9))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_space, "a caller that is not root needs a new user namespace"),
        (_groups, "/process/user/additionalGids: a caller that is not root and maps its own group alone"),
        (_score, "set oom_score_adj to -1000: permission denied (to lower it needs CAP_SYS_RESOURCE)"),
        (_limit, "set the limit RLIMIT_NPROC: operation not permitted"),
        (_network, "ermission denied"),
        (_device, "linux.netDevices are not supported for rootless containers"),
    ],
)  # fmt: skip
def test_what_only_root_may_is_refused_in_one_line(user, change, words):
    change(user)
    assert words in refused(user.bundle, user.runtime)


def test_what_goes_without_root_is_done(user):
    process = user.bundle.config["process"]
    process["oomScoreAdj"] = 1000
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 99, "soft": 98}]
    told = said(user.bundle, user.runtime, "echo score $(cat /proc/self/oom_score_adj); echo files $(ulimit -n)")
    assert pairs(told) == {"score": "1000", "files": "98"}


def test_a_procfs_that_is_partly_hidden_is_named_as_the_reason(user):
    subprocess.run(["mount", "--bind", "/dev/null", "/proc/kallsyms"], check=True)
    try:
        told = refused(user.bundle, user.runtime)
    finally:
        subprocess.run(["umount", "/proc/kallsyms"], check=True)
    assert "mount proc on /proc: operation not permitted" in told
    assert "a /proc that nothing covers" in told


# --- more ids ------------------------------------------------------------------------------------


def test_without_the_programs_for_more_ids_the_cure_is_told(user):
    _ids(user)
    if os.path.exists("/usr/bin/newuidmap"):
        user.bundle.config["linux"]["uidMappings"][1]["hostID"] = 1
        assert "/etc/subuid must grant these" in refused(user.bundle, user.runtime)
    else:
        told = refused(user.bundle, user.runtime)
        assert "newuidmap is neither in PATH nor in /usr/bin: install the package uidmap" in told


@pytest.mark.parametrize(("kind", "program"), [("uid", "newuidmap"), ("gid", "newgidmap")])
def test_a_program_of_path_is_asked_for_more_ids_and_its_refusal_is_told(user, kind, program):
    own = {"uid": UID, "gid": GID}[kind]
    mapped(user, kind, (0, own, 1), (1, 300_000, 9))
    script = 'echo "$# $2 $3 $4 $5 $6 $7"; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; test -d /proc/$1; exit 3'
    path = unprivileged.program(user.place / "programs", program, script)
    done = user.runtime(
        "run", "--bundle", user.bundle.save(), "c1", env={"PATH": f"relative:{path}:/usr/bin:/bin", "SECRET": "1"}
    )
    assert done.returncode == 1
    told = f"{program} gave no ids: 7 0 {own} 1 1 300000 9 (/etc/sub{kind} must grant these to this user: "
    assert told + f"{own}, 9 from 300000)" in done.stderr
    assert user.containers.ids() == []


def test_a_program_that_hangs_ends_with_the_runtime(user):
    _ids(user)
    path = unprivileged.program(user.place / "programs", "newuidmap", f"echo $$ >{user.place}/state/.pid; exec sleep 600")
    words = [user.launcher, "--root", user.place / "state", "create", "--bundle", user.bundle.save(), "c1"]
    with subprocess.Popen(
        [str(word) for word in words], env={"PATH": f"{path}:/usr/bin:/bin"}, stderr=subprocess.DEVNULL,
        preexec_fn=user.become,  # noqa: PLW1509 - there is one thread
    ) as running_one:  # fmt: skip
        note = user.place / "state" / ".pid"
        eventually(lambda: note.exists() and note.read_text())
        running_one.terminate()
        assert running_one.wait(timeout=60) != 0
    assert not Path(f"/proc/{note.read_text().strip()}").exists()
    assert user.containers.ids() == []


# --- plan ----------------------------------------------------------------------------------------


def test_the_plan_names_nothing_that_a_run_does_not_trip_over(delegated):
    document_of = document(delegated.runtime("plan", "--format", "json", delegated.bundle.save()))
    assert [step["does"] for step in document_of["steps"] if step["kind"] == "maps"] == [
        "write the child's uid_map; deny it setgroups, and write its gid_map"
    ]
    assert [step["cannot"] for step in document_of["steps"] if step["cannot"]] == []
    assert delegated.runtime("run", "--bundle", delegated.bundle.path, "c1").returncode == 0
