"""exec: each flag, the process it makes, and what it says when it cannot."""

import functools
import json
import os
import resource
import stat
import subprocess
import time
from pathlib import Path

import pytest
from functional import inside

FAILED = 255


@pytest.fixture
def held(bundle, runtime, containers):
    """A running container; its pid."""
    return inside.running(bundle, runtime, containers)


@pytest.fixture
def entered(runtime, held):
    """Callable: run a shell script in the container by exec; return its standard output."""

    def enter(script, *flags, **options):
        done = runtime("exec", *flags, "c1", "sh", "-c", script, **options)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return enter


def failing(runtime, *words, **options):
    """Run an exec that must fail in the runtime; return the text after `exec failed: `."""
    done = runtime("--log-format", "json", "exec", *words, **options)
    assert done.returncode == FAILED, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    told = json.loads(lines[0])["msg"]
    assert told.startswith("exec failed: "), told
    return told.removeprefix("exec failed: ")


def process_file(tmp_path, **process):
    """Write a process as engines do."""
    file = tmp_path / "process.json"
    whole = {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], **process}
    file.write_text(json.dumps(whole))
    return file


def test_it_runs_in_the_containers_namespaces_cgroup_and_root(held, entered, containers):
    names = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
    links = entered("for n in " + " ".join(names) + "; do readlink /proc/self/ns/$n; done").split()
    assert links == [os.readlink(f"/proc/{held}/ns/{name}") for name in names]
    assert entered("cat /proc/self/cgroup").splitlines()[-1].endswith("0::/")
    assert entered("readlink /proc/1/root; ls -di /").split()[-2] == str(os.stat(f"/proc/{held}/root").st_ino)


def test_it_is_in_the_cgroup_of_the_container(runtime, held, containers):
    done = runtime("exec", "--detach", "--pid-file", containers.root / "pid", "c1", "sleep", "50")
    assert done.returncode == 0, done.stderr
    pid = (containers.root / "pid").read_text()
    (containers.root / "pid").unlink()
    assert pid.isdigit()
    procs = Path(containers.state("c1")["cgroup"], "cgroup.procs").read_text().split()
    assert {pid, str(held)} <= set(procs)


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143), ("true", 0)]
)
def test_the_exit_status_is_the_processs(runtime, held, script, code):
    done = runtime("exec", "c1", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_standard_streams_are_the_callers(runtime, held):
    done = runtime("exec", "c1", "sh", "-c", "cat; echo err >&2", input="typed\n")
    assert (done.stdout, done.stderr) == ("typed\n", "err\n")


def test_the_process_holds_nothing_but_its_streams(entered):
    assert entered("ls /proc/self/fd; ls -l /proc/self/fd | grep -c memfd || true").split() == [*"0123", "0"]


def test_it_leads_a_session_as_a_child_of_nobody_inside(entered):
    fields = entered("cat /proc/self/stat; cat /proc/$$/stat").splitlines()[-1].split()
    pid, parent, group, session = fields[0], *fields[3:6]
    assert parent == "0"
    assert pid == group == session


def test_it_is_a_child_of_the_command_and_no_maker_stays(runtime, held, containers):
    before = set(Path(containers.state("c1")["cgroup"], "cgroup.procs").read_text().split())
    runtime("exec", "--detach", "c1", "sleep", "50")
    after = set(Path(containers.state("c1")["cgroup"], "cgroup.procs").read_text().split())
    assert len(after - before) == 1


def test_status_is_that_of_the_containers_own_process(bundle, runtime, containers):
    """Capabilities, ids, no_new_privs, seccomp: nothing is left behind by the way in."""
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 9], "umask": 0o27}
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    inside.running(bundle, runtime, containers, "exec sleep 60")
    wanted = inside.status(runtime("exec", "c1", "cat", "/proc/1/status").stdout)
    found = inside.status(runtime("exec", "c1", "cat", "/proc/self/status").stdout)
    same = ("Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
            "Seccomp", "Cpus_allowed", "Mems_allowed")  # fmt: skip
    assert {name: found[name] for name in same} == {name: wanted[name] for name in same}
    assert {int(found[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")} == {0}


def test_the_environment_is_the_configs_with_the_flags(bundle, runtime, containers):
    bundle.config["process"]["env"] = ["PATH=/bin", "A=config", "B=config"]
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "-e", "A=flag", "--env", "C=x=y", "-e", "D=", "c1", "env", env={"SECRET": "1"})
    told = sorted(done.stdout.splitlines())
    assert told == ["A=flag", "B=config", "C=x=y", "D=", "HOME=/root", "PATH=/bin"]
    assert "missing '='" in failing(runtime, "-e", "FOO", "c1", "env")


def test_the_saved_config_counts_not_the_bundles_present_one(bundle, runtime, held):
    bundle.config["process"]["env"] = ["PATH=/bin", "LATER=1"]
    bundle.save()
    assert "LATER" not in runtime("exec", "c1", "env").stdout


def test_the_working_directory(entered, runtime):
    assert entered("pwd") == "/\n"
    assert entered("pwd", "--cwd", "/etc") == "/etc\n"
    assert "no such file or directory" in failing(runtime, "--cwd", "/nosuch", "c1", "true")
    assert "cwd" in failing(runtime, "--cwd", "etc", "c1", "true")


def test_a_working_directory_that_only_the_user_may_enter(bundle, runtime, containers):
    home = bundle.rootfs / "home/own"
    home.mkdir(mode=0o700)
    os.chown(home, 1000, 1000)
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "--user", "1000:1000", "--cwd", "/home/own", "c1", "pwd")
    assert (done.returncode, done.stdout) == (0, "/home/own\n"), done.stderr


@pytest.mark.parametrize(
    ("user", "told"),
    [("1000", "1000 0 0"), ("1000:1001", "1000 1001 1001"), ("0", "0 0 0")],
)
def test_the_user(entered, user, told):
    assert entered("echo $(id -u) $(id -g) $(id -G)", "--user", user) == f"{told}\n"


def test_further_groups(entered):
    assert entered("id -G", "-g", "5", "--additional-gids", "6").split() == ["0", "5", "6"]


def test_a_capability_for_a_user_is_ambient_where_the_config_has_inheritable_ones(bundle, runtime, containers):
    inside.allow(bundle, "CAP_CHOWN")
    inside.running(bundle, runtime, containers)
    sets = bundle.config["process"]["capabilities"]
    assert "CAP_CHOWN" in sets["inheritable"]
    done = runtime("exec", "--user", "1000", "--cap", "CAP_CHOWN", "c1", "cat", "/proc/self/status")
    assert int(inside.status(done.stdout)["CapEff"], 16) == 1


def test_a_capability_where_the_config_names_none(bundle, runtime, containers):
    del bundle.config["process"]["capabilities"]
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "--cap", "CAP_CHOWN", "c1", "grep", "CapBnd", "/proc/self/status")
    assert int(done.stdout.split()[1], 16) == 1, done.stderr


