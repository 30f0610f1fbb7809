"""sd_notify(3) through the runtime: what reaches the service manager, and what does not."""

import array
import os
import select
import socket
import subprocess
from pathlib import Path

import pytest
from functional import inside, mapped
from security import hostile

# Says each argument in a datagram of its own, then lives on.
SPEAKER = """
import os, socket, sys, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for word in sys.argv[1:]:
    speaker.sendto(word.encode().decode("unicode_escape").encode("latin-1"), os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""


class Manager:
    """A service manager's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = path
        self.socket.bind(path)
        self.socket.settimeout(60)
        self.held = []

    def hear(self):
        """Return the lines of the next datagram, and how many descriptors came with it."""
        text, told, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64))
        found = array.array("i")
        for _, _, content in told:
            found.frombytes(content)
        self.held += found
        return text.decode().splitlines(), len(found)

    def lift(self):
        """Close the descriptors of barriers."""
        while self.held:
            os.close(self.held.pop())

    def is_silent(self, seconds=0.5):
        return not select.select([self.socket], [], [], seconds)[0]


@pytest.fixture
def manager(tmp_path_factory):
    place = Path(f"/tmp/notify-{os.getpid()}")
    held = Manager(str(place))
    yield held
    held.lift()
    held.socket.close()
    place.unlink(missing_ok=True)


@pytest.fixture
def speaking(bundle):
    """Have the payload say words; return the bundle."""
    hostile.lend_python(bundle)

    def say(*words):
        bundle.config["process"]["args"] = ["/usr/bin/python3", "-IS", "-c", SPEAKER, *words]
        return bundle.save()

    return say


@pytest.fixture
def started(launcher, containers, manager, tmp_path):
    """Start a command line of the runtime with NOTIFY_SOCKET; what is left of it ends with the test."""
    running = []

    def start(*words, address=None):
        environment = os.environ | {"NOTIFY_SOCKET": address or manager.path}
        command = [launcher, "--root", containers.root, *map(str, words)]
        errors = tmp_path / f"errors{len(running)}"
        with errors.open("w") as out:  # no pipe: the container may keep it open
            running.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=out))
        running[-1].said = errors.read_text
        return running[-1]

    yield start
    for each in running:
        if each.poll() is None:
            each.kill()
        each.wait()


def ready(manager, containers):
    """See that the container's pid comes with READY=1, then the barrier."""
    lines, count = manager.hear()
    assert lines == [f"MAINPID={containers.state('c1')['pid']}", "READY=1"]
    assert count == 0
    assert manager.hear() == (["BARRIER=1"], 1)


def test_run_in_the_foreground_passes_on_what_comes(speaking, started, manager, containers, runtime):
    path = speaking("STATUS=beginning", "READY=1", "STATUS=half way", "WATCHDOG=1", "STOPPING=1")
    born = started("run", "--bundle", path, "c1")
    assert manager.hear() == (["STATUS=beginning"], 0)
    ready(manager, containers)
    for line in ("STATUS=half way", "WATCHDOG=1", "STOPPING=1"):
        assert manager.hear() == ([line], 0)
    manager.lift()
    assert born.poll() is None
    assert runtime("kill", "c1", "KILL").returncode == 0
    assert born.wait(90) == 137
    assert containers.ids() == []


def test_run_detached_ends_when_the_manager_knows(speaking, started, manager, containers):
    born = started("run", "--detach", "--bundle", speaking("READY=1"), "c1")
    ready(manager, containers)
    with pytest.raises(subprocess.TimeoutExpired):  # the barrier is held
        born.wait(0.3)
    manager.lift()
    assert born.wait(90) == 0, born.said()


def test_create_makes_the_way_and_start_listens(speaking, started, manager, containers, runtime):
    born = started("create", "--bundle", speaking("READY=1"), "c1")
    assert born.wait(90) == 0, born.said()
    assert os.listdir(containers.root / "c1/notify") == []
    starting = started("start", "c1")
    ready(manager, containers)
    manager.lift()
    assert starting.wait(90) == 0, starting.said()
    assert manager.is_silent()


def test_start_without_a_manager_needs_no_readiness(speaking, started, manager, runtime):
    assert started("create", "--bundle", speaking(), "c1").wait(90) == 0
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    assert runtime("start", "c1", env=environment).returncode == 0


@pytest.mark.parametrize("command", [["run", "--detach"], ["run"]], ids=["detached", "foreground"])
def test_a_payload_that_ends_unready_ends_the_wait(bundle, started, manager, containers, command):
    bundle.config["process"]["args"] = ["sh", "-c", "exit 3"]
    born = started(*command, "--bundle", bundle.save(), "c1")
    assert born.wait(90) == (0 if "--detach" in command else 3)
    assert manager.is_silent()


