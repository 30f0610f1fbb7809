"""What a container can get hold of while processes enter it: nothing of the runtime, nor of the host."""

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from functional import inside
from functional.test_exec import failing
from security import hostile
from security.test_sealed_child import ODD, plant

EXECS, AT_ONCE = 2000, 4
SECRET = "a-secret-of-the-runtime"

# Looks at each new process as fast as it can, with all that /proc and ptrace(2) give, and writes
# down what it got: never the word itself, or it would find that in its own kind.
_WATCHER = """
import json, time
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE = 0x4206, 0x4207, 17, 101
got = {kind: {} for kind in ("exe", "environ", "fd", "taken", "root", "cwd", "maps", "mem", "cmdline")}
traced = 0
me = os.getpid()

def note(kind, what):
    got[kind][what] = got[kind].get(what, 0) + 1

def read(path, limit=1 << 16):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)

def attempt(deed):
    try:
        deed()
    except (OSError, ValueError, OverflowError):
        pass

def links(pid):
    for name in ("exe", "root", "cwd"):
        attempt(lambda: note(name, os.readlink(f"/proc/{pid}/{name}")))
    def all_open():
        for name in os.listdir(f"/proc/{pid}/fd"):
            attempt(lambda: note("fd", name + " " + os.readlink(f"/proc/{pid}/fd/{name}")))
    attempt(all_open)

def take(pid):
    pidfd = call(PIDFD_OPEN, pid, 0)
    try:
        for number in range(3, 16):
            def one():
                mine = call(PIDFD_GETFD, pidfd, number, 0)
                note("taken", os.readlink(f"/proc/self/fd/{mine}"))
                os.close(mine)
            attempt(one)
    finally:
        os.close(pidfd)

def memory(pid):
    mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in read(f"/proc/{pid}/maps").decode().splitlines():
            fields = line.split(None, 5)
            note("maps", fields[5] if len(fields) > 5 else "")
            low, high = (int(each, 16) for each in fields[0].split("-"))
            def one():
                content = os.pread(mem, min(high - low, 1 << 20), low)
                for word in (WORD[::-1].encode(), b"site-packages", b"/usr/lib/python3"):
                    if word in content:
                        note("mem", word.decode())
            attempt(one)
    finally:
        os.close(mem)

def look(pid):
    global traced
    links(pid)
    attempt(lambda: note("environ", read(f"/proc/{pid}/environ").decode("latin-1")))
    attempt(lambda: note("cmdline", read(f"/proc/{pid}/cmdline").decode("latin-1")))
    attempt(lambda: take(pid))
    attempt(lambda: memory(pid))

seen = set()
os.dup2(os.open("/vol/errors", os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
os.close(os.open("/vol/ready", os.O_CREAT))
while not os.path.exists("/vol/stop"):
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, me) and name not in seen:
            look(int(name))
            seen.add(name)
with open("/vol/told.new", "w") as file:
    json.dump([got, len(seen)], file)
os.rename("/vol/told.new", "/vol/told")
time.sleep(1000)
"""


@pytest.mark.parametrize("strong", [False, True], ids=["without ptrace", "with ptrace"])
def test_cve_2016_9962_a_watcher_inside_gets_nothing_of_two_thousand_processes(bundle, runtime, containers, tmp_path, strong):
    """CVE-2016-9962 and its kin: host directories, descriptors and memory reached through exec."""
    volume = tmp_path / "vol"
    volume.mkdir()
    hostile.lend_python(bundle)
    hostile.share(bundle, volume)
    if strong:
        hostile.strengthen(bundle)
    process = bundle.config["process"]
    process["args"] = hostile.python(f"WORD = {SECRET[::-1]!r}\n{_WATCHER}")
    environment = os.environ | {"SECRET": SECRET}
    done = runtime("run", "--detach", "--bundle", bundle.save(), "c1", env=environment)
    assert done.returncode == 0, done.stderr
    inside.eventually((volume / "ready").exists)

    def enter(_number):
        done = runtime("exec", "c1", "/bin/true", env=environment)
        return done.returncode, done.stderr

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = set(pool.map(enter, range(EXECS)))
    assert (volume / "errors").read_text() == ""
    assert outcomes == {(0, "")}
    (volume / "stop").touch()
    inside.eventually((volume / "told").exists)
    got, seen = json.loads((volume / "told").read_text())
    print(json.dumps({kind: sorted(found.items()) for kind, found in got.items()}, indent=1))
    assert seen > 50, "the watcher hardly saw a process"
    _judge(got, strong=strong)


