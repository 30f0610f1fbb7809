"""What the caller handed over: descriptors, signals, environment, umask; what reaches the payload."""

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

# The descriptors of process 1, told by a process below it, since a redirection is one too.
TOLD = 'for each in *; do echo "$each $(readlink $each)"; done'
LISTING = f"(cd /proc/1/fd; {TOLD}) > /journal/descriptors; :"
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


@pytest.fixture
def journal(bundle, tmp_path):
    """A directory that the payload writes to as /journal."""
    path = tmp_path / "journal"
    path.mkdir()
    bundle.config["mounts"].append(
        {"destination": "/journal", "type": "bind", "source": str(path), "options": ["bind"]}
    )
    return path


@pytest.fixture
def life(runtime, bundle):
    """Callable: run a shell script, by `run` or by create, start and delete; the last result."""

    def life(how, script, *flags, **options):
        bundle.config["process"]["args"] = ["sh", "-c", script]
        words = [*flags, "--bundle", bundle.save(), "c1"]
        if how == "run":
            return runtime("run", *words, **options)
        done = runtime("create", *words, **options)
        if done.returncode == 0:
            done = runtime("start", "c1", **options)
            wait_until_stopped(runtime)
            assert runtime("delete", "c1", **options).returncode == 0
        return done

    return life


def wait_until_stopped(runtime):
    while json.loads(runtime("state", "c1").stdout)["status"] != "stopped":
        pass


def worked(done):
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def descriptors(journal):
    """Return what each descriptor of the payload refers to, by number."""
    lines = (journal / "descriptors").read_text().splitlines()
    return {int(number): target for number, _, target in (line.partition(" ") for line in lines)}


def handing(*files):
    """Return a preexec function that makes files the descriptors 3 and on, and closes the rest."""

    def hand_over():
        copies = [os.dup(file.fileno()) for file in files]
        high = [os.dup2(copy, 100 + place) for place, copy in enumerate(copies)]
        for place, copy in enumerate(high):
            os.dup2(copy, 3 + place)
        os.closerange(3 + len(files), 200)

    return {"preexec_fn": hand_over, "close_fds": False}


@pytest.fixture
def files(tmp_path):
    """Four open files, each with its name as text."""
    opened = []
    for name in ("three", "four", "five", "six"):
        (tmp_path / name).write_text(name)
        opened.append((tmp_path / name).open())
    yield opened
    for file in opened:
        file.close()


@pytest.mark.parametrize("how", ["create", "run"])
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)], ids=str)
def test_closed_standard_files_become_null(life, journal, how, closed):
    def close():
        for number in closed:
            os.close(number)

    assert life(how, f"{LISTING}; read -r word", preexec_fn=close).returncode == 1 - (how == "create")
    found = descriptors(journal)
    assert found.keys() == {0, 1, 2}
    assert [found[number] for number in closed] == ["/dev/null"] * len(closed)


def test_a_failure_with_closed_standard_files_is_a_failure(runtime):
    assert runtime("state", "nx", preexec_fn=lambda: os.closerange(0, 3)).returncode == 1
    assert runtime("create", "nx", preexec_fn=lambda: os.closerange(0, 3)).returncode == 1


@pytest.mark.parametrize("how", ["create", "run"])
def test_null_of_the_caller_is_replaced_by_the_containers(life, journal, how):
    with Path("/dev/null").open() as null:
        script = f"{LISTING}; stat -L -c %d /proc/self/fd/0 > /journal/null"
        worked(life(how, script, preexec_fn=lambda: os.dup2(null.fileno(), 0)))
    assert descriptors(journal)[0] == "/dev/null"
    assert (journal / "null").read_text() != f"{os.stat('/dev/null').st_dev}\n"


@pytest.mark.parametrize("how", ["create", "run"])
def test_the_payload_begins_with_default_signals_and_an_empty_mask(life, journal, how):
    def spoil():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2, signal.SIGRTMIN})

    worked(life(how, "exec grep ^Sig /proc/self/status > /journal/signals", preexec_fn=spoil))
    words = dict(line.split() for line in (journal / "signals").read_text().splitlines())
    assert words["SigBlk:"] == words["SigIgn:"] == words["SigPnd:"] == "0" * 16


