"""`run` with a terminal, from a terminal: a shell inside, and the caller's terminal unharmed."""

import json
import os
import signal
import subprocess
import termios
from pathlib import Path

import pytest
from functional import inside, mapped
from functional.screen import Screen

PROMPT = r"inside# "


@pytest.fixture
def shell(bundle):
    """A bundle with a shell on a terminal of its own."""
    bundle.config["process"] |= {"terminal": True, "args": ["sh", "-i"]}
    bundle.config["process"]["env"] += ["PS1=inside# ", "HISTFILE="]
    bundle.save()
    return bundle


@pytest.fixture
def screens():
    opened = []
    yield opened
    for each in opened:
        each.close()


@pytest.fixture
def attached(shell, launcher, containers, screens):
    """Start `run` on a terminal of its own; return the screen."""

    def start(*flags, **options):
        shell.save()
        words = [launcher, "--root", containers.root, "run", "--bundle", shell.path, *flags, "c1"]
        screens.append(Screen(*words, **options))
        return screens[-1]

    return start


@pytest.fixture
def script(attached, shell):
    """Run a shell script on a terminal inside; return the screen."""

    def start(text, *flags, **options):
        shell.config["process"]["args"] = ["sh", "-c", text]
        return attached(*flags, **options)

    return start


def test_a_shell_talks_with_whom_is_at_the_terminal(attached, containers):
    screen = attached()
    before = screen.modes()
    screen.see(PROMPT)
    screen.type("echo $((6 * 7)); tty; ps -o pid,tty | grep ' 1 '\r")
    screen.see(r"\r\n42\r\n")
    screen.see(r"/dev/pts/0\r\n +1 136,0\r\n")
    assert screen.is_raw()
    screen.type("exit 5\r")
    assert screen.ends() == 5
    assert screen.modes() == before
    assert containers.ids() == []


def test_the_payload_leads_a_session_whose_terminal_is_this_one(script, containers):
    screen = script("cut -d' ' -f1,5,6,7,8 /proc/$$/stat; for n in 0 1 2; do readlink /proc/$$/fd/$n; done; stat -c '%t:%T %u %g %a' /dev/console /dev/pts/0")
    pid, group, session, number, foreground = screen.see(r"(\d+) (\d+) (\d+) (\d+) (\d+)\r\n").groups()
    assert (group, session, number, foreground) == ("1", "1", str(136 << 8), "1"), pid
    screen.see(r"/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n")
    screen.see(r"88:0 0 5 620\r\n88:0 0 5 620\r\n")
    assert screen.ends() == 0


def test_the_console_is_the_terminal_and_can_be_written(script):
    screen = script("echo to the console > /dev/console; grep -c ' /dev/console ' /proc/self/mountinfo")
    screen.see("to the console\r\n1\r\n")
    assert screen.ends() == 0


def test_a_user_owns_its_terminal(script, shell):
    shell.config["process"]["user"] = {"uid": 33, "gid": 33}
    screen = script("stat -c '%u %g %a' /dev/pts/0 /dev/console; exec 3<>/dev/pts/0 && echo opened >&3")
    screen.see(r"33 5 620\r\n33 5 620\r\nopened\r\n")
    assert screen.ends() == 0


def test_ctrl_c_interrupts_what_runs_inside_and_nothing_else(attached):
    screen = attached()
    screen.see(PROMPT)
    screen.type("sh -c 'echo st''arted; sleep 1000'\r")
    screen.see("started\r\n")
    screen.type("\x03")
    screen.see(PROMPT)
    screen.type("echo status $?\r")
    screen.see("status 130")
    screen.type("exit\r")
    assert screen.ends() in (0, 130)


def test_ctrl_z_stops_a_job_inside_and_fg_continues_it(attached):
    screen = attached()
    screen.see(PROMPT)
    screen.type("sh -c 'echo st''arted; exec cat'\r")
    screen.see("started\r\n")
    screen.type("first\r")
    screen.see("first\r\nfirst\r\n")
    screen.type("\x1a")
    screen.see(rf"Stopped[^#]*{PROMPT}")
    screen.type("fg\r")
    screen.see("exec cat.?\r\n")
    screen.type("again\r")
    screen.see("again\r\nagain\r\n")
    screen.type("\x04")
    screen.see(PROMPT)
    screen.type("\x04")
    assert screen.ends() == 0


def test_the_size_is_the_callers_at_once_and_follows_it(script, screens):
    screen = script("stty size; trap 'stty size' WINCH; echo armed; while :; do sleep 0.05; done", rows=31, columns=97)
    screen.see("31 97\r\narmed\r\n")
    screen.resize(12, 34)
    screen.see("12 34\r\n")
    screen.resize(50, 200)
    screen.see("50 200\r\n")
    os.kill(screen.process.pid, signal.SIGKILL)