def test_an_unknown_capability_is_warned_of(runtime, held):
    done = runtime("exec", "--cap", "CAP_FOO", "c1", "true")
    assert done.returncode == 0
    assert "CAP_FOO" in done.stderr


def test_no_new_privs(bundle, runtime, containers):
    bundle.config["process"]["noNewPrivileges"] = False
    inside.running(bundle, runtime, containers)
    told = [runtime("exec", *flags, "c1", "grep", "NoNew", "/proc/self/status").stdout
            for flags in ((), ("--no-new-privs",))]  # fmt: skip
    assert [each.split()[1] for each in told] == ["0", "1"]


@pytest.mark.parametrize("bit", [False, True])
def test_the_filter_is_the_containers(bundle, runtime, containers, bit):
    bundle.config["process"]["noNewPrivileges"] = bit
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "c1", "mkdir", "/tmp/x")
    assert "Operation not supported" in done.stderr or "not supported" in done.stderr.lower()


def test_limits_umask_priority_and_score_are_the_configs(bundle, runtime, containers):
    process = bundle.config["process"]
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    process["oomScoreAdj"] = 300
    process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 5}
    process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 3}
    process["user"]["umask"] = 0o71
    bundle.config["linux"]["personality"] = {"domain": "LINUX32"}
    inside.running(bundle, runtime, containers)
    script = "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; umask; uname -m; cut -d' ' -f41 /proc/self/stat"
    told = runtime("exec", "c1", "sh", "-c", script).stdout.split()
    assert told[:4] == ["77", "88", "300", "0071"]
    assert told[4] in ("i686", "i586", "armv8l")
    assert told[5] == "3"  # SCHED_BATCH


