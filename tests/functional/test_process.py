"""The payload: who it is, what it may, where it stands, and how its program is found."""

import os
import stat

import pytest
from functional import inside
from functional.inside import CAPABILITIES, refused, said, status

from pyruntime.feature import capabilities

STATUS = "cat /proc/self/status"
NAMES = {"bounding": "CapBnd", "effective": "CapEff", "inheritable": "CapInh",
         "permitted": "CapPrm", "ambient": "CapAmb"}  # fmt: skip
SETS = {
    "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETPCAP"],
    "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
    "inheritable": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
    "effective": ["CAP_KILL"],
    "ambient": ["CAP_CHOWN"],
}


@pytest.fixture
def process(bundle):
    """The config's process."""
    return bundle.config["process"]


def program(bundle, name, text, mode=0o755):
    """Put an executable file into the rootfs."""
    where = bundle.rootfs / name
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(text if isinstance(text, bytes) else text.encode())
    where.chmod(mode)
    return where


def outcome(bundle, runtime, *args, **changes):
    """Run args; return (exit status, standard output, the line of standard error)."""
    bundle.config["process"] |= {"args": list(args), **changes}
    done = runtime("run", "--bundle", bundle.save(), "c1")
    return done.returncode, done.stdout, done.stderr


# --- identity ------------------------------------------------------------------------------------


def test_user_group_groups_and_umask_are_those_of_the_config(bundle, runtime, process):
    process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 5, 4294967294], "umask": 0o027}
    found = status(said(bundle, runtime, STATUS))
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["1001"] * 4
    assert sorted(found["Groups"].split(), key=int) == ["5", "7", "4294967294"]
    assert found["Umask"] == "0027"


def test_no_groups_are_inherited_and_the_umask_is_runcs(bundle, runtime):
    def prepare():
        os.setgroups([41, 42])
        os.umask(0o077)

    found = status(said(bundle, runtime, STATUS, preexec_fn=prepare))
    assert (found["Groups"], found["Umask"]) == ("", "0022")
    assert found["Uid"].split() == ["0"] * 4


def test_a_umask_of_zero_is_a_umask(bundle, runtime, process):
    process["user"]["umask"] = 0
    assert status(said(bundle, runtime, STATUS))["Umask"] == "0000"


def test_the_payload_leads_a_session_and_has_no_signal_blocked_or_ignored(bundle, runtime):
    found = status(said(bundle, runtime, f"exec {STATUS}"))
    assert {found[name] for name in ("SigBlk", "SigIgn", "ShdPnd", "SigPnd")} == {"0" * 16}
    assert said(bundle, runtime, "cut -d' ' -f 1,5,6 < /proc/1/stat") == "1 1 1\n"


# --- capabilities --------------------------------------------------------------------------------


def mask(names):
    return sum(1 << capabilities.NUMBERS[name] for name in names)


def after_execution(root, no_new_privs):
    """What execve(2) makes of SETS (capabilities(7), "Transformation of capabilities")."""
    made = {kind: mask(names) for kind, names in SETS.items()}
    if root:
        given = made["bounding"] | made["inheritable"]
        made["permitted"] = given & made["permitted"] if no_new_privs else given
        made["effective"] = made["permitted"]
    else:
        made["permitted"] = made["effective"] = made["ambient"]
    return made


@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("uid", [0, 1000])
def test_the_payload_has_the_capabilities_of_the_config(bundle, runtime, process, uid, no_new_privs):
    process |= {"user": {"uid": uid, "gid": uid}, "noNewPrivileges": no_new_privs, "capabilities": SETS}
    found = status(said(bundle, runtime, f"exec {STATUS}"))
    assert {kind: int(found[NAMES[kind]], 16) for kind in CAPABILITIES} == after_execution(
        uid == 0, no_new_privs
    )
    assert found["NoNewPrivs"] == str(int(no_new_privs))


def test_empty_lists_take_everything_away(bundle, runtime, process):
    process["capabilities"] = {}
    found = status(said(bundle, runtime, STATUS))
    assert {found[name] for name in NAMES.values()} == {"0" * 16}


