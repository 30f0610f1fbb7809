"""From the change of the root on, Python neither runs nor reads anything of the image.

A hostile module of every name that Python could ask for lies in every place where it could look;
each leaves a mark when it is run. strace(1) shows what is opened, run or not.
"""

import copy
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from functional import inside
from security import hostile

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_MARK = """
import posix as _posix
for _place in {places!r}:
    try:
        _posix.close(_posix.open(_place + __name__, _posix.O_CREAT | _posix.O_WRONLY))
    except OSError:
        pass
"""


def plant(root, marks):
    """Plant the modules below `root`; they leave their marks in the directories `marks`."""
    store = root / "hostile"
    encodings = store / "encodings"
    encodings.mkdir(parents=True)
    text = _MARK.format(places=[f"{place}/" for place in marks])
    for name in hostile.modules():
        if name not in ("encodings", "posix"):
            (store / f"{name}.py").write_text(text)
    for module in os.listdir(os.path.dirname(os.__file__) + "/encodings"):
        if module.endswith(".py"):
            (encodings / module).write_text(text)
    (store / "hostile.pth").write_text(f"import sys; exec({text!r})\n")
    places = [
        f"usr/lib/python{VERSION}", f"usr/lib/python{VERSION}/lib-dynload", "usr/lib/python3/dist-packages",
        f"usr/local/lib/python{VERSION}/dist-packages", f"usr/local/lib/python{VERSION}/site-packages",
        f"lib/python{VERSION}", "work", str(hostile.TREE)[1:], f"{hostile.TREE}/pyruntime"[1:],
        *(path[1:] for path in sys.path if path.startswith("/") and not path.startswith("/tmp")),
    ]  # fmt: skip
    for place in {os.path.normpath(each) for each in places if not each.endswith(".zip")}:
        shutil.copytree(store, root / place, dirs_exist_ok=True, copy_function=os.link)
    shutil.copytree(store, root, dirs_exist_ok=True, copy_function=os.link)
    (root / "usr/lib").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / f"usr/lib/python{VERSION.replace('.', '')}.zip", "w") as archive:
        for path in store.rglob("*.py"):
            archive.write(path, path.relative_to(store))
    for place in ("pyvenv.cfg", "usr/bin/pyvenv.cfg", "usr/pyvenv.cfg"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text("home = /hostile\ninclude-system-site-packages = true\n")
    locale = root / "usr/lib/locale/C.utf8"
    locale.mkdir(parents=True, exist_ok=True)
    (locale / "LC_CTYPE").write_bytes(b"hostile")


@pytest.fixture
def planted(bundle, tmp_path):
    """A bundle whose rootfs is full of hostile modules; yields the directories of marks."""
    outside = tmp_path / "marks"
    outside.mkdir()
    (bundle.rootfs / "marks").mkdir(mode=0o777)
    (bundle.rootfs / "work").mkdir()
    plant(bundle.rootfs, ["/marks", str(outside)])
    bundle.config["root"]["readonly"] = False
    bundle.config["process"]["cwd"] = "/work"
    yield [outside, bundle.rootfs / "marks"]
    assert [name for place in (outside, bundle.rootfs / "marks") for name in os.listdir(place)] == []


ODD = "nichts-\u00e4\u20ac\U0001f40d-\x80\uffff"
FAILURES = {
    "no failure": {},
    "bad sysctl": {"sysctl": {"net.ipv4.ip_forward": "not a number"}},
    "no such sysctl": {"sysctl": {"net.no.such": "1"}},
    "missing program": {"args": ["nothing"]},
    "missing program by path": {"args": ["/nothing/at/all"]},
    "program is a directory": {"args": ["/bin"]},
    "program is not executable": {"args": ["/etc/passwd"]},
    "program is no program": {"args": ["/etc/script"]},
    "program is a magic link": {"args": ["/proc/self/exe"]},
    "odd text": {"args": [ODD]},
    "half a surrogate pair": {"args": ["\udcff"]},
    "odd environment": {"args": ["nothing"], "env": [f"{ODD}={ODD}", f"PATH=/{ODD}"]},
    "odd directory": {"cwd": f"/{ODD}", "args": ["nothing"]},
    "failing hook": {"hooks": {"createContainer": [{"path": "/bin/false"}]}},
    "missing hook": {"hooks": {"createContainer": [{"path": f"/{ODD}"}]}},
    "noisy hook": {"hooks": {"createContainer": [
        {"path": "/bin/sh", "args": ["sh", "-c", "printf '\\377\\376\\200'; exit 3"]}]}},
    "slow hook": {"hooks": {"createContainer": [
        {"path": "/bin/sleep", "args": ["sleep", "300"], "timeout": 1}]}},
    "mask that loops": {"maskedPaths": ["/loop"]},
    "mask below a file": {"maskedPaths": ["/etc/passwd/x"]},
    "read-only magic link": {"readonlyPaths": ["/proc/self/root/x", "/proc/self/cwd"]},
    "odd mask": {"maskedPaths": [f"/loop/{ODD}"]},
    "bad passwd": {"env": ["PATH=/bin"], "passwd": b"root:x:0:0:\xff\xfe\x80:/\xff\xfe:/bin/sh\n" * 3},
    "passwd is a fifo": {"env": ["PATH=/bin"], "passwd": None},
    "no descriptors left": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]},
    "no memory left": {"rlimits": [{"type": "RLIMIT_AS", "soft": 4096, "hard": 4096}]},
    "killed by its filter": {"seccomp": {"defaultAction": "SCMP_ACT_KILL_PROCESS"}},
}  # fmt: skip


WELL = ("no failure", "bad passwd", "passwd is a fifo")
# Whether these are failures is for other tests to say.
EITHER = ("mask below a file", "no descriptors left", "no memory left")