def test_a_scheduler_that_children_do_not_inherit(bundle, runtime, containers):
    bundle.config["process"]["scheduler"] = {
        "policy": "SCHED_BATCH", "nice": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
    }  # fmt: skip
    inside.running(bundle, runtime, containers)
    script = "read x; cut -d' ' -f41 /proc/$$/stat"
    with subprocess.Popen(
        [runtime("--version").args[0], "--root", str(containers.root), "exec", "c1", "sh", "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as command:  # fmt: skip
        time.sleep(0.5)
        out, _ = command.communicate("\n")
    assert out.strip() == "3"


def test_processors_of_exec(bundle, runtime, containers):
    available = sorted(os.sched_getaffinity(0))
    bundle.config["process"]["execCPUAffinity"] = {"initial": str(available[0]), "final": str(available[-1])}
    inside.running(bundle, runtime, containers)
    told = runtime("exec", "c1", "grep", "Cpus_allowed_list", "/proc/self/status").stdout.split()[1]
    assert told == str(available[-1])


def test_a_pinned_caller_does_not_pin_the_process(runtime, held):
    def pin():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    told = runtime("exec", "c1", "grep", "Cpus_allowed_list", "/proc/self/status", preexec_fn=pin).stdout
    assert told.split()[1] == Path("/proc/self/status").read_text().split("Cpus_allowed_list:")[1].split()[0]


def test_descriptors_are_kept_that_were_asked_for_and_no_others(runtime, held):
    def prepare():
        for number in (3, 4):
            os.dup2(0, number)

    more = {"preexec_fn": prepare, "pass_fds": (3, 4)}
    done = runtime("exec", "--preserve-fds", "1", "c1", "ls", "/proc/self/fd", **more)
    assert done.stdout.split() == ["0", "1", "2", "3", "4"]  # 4 is ls's own directory
    done = runtime("exec", "c1", "ls", "/proc/self/fd", **more)
    assert done.stdout.split() == ["0", "1", "2", "3"]
    told = failing(runtime, "--preserve-fds", "3", "c1", "true", **more)
    assert told == "--preserve-fds 3: the caller has no open descriptor 5"


def test_the_pid_file_and_detach(runtime, held, tmp_path):
    file = tmp_path / "pid"
    file.write_text("old")
    done = runtime("exec", "--detach", "--pid-file", file, "c1", "sleep", "40")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = int(file.read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0040\x00"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_pid_file_that_cannot_be_written_ends_the_process(runtime, held, containers, tmp_path):
    cgroup = Path(containers.state("c1")["cgroup"], "cgroup.procs")
    before = cgroup.read_text()
    told = failing(runtime, "--pid-file", tmp_path / "no/pid", "c1", "sleep", "40")
    assert told.startswith(f"write the pid file {tmp_path}/no/pid: no such file or directory")
    inside.eventually(lambda: cgroup.read_text() == before)


@pytest.mark.parametrize("flags", [(), ("--detach",)])
def test_a_caller_out_of_descriptors_is_left_no_process(bundle, runtime, containers, flags):
    bundle.config["process"].pop("rlimits", None)
    inside.running(bundle, runtime, containers)
    procs = Path(containers.state("c1")["cgroup"], "cgroup.procs")
    before, statuses = procs.read_text(), set()
    for most in range(6, 12):
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (most, most))
        done = runtime("exec", *flags, "c1", "sleep", "0.2", preexec_fn=limit)
        statuses.add(done.returncode)
        if done.returncode:
            assert procs.read_text() == before, most
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert "internal error" not in done.stderr
            assert "too many open files" in done.stderr
    assert statuses <= {0, FAILED}
    assert FAILED in statuses


def test_a_process_file(runtime, held, tmp_path):
    file = process_file(tmp_path, args=["sh", "-c", "id -u; pwd; echo $A"], user={"uid": 5, "gid": 5},
                        env=["PATH=/bin", "A=b"], cwd="/tmp")  # fmt: skip
    assert runtime("exec", "--process", file, "c1").stdout.split() == ["5", "/tmp", "b"]


def test_a_process_file_with_the_flags_of_an_engine(runtime, held, tmp_path):
    capabilities = {kind: ["CAP_CHOWN"] for kind in ("bounding", "effective", "permitted")}
    file = process_file(tmp_path, args=["sleep", "9"],
                        capabilities=capabilities, noNewPrivileges=True, apparmorProfile="",
                        rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])  # fmt: skip
    pid = tmp_path / "pid"
    done = runtime("exec", "--pid-file", pid, "--process", file, "--detach", "c1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = inside.status(Path(f"/proc/{pid.read_text()}/status").read_text())
    assert (told["CapEff"], told["NoNewPrivs"]) == ("0000000000000001", "1")


def test_what_a_process_file_leaves_out_is_the_containers(bundle, runtime, containers, tmp_path):
    """Engines write all of it; by hand nobody writes capabilities, and means the host's by that."""
    bundle.config["process"]["oomScoreAdj"] = 500
    inside.running(bundle, runtime, containers)
    script = "grep Cap /proc/1/status /proc/self/status; cat /proc/self/oom_score_adj"
    done = runtime("exec", "--process", process_file(tmp_path, args=["sh", "-c", script]), "c1")
    *sets, score = [line.rpartition(":")[2].strip() for line in done.stdout.splitlines()]
    assert sets[:5] == sets[5:]
    assert len(sets) == 10
    assert score == "500"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "process.json: line 1"),
        ("[]", "found a list, wanted an object"),
        ('{"args": ["true"]}', "cwd"),
        ('{"args": [], "cwd": "/"}', "/args: args must not be empty"),
        ('{"args": ["true"], "cwd": "etc"}', "/cwd"),
        ('{"args": ["true"], "cwd": "/", "user": {"uid": "0"}}', "/user/uid"),
        ('{"args": ["true"], "cwd": "/", "env": ["A"]}', "/env/0: invalid environment variable: missing '='"),
        ('{"args": ["true"], "cwd": "/", "rlimits": [{"type": "X", "soft": 1, "hard": 1}]}', "/rlimits/0/type"),
    ],
)
def test_a_process_file_that_is_wrong_is_told_with_the_place(runtime, held, tmp_path, content, told):
    file = tmp_path / "process.json"
    file.write_text(content)
    assert told in failing(runtime, "--process", file, "c1")