def test_without_lists_root_keeps_what_the_caller_has(bundle, runtime, process):
    del process["capabilities"]
    process["noNewPrivileges"] = False
    with open("/proc/self/status") as file:
        mine = status(file.read())
    found = status(said(bundle, runtime, STATUS))
    assert {name: found[name] for name in NAMES.values()} == {name: mine[name] for name in NAMES.values()}


def test_an_unknown_capability_is_a_warning(bundle, runtime, process):
    process["capabilities"]["bounding"] += ["CAP_ZOO", "kill"]
    code, _, told = outcome(bundle, runtime, "true")
    assert code == 0
    assert "level=warning" in told
    assert "CAP_ZOO" in told


def test_an_ambient_capability_that_cannot_be_raised_is_a_warning(bundle, runtime, process):
    process["capabilities"]["ambient"] = ["CAP_KILL"]
    code, _, told = outcome(bundle, runtime, "true")
    assert (code, told.count("level=warning")) == (0, 1)
    assert "CAP_KILL" in told


# --- limits and the OOM score --------------------------------------------------------------------


def test_limits_read_back_as_they_were_given(bundle, runtime, process):
    wishes = {
        "NOFILE": ("Max open files", 100, 200),
        "CORE": ("Max core file size", 0, 0),
        "NPROC": ("Max processes", 50, 60),
        "FSIZE": ("Max file size", 1 << 20, 1 << 40),
        "STACK": ("Max stack size", 1 << 20, 1 << 20),
        "CPU": ("Max cpu time", 100, 101),
        "SIGPENDING": ("Max pending signals", 9, 10),
        "LOCKS": ("Max file locks", 0, (1 << 64) - 1),
    }
    process["rlimits"] = [
        {"type": f"RLIMIT_{name}", "soft": soft, "hard": hard} for name, (_, soft, hard) in wishes.items()
    ]
    told = said(bundle, runtime, "cat /proc/self/limits").splitlines()
    for line, soft, hard in wishes.values():
        (found,) = [row[26:].split()[:2] for row in told if row.startswith(line)]
        assert found == [str(soft), str(hard) if hard < (1 << 64) - 1 else "unlimited"], line


@pytest.mark.parametrize(
    ("name", "limit"),
    [("FSIZE", 0), ("NOFILE", 3), ("NPROC", 0), ("CORE", 0), ("STACK", 65536), ("DATA", 1 << 20),
     ("AS", 8 << 20), ("MEMLOCK", 0), ("SIGPENDING", 0), ("MSGQUEUE", 0), ("CPU", 1), ("LOCKS", 0)],
)  # fmt: skip
@pytest.mark.parametrize("flow", ["run", "create"])
def test_a_small_limit_is_the_payloads_and_not_the_runtimes(bundle, runtime, process, name, limit, flow):
    process["rlimits"] = [{"type": f"RLIMIT_{name}", "soft": limit, "hard": limit}]
    process["args"] = ["true"]
    if flow == "run":
        done = runtime("run", "--bundle", bundle.save(), "c1")
        assert (done.returncode, done.stderr) == (0, "")
    else:
        done = runtime("create", "--bundle", bundle.save(), "c1")
        assert (done.returncode, done.stderr) == (0, "")
        assert runtime("start", "c1").returncode == 0


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ([("RLIMIT_FOO", 1, 1)], "/process/rlimits/0/type"),
        ([("RLIMIT_CPU", 9, 9), ("RLIMIT_CPU", 9, 9)], "rlimit RLIMIT_CPU is given twice"),
        ([("RLIMIT_CORE", 2, 1)], "RLIMIT_CORE: 2 is above the hard limit 1"),
        ([("RLIMIT_CORE", 1, 1 << 64)], "/process/rlimits/0/hard"),
    ],
)
def test_impossible_limits_are_refused(bundle, runtime, process, wishes, words):
    process["rlimits"] = [{"type": kind, "soft": soft, "hard": hard} for kind, soft, hard in wishes]
    assert words in refused(bundle, runtime)