def _judge(got, *, strong):
    """Compare what was got with what belongs to a payload and its sealed maker of one page."""
    assert set(got["exe"]) <= {"/memfd:pyruntime (deleted)", "/bin/busybox", "/bin/true"}
    assert set(got["root"]) | set(got["cwd"]) <= {"/"}
    streams = re.compile(r"[012] (/dev/null|/|pipe:\[\d+\]|/tmp/\S+.*|/.*\(deleted\))$")
    assert [each for each in got["fd"] if not streams.match(each)] == []
    assert got["taken"] == {}
    assert got["mem"] == {}
    assert [text for text in got["environ"] if SECRET in text] == []
    maps = {re.sub(r"^/lib.*", "", each) for each in got["maps"]}
    native = {"/memfd:pyruntime (deleted)", "/memfd:script (deleted)", "/memfd:answer (deleted)"}
    own = {"", "[stack]", "[vvar]", "[vdso]", "[vsyscall]", "[vvar_vclock]", "[heap]", "/bin/busybox"}
    assert maps <= native | own
    if strong:
        assert got["maps"], "with CAP_SYS_PTRACE something can be read: the watcher is blind"
    else:
        assert not set(got["maps"]) & native, "the way in can be read without CAP_SYS_PTRACE"


_FAILING = {
    "none": [],
    "missing program": ["nothing"],
    "odd program": [ODD],
    "directory": ["/bin"],
    "no program": ["/etc/script"],
    "not executable": ["/etc/passwd"],
    "magic link": ["/proc/self/exe"],
}


@pytest.fixture
def planted(bundle, tmp_path):
    """A bundle in whose root a hostile file lies wherever a C library or Python could look."""
    marks = tmp_path / "marks"
    marks.mkdir()
    (bundle.rootfs / "marks").mkdir(mode=0o777)
    plant(bundle.rootfs, ["/marks", str(marks)])
    etc = bundle.rootfs / "etc"
    (etc / "ld.so.preload").write_text("/lib/hostile.so\n")
    (etc / "nsswitch.conf").write_text("passwd: hostile\ngroup: hostile\n")
    (bundle.rootfs / "lib").mkdir(exist_ok=True)
    for name in ("hostile.so", "libnss_hostile.so.2", "gconv/gconv-modules", "locale/locale-archive"):
        (bundle.rootfs / "lib" / name).parent.mkdir(exist_ok=True)
        (bundle.rootfs / "lib" / name).write_bytes(b"hostile")
    script = etc / "script"
    script.write_text("#!/nowhere\n")
    script.chmod(0o755)
    bundle.config["root"]["readonly"] = False
    yield [marks, bundle.rootfs / "marks"]
    assert [name for place in (marks, bundle.rootfs / "marks") for name in os.listdir(place)] == []


def test_nothing_of_the_image_is_executed_by_the_runtime(bundle, runtime, planted, containers):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    for name, args in _FAILING.items():
        done = runtime("exec", "c1", *(args or ["true"]), cwd=bundle.rootfs)
        assert done.returncode == (255 if args else 0), (name, done.stderr)
        assert "Traceback" not in done.stderr, name
        assert "internal error" not in done.stderr, name