def test_the_payload_is_told_of_its_socket_and_can_only_write_to_it(bundle, started, manager, runtime):
    inside.writable(bundle)
    bundle.config["process"]["env"].append("NOTIFY_SOCKET=/own")
    script = (
        "echo $NOTIFY_SOCKET > /told; stat -c %a /run/notify /run/notify/notify.sock >> /told;"
        " touch /run/notify/x 2>> /told; grep ' /run/notify ' /proc/self/mountinfo | cut -d' ' -f6 >> /told"
    )
    bundle.config["process"]["args"] = ["sh", "-c", script]
    assert started("run", "--bundle", bundle.save(), "c1").wait(90) == 0
    told = (bundle.rootfs / "told").read_text().splitlines()
    assert told[:3] == ["/run/notify/notify.sock", "755", "777"]
    assert "Read-only file system" in told[3]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(told[4].split(","))


def test_an_abstract_address_and_a_user_namespace(bundle, speaking, started, containers):
    place = Manager(f"\0pyruntime-test-{os.getpid()}")
    path = speaking("READY=1")
    mapped.map_ids(bundle)
    bundle.save()
    born = started("run", "--detach", "--bundle", path, "c1", address=f"@{place.path[1:]}")
    ready(place, containers)
    place.lift()
    assert born.wait(90) == 0, born.said()
    place.socket.close()


HOSTILE = {
    "pid of another": "MAINPID=1",
    "access": "NOTIFYACCESS=all",
    "store": "FDSTORE=1\\nFDNAME=x",
    "barrier": "BARRIER=1",
    "unknown": "X_MORE=1",
    "no name": "=1",
    "empty": "",
    "no switch": "STOPPING=2",
    "no number": "ERRNO=1x",
    "negative": "EXTEND_TIMEOUT_USEC=-1",
    "escape": "STATUS=a\\x1b[2Jb",
    "nul": "STATUS=a\\x00b",
    "no text": "STATUS=\\xff\\xfe",
    "long": "STATUS=" + "x" * 2000,
}


@pytest.mark.parametrize("word", HOSTILE.values(), ids=HOSTILE)
def test_other_words_stay_inside(speaking, started, manager, containers, word):
    started("run", "--bundle", speaking(word, f"{word}\\nSTATUS=fine"), "c1")
    assert manager.hear() == (["STATUS=fine"], 0)


def test_what_is_too_long_is_cut_and_descriptors_are_dropped(bundle, started, manager, containers):
    hostile.lend_python(bundle)
    program = (
        "import array, os, socket, time\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)\n"
        "to = os.environ['NOTIFY_SOCKET']\n"
        "s.sendto(b'STATUS=first\\n' + b'\\n' * 100000 + b'STATUS=last', to)\n"
        "r, w = os.pipe()\n"
        "s.sendmsg([b'STATUS=with'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [w]))], 0, to)\n"
        "os.close(w)\n"
        "assert os.read(r, 1) == b''\n"  # nobody keeps it
        "s.sendto(b'STATUS=dropped', to)\n"
        "time.sleep(1000)\n"
    )
    bundle.config["process"]["args"] = ["/usr/bin/python3", "-IS", "-c", program]
    started("run", "--bundle", bundle.save(), "c1")
    for line in ("first", "with", "dropped"):
        assert manager.hear() == ([f"STATUS={line}"], 0)


def test_a_flood_takes_little_of_the_runtimes_time(bundle, started, manager, containers):
    """It reads one datagram in 50 ms: what is above fills the socket and waits inside."""
    hostile.lend_python(bundle)
    program = (
        "import os, socket\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "while True: s.sendto(b'X=1', os.environ['NOTIFY_SOCKET'])\n"
    )
    bundle.config["process"]["args"] = ["/usr/bin/python3", "-IS", "-c", program]
    born = started("run", "--bundle", bundle.save(), "c1")
    inside.eventually((containers.root / "c1/state.json").exists)

    def switches():
        text = Path(f"/proc/{born.pid}/status").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("voluntary"))

    first = switches()
    subprocess.run(["sleep", "1"], check=True)
    assert switches() - first < 200


def test_a_manager_that_is_away_is_warned_of_and_nothing_else(speaking, started, containers, runtime, tmp_path):
    born = started("run", "--detach", "--bundle", speaking("READY=1"), "c1", address="/no/such")
    assert born.wait(90) == 0
    assert "notify the service manager at /no/such: no such file or directory" in born.said()


@pytest.mark.parametrize("address", ["vsock:2:3", "relative", "/" + "x" * 200])
def test_an_address_of_an_unknown_kind_is_refused(bundle, started, containers, address):
    born = started("run", "--bundle", bundle.save(), "c1", address=address)
    assert born.wait(90) == 1
    assert "neither a path nor an abstract name" in born.said()
    assert containers.ids() == []


def test_an_empty_address_is_none(bundle, runtime, containers):
    bundle.config["process"]["args"] = ["sh", "-c", "echo x$NOTIFY_SOCKET"]
    done = runtime("run", "--bundle", bundle.save(), "c1", env=os.environ | {"NOTIFY_SOCKET": ""})
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr


def test_a_signal_ends_a_detached_run_that_waits_and_leaves_the_container(speaking, started, manager, containers):
    born = started("run", "--detach", "--bundle", speaking("STATUS=waiting"), "c1")
    assert manager.hear() == (["STATUS=waiting"], 0)
    born.terminate()
    assert born.wait(90) == -15
    assert containers.ids() == ["c1"]