def test_the_oom_score_is_set_when_given(bundle, runtime, process):
    process["oomScoreAdj"] = 513
    assert said(bundle, runtime, "cat /proc/self/oom_score_adj") == "513\n"


def test_the_oom_score_is_the_callers_when_not_given(bundle, runtime):
    def prepare():
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("317")

    script = "cat /proc/self/oom_score_adj"
    assert said(bundle, runtime, script, preexec_fn=prepare) == "317\n"


@pytest.mark.parametrize("score", [1001, -1001])
def test_an_impossible_oom_score_is_refused(bundle, runtime, process, score):
    process["oomScoreAdj"] = score
    assert "wanted an integer from -1000 to 1000" in refused(bundle, runtime)


# --- environment ---------------------------------------------------------------------------------


def environment(bundle, runtime, *env, **options):
    """Run env(1) with these entries and PATH; return what it prints."""
    bundle.config["process"] |= {"env": ["PATH=/bin", *env], "args": ["env"]}
    done = runtime("run", "--bundle", bundle.save(), "c1", **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_environment_is_the_configs_and_nothing_of_the_callers(bundle, runtime):
    caller = dict(os.environ) | {"SECRET": "x", "LC_CTYPE": "C.UTF-8"}
    told = environment(bundle, runtime, "A=1", "B=", "C==x=y", "D=ä\t'", env=caller)
    assert told == ["PATH=/bin", "A=1", "B=", "C==x=y", "D=ä\t'", "HOME=/root"]


def test_of_a_name_that_stands_twice_the_last_counts(bundle, runtime):
    assert environment(bundle, runtime, "A=1", "B=2", "A=3", "HOME=/x", "HOME=/y") == [
        "PATH=/bin", "A=3", "B=2", "HOME=/y"
    ]  # fmt: skip


@pytest.mark.parametrize("entry", ["A", "=x", ""])
def test_what_is_no_assignment_is_refused(bundle, runtime, process, entry):
    process["env"].append(entry)
    assert "invalid environment variable" in refused(bundle, runtime)


PASSWD = "root:x:0:0:root:/of-root:/bin/sh\n#:x\nzoo:x:4242:4242::/of-zoo:\nlater:x:4242:1::/later:\n"


def test_home_comes_from_the_images_passwd(bundle, runtime, process):
    (bundle.rootfs / "etc/passwd").write_text(PASSWD)
    for uid, home in ((0, "/of-root"), (4242, "/of-zoo"), (77, "/")):
        process["user"] = {"uid": uid, "gid": 0}
        assert environment(bundle, runtime)[-1] == f"HOME={home}", uid
        assert environment(bundle, runtime, "HOME=")[-1] == f"HOME={home}", uid
        assert environment(bundle, runtime, "HOME=/mine")[-1] == "HOME=/mine", uid


def odd_passwd(where, kind):
    """Put something that should not be there in the place of /etc/passwd."""
    where.unlink()
    if kind == "fifo":
        os.mkfifo(where)
    elif kind == "directory":
        where.mkdir()
    elif kind == "device":
        os.mknod(where, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == "huge":
        where.write_text(PASSWD)
        os.truncate(where, 1 << 33)
    elif kind == "dangling":
        where.symlink_to("/nowhere/passwd")
    elif kind == "loop":
        where.symlink_to("passwd")
    elif kind == "magic":
        where.symlink_to("/proc/self/fd/0")
    elif kind == "outward":
        (where.parents[2] / "passwd").write_text(PASSWD)
        where.symlink_to("../../passwd")
    elif kind == "binary":
        where.write_bytes(b"\0\xff:x:4242" * 9 + b"\nzoo:x:4242:1::/a\0b:\n")


@pytest.mark.parametrize(
    "kind",
    ["fifo", "directory", "device", "huge", "dangling", "loop", "magic", "outward", "binary", "missing"],
)
def test_no_passwd_of_an_image_holds_or_feeds_the_runtime(bundle, runtime, process, kind):
    process["user"] = {"uid": 4242, "gid": 0}
    odd_passwd(bundle.rootfs / "etc/passwd", kind)
    assert environment(bundle, runtime)[-1] == "HOME=/"


# --- the program ---------------------------------------------------------------------------------


def test_the_path_of_the_container_is_searched_in_order(bundle, runtime):
    program(bundle, "first/tool", "#!/bin/sh\necho first $0\n", 0o644)
    program(bundle, "second/tool", "#!/bin/sh\necho second $0 $@\n")
    program(bundle, "third/tool", "#!/bin/sh\necho third $0\n")
    (bundle.rootfs / "zeroth/tool").mkdir(parents=True)
    env = ["PATH=/missing:/etc/passwd:/zeroth:/first:/second:/third:/bin"]
    assert outcome(bundle, runtime, "tool", "a b", "c", env=env) == (0, "second /second/tool a b c\n", "")


@pytest.mark.parametrize(
    ("path", "cwd", "answer"),
    [
        ("tools", "/job", "in job"),
        ("./tools", "/job", "in job"),
        ("../tools", "/job", "in root"),
        ("", "/job", None),
        (":/bin", "/job/tools", "in job"),
        ("/bin:.", "/tools", "in root"),
        ("/bin::/x", "/tools", "in root"),
    ],
)
def test_relative_parts_of_the_path_are_taken_from_the_working_directory(
    bundle, runtime, path, cwd, answer
):
    program(bundle, "job/tools/tool", "#!/bin/sh\necho in job\n")
    program(bundle, "tools/tool", "#!/bin/sh\necho in root\n")
    code, told, why = outcome(bundle, runtime, "tool", env=[f"PATH={path}"], cwd=cwd)
    if answer:
        assert (code, told) == (0, answer + "\n"), why
    else:
        assert 'exec: \\"tool\\": executable file not found in $PATH' in why


@pytest.mark.parametrize(
    ("name", "cwd"),
    [("./tool", "/job"), ("../job/tool", "/job"), ("job/tool", "/"), ("/job/tool", "/bin"),
     ("/job/../job/./tool", "/"), ("link/tool", "/"), ("/absolute", "/")],
)  # fmt: skip
def test_a_name_with_a_slash_is_taken_from_the_working_directory(bundle, runtime, name, cwd):
    program(bundle, "job/tool", "#!/bin/sh\necho here $0\n")
    (bundle.rootfs / "link").symlink_to("/job")
    (bundle.rootfs / "absolute").symlink_to("/job/tool")
    code, told, why = outcome(bundle, runtime, name, cwd=cwd)
    assert (code, told[:5]) == (0, "here "), why


def test_the_first_argument_is_what_the_config_says(bundle, runtime):
    assert outcome(bundle, runtime, "/bin/echo", "", "ä", "a\nb")[:2] == (0, " ä a\nb\n")


NOWHERE = "executable file not found in $PATH"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nosuch"], f'exec: \\"nosuch\\": {NOWHERE}'),
        (["/nosuch"], 'exec: \\"/nosuch\\": stat /nosuch: no such file or directory'),
        (["/etc/passwd/x"], "no such file or directory"),
        (["/etc"], 'exec: \\"/etc\\": is a directory'),
        (["/etc/passwd"], 'exec: \\"/etc/passwd\\": permission denied'),
        (["plain"], 'exec: \\"plain\\": permission denied'),
        (["./orphan"], "no such file or directory"),
        (["garbage"], "exec format error"),
        (["/empty"], "exec format error"),
        (["/loop"], "too many levels of symbolic links"),
        (["/fifo"], "permission denied"),
        ([""], "executable file not found in $PATH"),
        (["."], "executable file not found in $PATH"),
    ],
)
def test_a_program_that_cannot_run_is_told_as_engines_know_it(bundle, runtime, process, args, words):
    program(bundle, "bin/plain", "#!/bin/sh\n", 0o644)
    program(bundle, "orphan", "#!/no/such/shell\n")
    program(bundle, "bin/garbage", b"\x7fELF garbage")
    program(bundle, "empty", "")
    (bundle.rootfs / "loop").symlink_to("loop")
    os.mkfifo(bundle.rootfs / "fifo", 0o777)
    process["args"] = args
    told = refused(bundle, runtime)
    assert words in told
    assert "pyruntime run failed: " in told


