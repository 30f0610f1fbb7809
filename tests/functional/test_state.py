"""What is kept of a container, and that no damage to it makes the container undeletable."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import busybox
import pytest

OCI_KEYS = {"ociVersion", "id", "status", "pid", "bundle", "annotations"}
LONGEST = 60.0
DAMAGES = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "missing": None,
    "of another format": lambda _: json.dumps({"format": 99, "id": "c1"}),
    "of another runtime": lambda _: json.dumps({"id": "c1", "init_process_pid": 1}),
    "without its keys": lambda _: json.dumps({"format": 1}),
    "with wrong types": lambda text: json.dumps(dict.fromkeys(json.loads(text), "x") | {"format": 1}),
    "not an object": lambda _: "[]",
    "not text": lambda _: "\udcff\udcfe",
}


@pytest.fixture(params=["created", "running"])
def sleeper(request, runtime, bundle, containers):
    """A container whose process sleeps; its saved state, which is put back at the end."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    if request.param == "running":
        assert runtime("start", "c1").returncode == 0
    saved = containers.state("c1")
    yield saved
    if "c1" in containers.ids():
        (containers.root / "c1" / "state.json").write_text(json.dumps(saved))


def one_line(done):
    """Return the only line on standard error."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    return done.stderr


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def start_time(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def damage(file, change):
    """Change a state file; None removes it."""
    if change is None:
        file.unlink()
    else:
        file.write_bytes(os.fsencode(change(file.read_text())))


def test_the_state_document_has_the_keys_of_the_spec_and_of_runc(runtime, bundle):
    bundle.config["annotations"] = {"org.example.key": "value", "other": ""}
    bundle.save()
    assert runtime("create", "--bundle", "bundle", "c1", cwd=bundle.path.parent).returncode == 0
    text = runtime("state", "c1").stdout
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, ensure_ascii=False)
    assert set(document) == OCI_KEYS | {"rootfs", "created", "owner"}
    assert document["ociVersion"].startswith("1.")
    assert document["id"] == "c1"
    assert document["bundle"] == str(bundle.path)
    assert document["rootfs"] == str(bundle.rootfs)
    assert document["annotations"] == {"org.example.key": "value", "other": ""}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", document["created"])


def test_a_container_without_annotations_shows_none(runtime, bundle):
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert "annotations" not in json.loads(runtime("state", "c1").stdout)


def test_the_state_is_for_its_owner_only(sleeper, containers):
    assert containers.root.stat().st_mode & 0o777 == 0o700
    directory = containers.root / sleeper["id"]
    assert directory.stat().st_mode & 0o077 == 0
    for file in directory.iterdir():
        assert file.stat().st_mode & 0o177 == 0, file.name


def test_the_configuration_is_kept_as_it_was_read(runtime, bundle, containers):
    text = (bundle.path / "config.json").read_bytes()
    assert runtime("create", "--bundle", bundle.path, "c1").returncode == 0
    assert (containers.root / "c1" / "config.json").read_bytes() == text


def test_pid_and_start_time_are_those_of_the_init(sleeper):
    assert sleeper["start_time"] == start_time(sleeper["pid"])


def test_a_later_process_of_the_same_pid_is_not_the_container(sleeper, runtime, containers):
    file = containers.root / "c1" / "state.json"
    file.write_text(json.dumps(sleeper | {"start_time": sleeper["start_time"] - 1}))
    assert json.loads(runtime("state", "c1").stdout)["status"] == "stopped"
    assert json.loads(runtime("list", "-f", "json").stdout)[0]["status"] == "stopped"
    assert "container not running" in one_line(runtime("kill", "c1", "KILL"))
    assert "cannot start a container that has stopped" in one_line(runtime("start", "c1"))
    assert is_alive(sleeper["pid"])
    file.write_text(json.dumps(sleeper))


@pytest.mark.parametrize("flags", [[], ["--force"]])
def test_delete_spares_a_later_process_of_the_same_pid(sleeper, runtime, containers, flags):
    os.kill(sleeper["pid"], signal.SIGKILL)
    while is_alive(sleeper["pid"]):
        time.sleep(0.001)
    other = subprocess.Popen(["sleep", "1000"])
    try:
        stale = sleeper | {"pid": other.pid, "start_time": start_time(other.pid) - 1}
        (containers.root / "c1" / "state.json").write_text(json.dumps(stale))
        assert runtime("delete", *flags, "c1").returncode == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert containers.ids() == []


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_state_is_told_clearly_and_deleted_by_force(
    sleeper, runtime, containers, change
):
    damage(containers.root / "c1" / "state.json", change)
    for words in (["state", "c1"], ["kill", "c1", "KILL"], ["start", "c1"]):
        said = one_line(runtime(*words))
        assert "state.json" in said or (change is None and "container does not exist" in said)
    assert is_alive(sleeper["pid"])
    forced = runtime("delete", "--force", "c1")
    assert (forced.returncode, forced.stderr) == (0, "")
    assert not is_alive(sleeper["pid"])
    assert not Path(sleeper["cgroup"]).exists()
    assert containers.ids() == []


def test_list_warns_of_damaged_states_and_goes_on(runtime, bundle, containers):
    for name in ("c0", "c1", "c2"):
        assert runtime("create", "--bundle", bundle.path, name).returncode == 0
    file = containers.root / "c1" / "state.json"
    text = file.read_text()
    for name, change in DAMAGES.items():
        damage(file, change)
        done = runtime("list", "-q")
        file.write_text(text)
        assert (done.returncode, done.stdout) == (0, "c0\nc2\n"), name
        if change is not None:
            assert done.stderr.count("\n") == 1, name
            assert "level=warning" in done.stderr
            assert "c1" in done.stderr
            assert "internal error" not in done.stderr


def test_the_filter_cache_is_no_container(runtime, tmp_path, containers):
    path = tmp_path / "podman-like"
    busybox.bundle("podman-like", str(path), ["sleep", "1000"])
    assert runtime("create", "--bundle", path, "c1").returncode == 0
    assert (containers.root / "@seccomp").is_dir()
    assert runtime("list", "-q").stdout == "c1\n"
    assert "invalid container ID format" in one_line(runtime("state", "@seccomp"))
    assert "invalid container ID format" in one_line(runtime("delete", "--force", "@seccomp"))
    assert runtime("delete", "--force", "c1").returncode == 0
    assert runtime("list").stdout.count("\n") == 1


def test_what_else_lies_in_the_root_does_not_trouble_list(runtime, bundle, containers):
    assert runtime("create", "--bundle", bundle.path, "c1").returncode == 0
    strange = [containers.root / name for name in ("with space", "empty", "\udcff")]
    for path in strange:
        path.mkdir()
    (containers.root / "file").touch()
    done = runtime("list", "-q")
    for path in strange:
        path.rmdir()
    (containers.root / "file").unlink()
    assert (done.returncode, done.stdout) == (0, "c1\n"), done.stderr


def below(pid):
    """Return the pids of all processes below one, with their command names."""
    children, names = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(entry.name))
            names[int(entry.name)] = name
    found, todo = {}, [pid]
    while todo:
        more = children.get(todo.pop(), [])
        found |= {each: names[each] for each in more}
        todo += more
    return found


def begun(command):
    """Start a command that has no standard files."""
    none = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=none, stdout=none, stderr=none)


def kill_after(command, seconds):
    """Start a command and kill it; tell whether it was still running."""
    born = begun(command)
    time.sleep(seconds)
    born.kill()
    return born.wait() != 0


def time_of_birth(runtime, command, directory):
    """Return how long a command takes to have its container made: the least of three times."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        born = begun(command)
        while born.poll() is None and not (directory / "state.json").exists():
            time.sleep(0.0005)
        times.append(time.monotonic() - began)
        assert runtime("delete", "--force", directory.name).returncode == 0
        born.wait()
    return min(times)