@pytest.mark.parametrize(
    "content",
    [b"root:x:0:0:\xff\xfe:/\xff\xfe:/bin/sh\n", b"x" * (5 << 20), None, "link", "fifo"],
    ids=["bytes", "huge", "none", "link", "fifo"],
)
def test_a_hostile_passwd_neither_holds_nor_feeds_the_runtime(bundle, runtime, containers, content):
    bundle.config["process"] |= {"args": ["sleep", "1000"], "env": ["PATH=/bin"]}
    passwd = bundle.rootfs / "etc/passwd"
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    passwd.unlink()
    if content == "link":
        passwd.symlink_to("/../../../../etc/passwd")
    elif content == "fifo":
        os.mkfifo(passwd)
    elif content is not None:
        passwd.write_bytes(content)
    done = runtime("exec", "c1", "sh", "-c", 'echo "$HOME"')
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("/", "/\udcff\udcfe")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_only_passwd_is_read_and_programs_are_looked_up(bundle, runtime, planted, launcher, containers, tmp_path):
    """As root and in the image: by descriptor and by the in-root resolver alone."""
    bundle.config["process"] |= {"args": ["sleep", "1000"], "env": ["PATH=/bin"]}
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-s", "300", "-o", str(trace), "-e", "trace=file,desc"]
    subprocess.run(
        [*command, launcher, "--root", containers.root, "exec", "c1", "nothing"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
    )  # fmt: skip
    lines = trace.read_text(errors="replace").splitlines()
    below = [line for line in lines if " open" in line and (str(bundle.rootfs) in line or "IN_ROOT" in line)]
    read = {re.search(r'"([^"]*)"', line)[1] for line in below if "O_PATH" not in line}
    assert read == {"/etc/passwd"}
    assert all("RESOLVE_IN_ROOT" in line for line in below)
    assert any('"/bin/nothing"' in line and "O_PATH" in line for line in below)


def test_cve_2024_21626_exec_cannot_begin_in_a_leaked_directory(bundle, runtime, containers):
    """CVE-2024-21626: a directory of the host as working directory or program, of exec too."""
    inside.running(bundle, runtime, containers)
    held = os.open("/etc", os.O_RDONLY)

    def leak():
        for number in range(5, 30):
            os.dup2(held, number)

    try:
        for number in range(3, 30):
            for words in (["--cwd", f"/proc/self/fd/{number}", "c1", "ls"],
                          ["c1", f"/proc/self/fd/{number}/passwd"]):  # fmt: skip
                done = runtime("exec", *words, preexec_fn=leak, close_fds=False)
                assert done.returncode == 255, (words, done.stdout)
                assert done.stdout == ""
    finally:
        os.close(held)


@pytest.mark.parametrize("user", ["root", "1000x", ":5", "-1", "4294967295", "99999999999999999999", "1:", "1:x", "0x1", " 1"])
def test_cve_2026_30892_a_user_is_numbers_or_nobody(bundle, runtime, containers, user):
    """CVE-2026-30892: a text half read runs as another user."""
    inside.running(bundle, runtime, containers)
    assert failing(runtime, f"--user={user}", "c1", "true").startswith(("bad uid: ", "bad gid: "))


def test_cve_2022_29162_a_further_capability_is_not_inheritable(bundle, runtime, containers):
    """CVE-2022-29162: nor ambient, unless the config has inheritable ones."""
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "--cap", "CAP_CHOWN", "-c", "CAP_FOWNER", "c1", "cat", "/proc/self/status")
    told = inside.status(done.stdout)
    assert int(told["CapInh"], 16) == int(told["CapAmb"], 16) == 0
    for name in ("CapBnd", "CapPrm", "CapEff"):
        assert int(told[name], 16) & 0b1001 == 0b1001, name


def test_the_page_of_answers_is_not_believed(bundle, runtime, containers, launcher):
    """A strong container may write on it: the number must be a child's, the text is only a text."""

    program = f"""
import os, sys
sys.path.insert(0, {str(hostile.TREE)!r})
from pyruntime import main
from pyruntime.container import answer, exec as execs
answer.read = lambda descriptor: (1, "")
os._exit(main.main(sys.argv[1:]))
"""
    inside.running(bundle, runtime, containers)
    command = ["/usr/bin/python3", "-IS", "-c", program, "--root", str(containers.root), "exec", "c1", "true"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 255, done.stdout
    assert "process 1 is not the one that was made" in done.stderr


def test_a_text_on_the_page_does_not_hold_the_runtime(bundle, runtime, containers):
    """Nor does it make a failure of what goes on inside: who is said to have failed is ended."""

    program = f"""
import os, sys
sys.path.insert(0, {str(hostile.TREE)!r})
from pyruntime import main
from pyruntime.container import answer, exec as execs
read = answer.read
answer.read = lambda descriptor: (read(descriptor)[0], "gone wrong")
os._exit(main.main(sys.argv[1:]))
"""
    inside.running(bundle, runtime, containers)
    command = ["/usr/bin/python3", "-IS", "-c", program, "--root", str(containers.root), "exec", "c1", "sleep", "1000"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 255, done.stdout
    assert "gone wrong" in done.stderr
    assert "1000" not in runtime("exec", "c1", "ps").stdout


@pytest.mark.parametrize("flags", ["-U", "-Ur"])
def test_a_user_namespace_that_the_init_has_made_is_not_entered(bundle, runtime, containers, flags):
    """Its maps are the container's choice: the user would be another, or none."""
    inside.allow(bundle, "CAP_SETFCAP")  # to map the root of the host
    pid = inside.running(bundle, runtime, containers, f"exec unshare {flags} sleep 60")
    own = os.readlink("/proc/self/ns/user")
    inside.eventually(lambda: os.readlink(f"/proc/{pid}/ns/user") != own)
    done = runtime("exec", "--user", "5:6", "c1", "sh", "-c", "readlink /proc/self/ns/user; id -u; id -g")
    assert done.stdout.splitlines() == [own, "5", "6"], done.stderr