def test_every_byte_passes_as_it_is(script):
    """Eight bits, control characters, nothing is echoed or translated by the caller's terminal."""
    screen = script("stty raw -echo; echo armed; dd bs=1 count=256 2>/dev/null | md5sum; stty sane")
    screen.see("armed")
    every = bytes(range(256))
    os.write(screen.master, every)
    digest = subprocess.run(["md5sum"], input=every, capture_output=True).stdout.decode().split()[0]
    screen.see(digest)
    assert screen.ends() == 0


def test_all_that_is_written_last_is_shown(script):
    screen = script("seq 1 20000; exec echo the end")
    assert screen.ends() == 0
    lines = screen.text.split("\r\n")
    assert lines == [*map(str, range(1, 20001)), "the end", ""]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_modes_come_back_when_the_payload_is_killed(script, runtime, number):
    screen = script("trap 'exit 143' TERM; echo armed; while :; do sleep 0.05; done")
    before = screen.modes()
    screen.see("armed")
    assert screen.is_raw()
    assert runtime("kill", "c1", str(int(number))).returncode == 0
    assert screen.ends() == 128 + number
    assert screen.modes() == before


def test_modes_come_back_when_the_runtime_is_asked_to_end(script):
    """It passes SIGTERM on; who does not heed it is not made to."""
    screen = script("trap 'echo heard; exit 9' TERM; echo armed; while :; do sleep 0.05; done")
    before = screen.modes()
    screen.see("armed")
    screen.process.send_signal(signal.SIGTERM)
    assert screen.ends() == 9
    assert "heard" in screen.text
    assert screen.modes() == before