def test_a_process_file_that_is_missing(runtime, held, tmp_path):
    told = failing(runtime, "--process", tmp_path / "none", "c1")
    assert told == f"open {tmp_path}/none: no such file or directory"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ("/etc", 'exec: "/etc": is a directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_a_program_that_cannot_be_run(runtime, held, command, told):
    assert failing(runtime, "c1", command) == told


def test_a_program_that_only_the_kernel_refuses(bundle, runtime, containers):
    script = bundle.rootfs / "bin/odd"
    script.write_text("#!/nowhere\n")
    script.chmod(0o755)
    broken = bundle.rootfs / "bin/broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    inside.running(bundle, runtime, containers)
    assert failing(runtime, "c1", "/bin/odd") == "exec /bin/odd: no such file or directory"
    assert failing(runtime, "c1", "broken") == "exec /bin/broken: exec format error"


def test_no_command(runtime, held):
    assert "needs a command" in failing(runtime, "c1")
    done = runtime("exec")
    assert done.returncode == 1
    assert "requires a minimum of 1 argument(s)" in done.stderr


def test_no_such_container(runtime):
    assert failing(runtime, "nosuch", "true") == "container does not exist"


def test_a_created_container_can_be_entered(bundle, runtime):
    bundle.config["process"]["args"] = ["sleep", "60"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert runtime("exec", "c1", "echo", "in").stdout == "in\n"
    assert json.loads(runtime("state", "c1").stdout)["status"] == "created"


def test_a_stopped_container_cannot(bundle, runtime):
    assert runtime("run", "--keep", "--bundle", bundle.save(), "c1").returncode == 0
    assert failing(runtime, "c1", "true") == "cannot exec in a stopped container"


def test_a_paused_container_only_by_force(runtime, held, containers):
    freeze = Path(containers.state("c1")["cgroup"], "cgroup.freeze")
    freeze.write_text("1")
    try:
        told = failing(runtime, "c1", "true")
        assert told == "cannot exec in a paused container (use --ignore-paused to override)"
        command = [runtime("--version").args[0], "--root", str(containers.root)]
        with subprocess.Popen([*command, "exec", "--ignore-paused", "c1", "echo", "late"],
                              stdout=subprocess.PIPE, text=True) as waiting:  # fmt: skip
            time.sleep(0.3)
            assert waiting.poll() is None
            freeze.write_text("0")
            assert waiting.communicate(timeout=60)[0] == "late\n"
    finally:
        freeze.write_text("0")


def test_a_container_is_deleted_with_a_process_frozen_on_its_way_in(runtime, held, launcher, containers):
    """That one is outside of the pid namespace, whose end does not end it."""
    procs = Path(containers.state("c1")["cgroup"], "cgroup.procs")
    assert runtime("pause", "c1").returncode == 0
    command = [launcher, "--root", containers.root, "exec", "--ignore-paused", "c1", "true"]
    entering = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    inside.eventually(lambda: len(procs.read_text().split()) == 2)
    done = runtime("delete", "--force", "c1")
    _, said = entering.communicate(timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert entering.returncode == FAILED
    assert "cannot exec in a stopped container" in said


def test_a_cgroup_below_the_containers(bundle, runtime, containers):
    inside.running(bundle, runtime, containers)
    top = Path(containers.state("c1")["cgroup"])
    (top / "below").mkdir()
    try:
        done = runtime("exec", "--cgroup", "/below", "c1", "cat", "/proc/self/cgroup")
        assert done.stdout.splitlines()[-1].endswith("/below")
        told = failing(runtime, "--cgroup", "nosuch", "c1", "true")
        assert told == f"open the cgroup {top}/nosuch: no such file or directory"
        assert "must stay below" in failing(runtime, "--cgroup", "../init", "c1", "true")
        assert "cgroup v2" in failing(runtime, "--cgroup", "cpu:below", "c1", "true")
    finally:
        inside.eventually(lambda: "populated 0" in (top / "below/cgroup.events").read_text())
        (top / "below").rmdir()


def test_a_container_with_a_user_namespace(bundle, runtime, containers):
    spaces = bundle.config["linux"]["namespaces"]
    spaces.append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.config["linux"] |= {"uidMappings": maps, "gidMappings": maps}
    for path in [bundle.rootfs, *bundle.rootfs.rglob("*")]:
        os.chown(path, 100000, 100000, follow_symlinks=False)
    for path in [bundle.path, *bundle.path.parents]:
        if not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    pid = inside.running(bundle, runtime, containers)
    done = runtime("exec", "c1", "sh", "-c", "id -u; readlink /proc/self/ns/user; cat /proc/self/uid_map")
    told = done.stdout.split()
    assert told[:2] == ["0", os.readlink(f"/proc/{pid}/ns/user")], done.stderr
    assert told[2:] == ["0", "100000", "65536"]
    done = runtime("exec", "--user", "9:9", "c1", "sh", "-c", "id -u; id -g")
    assert done.stdout.split() == ["9", "9"], done.stderr


@pytest.mark.parametrize("kind", ["pid", "mount", "network", "ipc", "uts"])
def test_a_container_that_shares_a_namespace_with_the_host(bundle, runtime, containers, kind):
    inside.without(bundle, kind)
    if kind == "mount":
        bundle.config["mounts"] = []
        for key in ("maskedPaths", "readonlyPaths"):
            bundle.config["linux"].pop(key, None)
        bundle.config["root"]["readonly"] = False
    if kind == "uts":
        del bundle.config["hostname"]
    if kind == "network":
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] != "sysfs"]
        bundle.config["linux"]["maskedPaths"] = []
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "c1", "ls", "/bin/busybox")
    assert (done.returncode, done.stdout) == (0, "/bin/busybox\n"), done.stderr
    assert not Path("/bin/applets-of-the-host").exists()