@pytest.mark.parametrize("how", ["create", "run"])
def test_a_caller_that_ignores_its_children_still_learns_of_them(life, journal, bundle, how):
    bundle.config["hooks"] = {name: [{"path": "/bin/true"}] for name in HOOKS}
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)}
    done = life(how, "grep ^SigIgn /proc/self/status > /journal/signals; exit 7", **ignoring)
    assert (done.returncode, done.stderr) == (7 if how == "run" else 0, "")
    assert (journal / "signals").read_text().split()[1] == "0" * 16


@pytest.mark.parametrize("how", ["create", "run"])
def test_the_umask_of_the_caller_neither_reaches_the_payload_nor_bends_modes(
    life, journal, bundle, containers, how
):
    bundle.config["mounts"].append({"destination": "/made/here", "type": "tmpfs", "source": "t"})
    bundle.config["root"]["readonly"] = False
    script = "umask > /journal/umask; stat -c %a /dev/null /made /proc /dev/shm > /journal/modes"
    worked(life(how, script, umask=0o077))
    assert (journal / "umask").read_text() == "0022\n"
    assert (journal / "modes").read_text().split() == ["666", "755", "555", "1777"]
    assert containers.root.stat().st_mode & 0o777 == 0o700


def test_the_umask_of_the_configuration_is_the_payloads(life, journal, bundle):
    bundle.config["process"]["user"]["umask"] = 0o027
    worked(life("run", "umask > /journal/umask"))
    assert (journal / "umask").read_text() == "0027\n"


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LC_ALL": "POSIX"}], ids=str)
def test_the_interpreters_locale_reaches_no_hook_and_no_payload(life, journal, bundle, given):
    for name in HOOKS:
        at = "/journal" if name == "startContainer" else str(journal)
        script = f"tr '\\0' '\\n' < /proc/self/environ > {at}/{name}"
        bundle.config.setdefault("hooks", {})[name] = [
            {"path": "/bin/sh", "args": ["sh", "-c", script]}
        ]
    worked(life("create", "env > /journal/payload", env={"PATH": "/usr/bin:/bin", **given}))
    expected = {f"{key}={value}" for key, value in given.items()}
    for name in ("prestart", "createRuntime", "poststart", "poststop"):
        assert set((journal / name).read_text().split()) - {"PATH=/usr/bin:/bin"} == expected, name
    for name in ("createContainer", "startContainer", "payload"):
        assert "LC_" not in (journal / name).read_text(), name


@pytest.mark.parametrize("how", ["create", "run"])
def test_no_descriptor_of_the_caller_reaches_the_payload(life, journal, how, files):
    worked(life(how, LISTING, **handing(*files)))
    assert descriptors(journal).keys() == {0, 1, 2}


@pytest.mark.parametrize("how", ["create", "run"])
def test_preserved_descriptors_reach_the_payload_and_the_others_do_not(life, journal, how, files):
    script = f"{LISTING}; cat <&3 > /journal/three; cat <&4 > /journal/four"
    worked(life(how, script, "--preserve-fds", "2", **handing(*files)))
    assert descriptors(journal).keys() == {0, 1, 2, 3, 4}
    assert (journal / "three").read_text() == "three"
    assert (journal / "four").read_text() == "four"


@pytest.mark.parametrize("count", [2, 3, 8, 64, 1000000000])
@pytest.mark.parametrize("how", ["create", "run"])
def test_what_the_runtime_opened_itself_is_never_handed_over(life, containers, how, files, count):
    """Runc counted its own descriptors, and gave the host's cgroup directory to the container."""
    done = life(how, "true", "--preserve-fds", str(count), **handing(files[0]))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"--preserve-fds {count}: the caller has no open descriptor 4" in done.stderr
    assert containers.ids() == []