def test_modes_come_back_when_a_poststart_hook_fails(script, shell, containers):
    shell.config["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    screen = script("sleep 1000")
    before = screen.modes()
    assert screen.ends() == 1
    assert "error running poststart hook #0" in screen.text
    assert screen.modes() == before
    assert containers.ids() == []


def test_a_program_that_is_missing_leaves_the_terminal_as_it_was(attached, shell, containers):
    shell.config["process"]["args"] = ["/no/such"]
    screen = attached()
    before = screen.modes()
    assert screen.ends() == 1
    assert "no such file or directory" in screen.text
    assert screen.modes() == before
    assert containers.ids() == []


def test_when_the_callers_terminal_goes_the_containers_is_hung_up(attached, shell, containers, screens):
    """The payload is told by SIGHUP and by the end of its input, as at any terminal."""
    (shell.path / "journal").mkdir()
    shell.config["mounts"].append(
        {"destination": "/journal", "type": "bind", "source": str(shell.path / "journal"), "options": ["bind"]}
    )
    shell.config["process"]["args"] = ["sh", "-c", "trap 'echo hung up > /journal/told' HUP; echo armed; while read line; do :; done; exit 0"]
    screen = attached(controlling=False)
    screen.see("armed")
    os.close(screen.master)
    os.close(screen.slave)
    screen.master = screen.slave = -1
    assert screen.process.wait(90) == 0
    assert (shell.path / "journal/told").read_text() == "hung up\n"
    assert containers.ids() == []


def test_without_a_terminal_it_says_so_and_makes_nothing(runtime, shell, containers):
    done = runtime("run", "--bundle", shell.path, "c1", start_new_session=True)
    assert done.returncode == 1
    assert "open /dev/tty: no such device or address (process.terminal needs a terminal" in done.stderr
    assert done.stderr.count("\n") == 1
    assert containers.ids() == []


def test_standard_input_may_be_something_else_and_its_end_is_told(script):
    """As with runc, any of the standard files may be the terminal."""
    reader, writer = os.pipe()
    screen = script("while read line; do echo got $line; done; echo rest $line; exit 3", stdin=reader)
    os.close(reader)
    before = screen.modes()
    os.write(writer, b"one\ntwo\nthree")
    screen.see("got one\r\n")
    os.close(writer)
    screen.see("got two\r\nrest three\r\n")
    assert screen.ends() == 3
    assert screen.modes() == before


def test_standard_output_may_be_something_else(script, tmp_path):
    with (tmp_path / "out").open("w") as out:
        out.write("before ")
        out.flush()
        screen = script("echo shown; seq 1 3000", stdout=out)
        assert screen.ends() == 0
    lines = ["before shown", *map(str, range(1, 3001)), ""]
    assert (tmp_path / "out").read_bytes().decode().split("\r\n") == lines


def test_when_nobody_reads_the_container_is_hung_up(script):
    reader, writer = os.pipe()
    screen = script("trap 'exit 7' HUP; echo first; while :; do echo more 2>/dev/null; sleep 0.01; done", stdout=writer)
    os.close(writer)
    assert os.read(reader, 5) == b"first"
    os.close(reader)
    assert screen.ends() == 7


def test_a_caller_that_reads_nothing_stops_the_payload_not_the_signals(script, runtime):
    screen = script("trap 'exit 6' TERM; while :; do seq 1 1000; done")
    before = screen.modes()
    inside.eventually(lambda: runtime("state", "c1").returncode == 0)
    inside.eventually(screen.is_raw)
    assert runtime("kill", "c1", "KILL").returncode == 0
    assert screen.ends() == 137
    assert screen.modes() == before


def test_a_payload_may_close_its_terminal_and_open_it_again(script):
    screen = script("exec >/dev/null 2>&1 </dev/null; sleep 0.3; echo back > /dev/console; sleep 0.1")
    assert screen.ends() == 0
    assert screen.text == "back\r\n"


def test_the_runtime_is_idle_while_nothing_happens(script, containers):
    """No busy loop: hardly any processor time goes by, although the payload has no terminal open."""
    screen = script("exec >/dev/null 2>&1 </dev/null; sleep 1000")
    pid = screen.process.pid
    inside.eventually(lambda: containers.ids() == ["c1"] and (containers.root / "c1/state.json").exists())

    def switches():
        text = Path(f"/proc/{pid}/status").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

    inside.eventually(lambda: Path(f"/proc/{containers.state('c1')['pid']}/cmdline").read_bytes().startswith(b"sleep"))
    first = last = None
    while first is None or last - first > 50:  # until it has settled
        first = switches()
        subprocess.run(["sleep", "0.2"])
        last = switches()
    assert last - first <= 50
    os.kill(containers.state("c1")["pid"], signal.SIGKILL)
    assert screen.ends() == 137


def test_a_shells_job_control_works_with_the_whole_run(shell, launcher, containers, screens):
    """Stopped from outside and continued, the terminal is raw again; in the background it stops."""
    words = f"{launcher} --root {containers.root} run --bundle {shell.path} c1"
    screens.append(screen := Screen("bash", "--norc", "--noprofile", "-i", env={"PS1": "out# ", "PATH": os.environ["PATH"]}))
    screen.see("out# ")
    screen.type(f"{words}\r")
    screen.see(PROMPT)
    runner = inside.eventually(lambda: _children(screen.process.pid))[0]
    os.kill(runner, signal.SIGSTOP)
    screen.see("out# ")
    screen.resize(11, 22)
    screen.type("fg\r")
    screen.see(r"fg\r\n.*\r\n")
    inside.eventually(screen.is_raw)
    screen.type("\r")
    screen.see(PROMPT)
    screen.type("stty size\r")
    screen.see("11 22\r\n")
    screen.type("exit 4\r")
    screen.see("out# ")
    screen.type("echo status $?\r")
    screen.see("status 4\r\n")
    screen.type(f"{words} &\r")
    screen.see("out# ")
    runner = inside.eventually(lambda: _children(screen.process.pid))[0]
    inside.eventually(lambda: _letter(runner) == "T")
    screen.type("\r")
    screen.see("Stopped")
    screen.see("out# ")
    screen.type("fg\r")
    screen.see(PROMPT)
    screen.type("exit 0\r")
    screen.see("out# ")
    screen.type("exit\r")
    screen.ends()


def _letter(pid):
    """Return the state of a process as proc_pid_stat(5) has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_ctrl_z_without_a_terminal_reaches_the_payload_only(bundle, launcher, containers, screens, tmp_path):
    """As with runc the command does not stop, nor does a pid 1 that has no handler for SIGTSTP."""
    bundle.config["process"]["args"] = ["sh", "-c", "trap 'echo heard' TSTP; echo armed; while :; do sleep 0.05; done"]
    words = [launcher, "--root", containers.root, "run", "--bundle", bundle.save(), "c1"]
    screens.append(screen := Screen(*words))
    screen.see("armed\r\n")
    screen.type("\x1a")
    screen.see("heard\r\n")
    assert _letter(screen.process.pid) != "T"
    screen.type("\x03")
    os.kill(json.loads((containers.root / "c1/state.json").read_text())["pid"], signal.SIGKILL)
    assert screen.ends() == 137


def test_in_the_namespace_of_other_processes_the_terminal_is_the_payloads_too(shell, script, containers):
    inside.at(shell, "pid", "/proc/self/ns/pid")
    screen = script("cut -d' ' -f1,5,6,7,8 /proc/$$/stat; sleep 1000 & jobs -l; kill $!; exit 2")
    pid, group, session, number, foreground = screen.see(r"(\d+) (\d+) (\d+) (\d+) (\d+)\r\n").groups()
    assert pid == group == session == foreground
    assert number == str(136 << 8)
    assert screen.ends() == 2


def test_a_user_namespace_has_its_own_terminals(shell, script):
    mapped.map_ids(shell)
    screen = script("stat -c '%u %g' /dev/pts/0 /dev/console; echo fine > /dev/console")
    screen.see("fine")
    assert screen.ends() == 0


def test_termios_is_what_restores(attached):
    """A mode that no shell would set is there again."""
    screen = attached()
    modes = screen.modes()
    assert modes[0] & termios.ICRNL
    screen.see(PROMPT)
    screen.type("exit\r")
    screen.ends()
    assert screen.modes() == modes