def hooked(bundle):
    """Give a bundle hooks of every place, so that a kill finds the runtime inside of them too."""
    hook = {"path": "/bin/true"}
    names = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart")
    bundle.config["hooks"] = {name: [hook] for name in names}


@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.parametrize("with_hooks", [False, True], ids=["plain", "with hooks"])
def test_force_deletes_what_a_killed_runtime_left(
    runtime, launcher, bundle, containers, command, with_hooks
):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    if with_hooks:
        hooked(bundle)
    bundle.save()
    family = os.getppid()  # in the private view orphans come to the parent of this process
    before = below(family)
    line = [str(launcher), "--root", str(containers.root), command]
    line += ["--bundle", str(bundle.path)]
    birth = time_of_birth(runtime, [*line, "timed"], containers.root / "timed")
    killed = 0
    for step in range(40):
        name = f"killed-{step}"
        after = birth * step / 30  # to a third beyond the birth
        killed += kill_after([*line, name], after)
        forced = runtime("delete", "--force", name)
        assert (forced.returncode, forced.stderr) == (0, ""), f"after {after} s"
        assert containers.ids() == [], f"after {after} s"
        deadline = time.monotonic() + LONGEST
        while left := below(family).keys() - before.keys():
            assert time.monotonic() < deadline, f"after {after} s: {below(family)}, not {left}"
            time.sleep(0.005)
    assert killed > 5