def by_shell(launcher, containers, bundle, prologue, *flags, opened="", **options):
    """Run c1 after a shell prologue, in the very process of that shell."""
    words = [str(launcher), "--root", str(containers.root)]
    line = shlex.join([*words, "run", *flags, "--bundle", str(bundle.save()), "c1"])
    return subprocess.run(
        ["sh", "-c", f"{prologue} exec {line} {opened}"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=90, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("preserve", [0, 1])
def test_sockets_of_the_service_manager_come_first(
    launcher, containers, bundle, journal, files, preserve
):
    script = f"{LISTING}; env > /journal/env; cat <&3 > /journal/three; cat <&4 > /journal/four"
    bundle.config["process"]["args"] = ["sh", "-c", script]
    prologue = "export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin;"
    flags = ["--preserve-fds", str(preserve)]
    worked(by_shell(launcher, containers, bundle, prologue, *flags, **handing(*files)))
    words = (journal / "env").read_text().split()
    assert {"LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=web:admin"} <= set(words)
    numbers = set(range(5 + preserve))
    assert descriptors(journal).keys() == numbers
    assert (journal / "three").read_text() + (journal / "four").read_text() == "threefour"


def test_sockets_are_addressed_to_the_payload_where_it_has_another_pid(
    launcher, containers, bundle, journal, files
):
    """sd_listen_fds(3) heeds them only if LISTEN_PID is its own pid, which is 1 in a new namespace."""
    spaces = bundle.config["linux"]["namespaces"]
    spaces[:] = [entry for entry in spaces if entry["type"] != "pid"]
    bundle.config["process"]["args"] = ["sh", "-c", "echo $$ $LISTEN_PID > /journal/pids"]
    worked(by_shell(launcher, containers, bundle, "export LISTEN_PID=$$ LISTEN_FDS=2;", **handing(*files)))
    own, told = (journal / "pids").read_text().split()
    assert own == told != "1"


@pytest.mark.parametrize("prologue", ["LISTEN_PID=1", "LISTEN_PID=", "LISTEN_PID=$(($$ + 1))"])
def test_sockets_of_somebody_else_are_not_handed_over(
    launcher, containers, bundle, journal, files, prologue
):
    bundle.config["process"]["args"] = ["sh", "-c", f"{LISTING}; env > /journal/env"]
    prologue = f"export LISTEN_FDS=2 {prologue};"
    worked(by_shell(launcher, containers, bundle, prologue, **handing(*files)))
    assert "LISTEN" not in (journal / "env").read_text()
    assert descriptors(journal).keys() == {0, 1, 2}


def test_more_sockets_than_are_open_are_refused(launcher, containers, bundle, files):
    prologue = "export LISTEN_PID=$$ LISTEN_FDS=99;"
    done = by_shell(launcher, containers, bundle, prologue, **handing(*files))
    assert done.returncode == 1
    assert "the caller has no open descriptor 7" in done.stderr
    assert containers.ids() == []


@pytest.mark.parametrize("environment", [{"XDG_RUNTIME_DIR": "/run/user/0"}, {}], ids=str)
def test_an_environment_without_path_is_enough(runtime, bundle, containers, environment):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["hooks"] = {name: [{"path": "/bin/true"}] for name in HOOKS}
    bundle.save()
    for words in (
        ["create", "--bundle", bundle.path, "c1"], ["start", "c1"], ["kill", "c1", "9"],
        ["delete", "--force", "c1"], ["run", "--detach", "--bundle", bundle.path, "c2"],
        ["delete", "--force", "c2"],
    ):  # fmt: skip
        worked(runtime(*words, env=environment))
    assert containers.ids() == []


def test_the_default_root_of_roots_containers_is_not_in_xdg_runtime_dir(launcher, tmp_path):
    command = [str(launcher), "state", "surely-no-such-container"]
    done = subprocess.run(
        command, env={"XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "container does not exist" in done.stderr
    assert os.listdir(tmp_path) == ["launcher"] or os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", ["create", "run"])
def test_the_callers_directory_may_be_gone(life, journal, how, tmp_path):
    gone = tmp_path / "gone"

    def lose():
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

    worked(life(how, "pwd > /journal/pwd", preexec_fn=lose))
    assert (journal / "pwd").read_text() == "/\n"