def test_a_program_of_another_user_is_refused_with_the_kernels_word(bundle, runtime, process):
    program(bundle, "private/tool", "#!/bin/sh\n", 0o700)
    process |= {"args": ["/private/tool"], "user": {"uid": 1000, "gid": 1000}}
    assert "exec /private/tool: permission denied" in refused(bundle, runtime)


def test_what_cannot_be_executed_fails_at_create_where_it_can_be_seen(bundle, runtime, process):
    process["args"] = ["nosuch"]
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert done.returncode == 1
    assert NOWHERE in done.stderr
    program(bundle, "bin/garbage", b"\x7fELF garbage")
    process["args"] = ["garbage"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    done = runtime("start", "c1")
    assert done.returncode == 1
    assert "exec format error" in done.stderr
    inside.eventually(lambda: runtime("delete", "c1").returncode == 0)


# --- the working directory -----------------------------------------------------------------------


def test_a_missing_working_directory_is_made_also_below_a_readonly_root(bundle, runtime, process):
    process |= {"cwd": "/made/deep", "user": {"uid": 1000, "gid": 1000}}
    told = said(bundle, runtime, "pwd; stat -c '%a %u' /made /made/deep; touch x 2>&1 || true", umask=0o077)
    assert told.splitlines()[:3] == ["/made/deep", "755 0", "755 0"]


@pytest.mark.parametrize(
    ("link", "target", "cwd", "answer"),
    [
        ("up", "../../../../..", "/up", "/"),
        ("up", "../../tmp", "/up", "/tmp"),
        ("absolute", "/var/tmp", "/absolute", "/var/tmp"),
        ("dangling", "/to/make", "/dangling/x", "/to/make/x"),
        (None, None, "/bin/../tmp", "/tmp"),
        (None, None, "/../../tmp/", "/tmp"),
        (None, None, "/dev/shm/made", "/dev/shm/made"),
    ],
)
def test_a_working_directory_never_leads_out(bundle, runtime, process, link, target, cwd, answer):
    if link:
        (bundle.rootfs / link).symlink_to(target)
    process["cwd"] = cwd
    assert said(bundle, runtime, "readlink /proc/self/cwd; test -x /bin/busybox") == f"{answer}\n"


@pytest.mark.parametrize("number", [0, 3, 5, 7, 9])
@pytest.mark.parametrize("how", ["/proc/self/fd/{}", "/proc/1/fd/{}", "/link/{}", "/proc/self/fd/{}/../.."])
def test_an_open_descriptor_of_the_host_is_no_working_directory(bundle, runtime, process, number, how):
    """CVE-2024-21626."""
    (bundle.rootfs / "link").symlink_to("/proc/self/fd")
    process |= {"cwd": how.format(number), "args": ["ls"]}
    told = refused(bundle, runtime)
    assert "working directory" in told or "chdir to cwd" in told


@pytest.mark.parametrize(
    ("cwd", "words"),
    [
        ("tmp", "/process/cwd"),
        ("", "/process/cwd"),
        ("/etc/passwd", "make the working directory /etc/passwd: not a directory"),
        ("/etc/passwd/x", "make the working directory /etc/passwd/x: not a directory"),
        ("/loop/x", "too many levels of symbolic links"),
    ],
)
def test_an_impossible_working_directory_is_refused(bundle, runtime, process, cwd, words):
    (bundle.rootfs / "loop").symlink_to("loop")
    process["cwd"] = cwd
    assert words in refused(bundle, runtime)


def test_a_working_directory_that_only_its_owner_may_enter(bundle, runtime, process):
    private = bundle.rootfs / "private"
    private.mkdir(mode=0o700)
    os.chown(private, 1000, 1000)
    process |= {"cwd": "/private", "user": {"uid": 1000, "gid": 1000}}
    assert said(bundle, runtime, "pwd") == "/private\n"