def provoke(bundle, failure):
    """Change the config so that the birth fails in that way."""
    for key, value in failure.items():
        if key in ("args", "env", "cwd", "rlimits"):
            bundle.config["process"][key] = value
        elif key == "hooks":
            bundle.config[key] = value
        elif key == "passwd":
            (bundle.rootfs / "etc/passwd").unlink()
            if value is None:
                os.mkfifo(bundle.rootfs / "etc/passwd")
            else:
                (bundle.rootfs / "etc/passwd").write_bytes(value)
        else:
            bundle.config["linux"][key] = value


def test_the_hostile_modules_leave_marks_when_python_runs_them(bundle, tmp_path):
    """The attack itself works."""
    marks = tmp_path / "marks"
    marks.mkdir()
    plant(bundle.rootfs, [str(marks)])
    sys.path.insert(0, str(bundle.rootfs / "hostile"))
    try:
        import this  # noqa: F401 - nobody has loaded this one
    finally:
        del sys.path[0]
    assert os.listdir(marks) == ["this"]


def test_no_hostile_module_runs_whatever_fails(bundle, runtime, planted):
    """Each way to fail after the root has changed, and no failure at all."""
    (bundle.rootfs / "loop").symlink_to("loop")
    script = bundle.rootfs / "etc/script"
    script.write_text("#!/nowhere\n")
    script.chmod(0o755)
    original = bundle.config
    for name, failure in FAILURES.items():
        bundle.config = copy.deepcopy(original)
        provoke(bundle, failure)
        done = runtime("run", "--bundle", bundle.save(), "c1", cwd=bundle.rootfs)
        assert "Traceback" not in done.stderr, name
        assert "internal error" not in done.stderr, name
        assert name in EITHER or (done.returncode == 0) == (name in WELL), (name, done.stderr)
        left = [file for place in planted for file in os.listdir(place)]
        assert left == [], name


def test_no_hostile_module_runs_in_a_mount_namespace_that_is_joined(bundle, runtime, tmp_path):
    """There the paths of Python's own library are the attacker's from the start."""
    marks, store = tmp_path / "marks", tmp_path / "store"
    marks.mkdir(mode=0o777)
    store.mkdir()
    plant(store, [str(marks)])

    def prepare():
        for place in (os.path.dirname(os.__file__), hostile.TREE):
            subprocess.run(["mount", "--bind", store / "hostile", place], check=True)

    with hostile.mount_namespace(prepare) as path:
        inside.at(bundle, "mount", path)
        for failure in ("no failure", "odd text", "failing hook", "bad sysctl", "mask that loops"):
            bundle.config["linux"].pop("sysctl", None)
            provoke(bundle, FAILURES[failure])
            done = runtime("run", "--bundle", bundle.save(), "c1")
            assert "Traceback" not in done.stderr
            assert os.listdir(marks) == [], failure


LOOKING = ("open", "openat", "openat2", "stat", "newfstatat", "statx", "readlink", "access", "execve")


def traced(path, runtime, bundle, *more):
    """Trace a run; return the lines of the child between pivot_root and its execveat."""
    command = ["strace", "-f", "-qq", "-s", "300", "-o", str(path), "-e", "trace=file,desc,pivot_root,execveat"]
    done = subprocess.run(
        [*command, *map(str, runtime), *more, "run", "--bundle", str(bundle), "c1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    lines = path.read_text(errors="replace").splitlines()
    start = next((n for n, line in enumerate(lines) if " pivot_root(" in line), None)
    assert start is not None, done.stderr
    child = lines[start].split()[0]
    mine = [line for line in lines[start:] if line.startswith(f"{child} ")]
    end = next((n for n, line in enumerate(mine) if " execveat(" in line), len(mine))
    return done, mine[:end]


def needed(config):
    """Return what the plan needs after the change of the root, each resolved below a descriptor.

    The null device, what is masked and protected (from the root or from /proc and /sys themselves),
    a sysctl (whole or in two steps), passwd for HOME, the program in PATH, and `/` to be finished.
    """
    linux = config["linux"]
    listed = {*linux["maskedPaths"], *linux["readonlyPaths"]}
    listed |= {path.removeprefix(top) for path in listed for top in ("/proc", "/proc/", "/sys", "/sys/")}
    for key in linux["sysctl"]:
        top, _, below = key.replace(".", "/").partition("/")
        listed |= {f"sys/{top}/{below}", f"sys/{top}", below}
    search = next(word[5:] for word in config["process"]["env"] if word.startswith("PATH="))
    name = config["process"]["args"][0]
    programs = {f"{directory}/{name}" for directory in search.split(":")}
    return listed | programs | {"/", "/dev/null", "dev/null", "/etc/passwd"}


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("failure", ["no failure", "missing program", "odd text", "no such sysctl"])
def test_only_what_the_plan_needs_is_opened_below_the_new_root(
    bundle, planted, launcher, containers, tmp_path, failure
):
    bundle.config["process"]["args"] = ["true"]
    bundle.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    provoke(bundle, FAILURES[failure])
    done, lines = traced(tmp_path / "trace", [launcher, "--root", containers.root], bundle.save())
    assert (done.returncode == 0) == (failure == "no failure"), done.stderr
    names, paths = set(), set()
    for line in lines:
        match = re.match(r"\d+ +(\w+)\((.*)", line)
        if match and match[1] in LOOKING and (text := re.search(r'"((?:[^"\\]|\\.)+)"', match[2])):
            names.add(match[1])
            paths.add(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text[1]))
    paths = {path.encode("latin-1").decode() for path in paths}
    assert paths <= needed(bundle.config)
    assert "openat2" in names
    assert len(paths) > (1 if failure == "no such sysctl" else 10), "the trace shows hardly anything"