def test_the_session_keyring_is_the_containers(bundle, runtime, containers):
    if not Path("/proc/keys").exists():
        pytest.skip("this kernel has no keyrings")
    bundle.config["linux"]["maskedPaths"] = []
    inside.running(bundle, runtime, containers)
    told = runtime("exec", "c1", "cat", "/proc/keys").stdout
    assert "_ses.c1" in told


def test_an_init_that_ends_meanwhile_gives_one_clear_line(bundle, runtime, containers):
    """Whatever the moment: not one exec says anything else, and nothing is left."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.save()
    for delay in range(12):
        assert runtime("run", "--detach", "--bundle", bundle.path, "c1").returncode == 0
        command = [runtime("--version").args[0], "--root", str(containers.root)]
        with subprocess.Popen([*command, "exec", "c1", "sh", "-c", "sleep 5"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as entering:  # fmt: skip
            time.sleep(delay / 200)
            runtime("kill", "c1", "KILL")
            _, err = entering.communicate(timeout=60)
        assert entering.returncode in (FAILED, 137), err
        if entering.returncode == FAILED:
            assert err.rstrip().endswith('exec failed: cannot exec in a stopped container"'), err
        else:
            assert err == ""
        assert runtime("delete", "--force", "c1").returncode == 0


def test_a_label_whose_module_is_off_is_refused(runtime, held):
    if Path("/sys/module/apparmor/parameters/enabled").exists():
        pytest.skip("AppArmor may be on here")
    told = failing(runtime, "--apparmor", "p", "c1", "true")
    assert told.startswith('process.apparmorProfile: "p" cannot be applied')
    told = failing(runtime, "--process-label", "l", "c1", "true")
    assert told.startswith('process.selinuxLabel: "l" cannot be applied')
