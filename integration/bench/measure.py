"""What a runtime's command costs: wall and processor time; and what its waiting init holds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

# What an engine gives a runtime, or less; every runtime here gets the same.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
EXEC_SECONDS = 5.0


@dataclass(frozen=True)
class Cost:
    """Milliseconds from the spawn to the end, and of user and system time together."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Waiting:
    """A created container's init: resident kB, and processor milliseconds that it has taken."""

    rss: int
    cpu: float


@dataclass
class Runtime:
    """A program under measurement, with a state root of its own and what its environment needs."""

    name: str
    program: str
    root: str
    extra: dict[str, str] = field(default_factory=dict)

    def call(self, *arguments: str, errors: str = "/dev/null") -> Cost:
        """Run one command to its end with /dev/null as stdin and stdout.

        Processor time is the kernel's account of the process and of the children it waited for; an
        init that outlives the command is not in it (see `waiting`). What the command writes to its
        stderr goes to the file `errors`. Raises RuntimeError when it fails.
        """
        command = [self.program, "--root", self.root, *arguments]
        files = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        environment = ENVIRONMENT | self.extra
        before = time.monotonic_ns()
        child = os.posix_spawn(self.program, command, environment, file_actions=files)
        _, status, usage = os.wait4(child, 0)
        after = time.monotonic_ns()
        if status:
            said = Path(errors).read_text(errors="replace") if errors != "/dev/null" else ""
            code = os.waitstatus_to_exitcode(status)
            raise RuntimeError(f"{' '.join(command)}: exit status {code}\n{said}".rstrip())
        return Cost((after - before) / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3)


def waiting(pid: int) -> Waiting:
    """Measure the process `pid`, the init of a created container.

    Its resident memory is that of /proc/PID/smaps_rollup. Its processor time is what its living
    threads took, none of it charged to the command `create`; 0.0 if the kernel keeps no account.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    rss = next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))
    nanoseconds = 0
    for account in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        nanoseconds += int(account.read_text(encoding="ascii").split()[0])
    return Waiting(rss, nanoseconds / 1e6)


def await_exec(pid: int, name: str) -> None:
    """Return when `pid` runs the program `name`, so that its start disturbs no other measurement.

    Raises RuntimeError when that takes more than `EXEC_SECONDS`.
    """
    deadline = time.monotonic() + EXEC_SECONDS
    while Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] != name.encode():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the container's process {pid} did not become {name}")
        time.sleep(0.0005)


def await_end(pid: int) -> None:
    """Return when the process `pid`, an orphan that came to this subreaper, has ended."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the runtime itself was its parent
