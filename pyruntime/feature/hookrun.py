"""Running hooks: their input, output, time limit and end.

Loaded only when a container has hooks, and then before the child is made.
"""

from __future__ import annotations

import errno
import posix
import select
import time

from pyruntime import errors
from pyruntime.kernel import pidfd as pidfds
from pyruntime.kernel import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from pyruntime.feature.hooks import HookStep

_FIRM = (signals.KILL, signals.STOP)
_LONGEST_OUTPUT = 4096
_LONGEST_POLL = (1 << 31) - 1  # ms, 24 days: poll(2) takes an int, and a hook may have longer
_SIGNAL_NAMES = (
    "0", "hangup", "interrupt", "quit", "illegal instruction", "trace/breakpoint trap", "aborted",
    "bus error", "floating point exception", "killed", "user defined signal 1",
    "segmentation fault", "user defined signal 2", "broken pipe", "alarm clock", "terminated",
)  # fmt: skip


def signal_name(number: int) -> str:
    """Return a signal's name as runc gives it (those of Go's syscall package)."""
    return _SIGNAL_NAMES[number] if number < len(_SIGNAL_NAMES) else f"signal {number}"


def run(
    steps: Iterable[HookStep],
    state: str,
    *,
    directory: str | int,
    environment: dict[bytes, bytes],
    umask: int,
    ending: int = -1,
) -> None:
    """Run hooks one after the other, in the present namespaces.

    Args:
        steps: of one name.
        state: the state document (spec, runtime.md) that each reads from its standard input.
        directory: the working directory, a path or a descriptor.
        environment: for hooks that give none.
        umask: of the hooks.
        ending: descriptor that can be read when the runtime is asked to end (`signals.watch`).

    Raises:
        HookFailed: one could not be run, failed or took too long; the rest is not run.
        Interrupted: the runtime is asked to end; the hook is killed.
    """
    for step in steps:
        running = _Running(step, state.encode("utf-8", "surrogateescape"), ending)
        failed = running.outcome(directory, environment, umask)
        if failed:
            raise errors.HookFailed(f"error running {step.name} hook #{step.number}: {failed}")


class _Running:
    """One hook while it runs: its standard input to be fed, its output to be kept."""

    __slots__ = ("document", "ending", "output", "step")

    def __init__(self, step: HookStep, document: bytes, ending: int) -> None:
        self.step, self.document, self.ending = step, document, ending
        self.output: dict[int, bytes] = {}

    def outcome(self, directory: str | int, environment: dict[bytes, bytes], umask: int) -> str:
        """Run the hook to its end; return what went wrong, or nothing."""
        pipes = [posix.pipe2(posix.O_CLOEXEC) for _ in range(4)]
        pid = posix.fork()
        if pid == 0:
            _execute(self.step, pipes, directory, environment, umask)
        (theirs, stdin), *outputs = pipes
        posix.close(theirs)
        for _, theirs in outputs:
            posix.close(theirs)
        for mine in (stdin, outputs[0][0], outputs[1][0]):
            posix.set_blocking(mine, False)
        return self._attend(pid, stdin, *(mine for mine, _ in outputs))

    def _attend(self, pid: int, stdin: int, stdout: int, stderr: int, why: int) -> str:
        """Feed, listen and wait until the process has ended or its time is up."""
        limit = None if self.step.timeout is None else time.monotonic() + self.step.timeout
        self.output = {stdout: b"", stderr: b""}
        pidfd = posix.pidfd_open(pid, 0)
        try:
            unborn = posix.read(why, 8)  # ends with the hook's execve, which closes the other end
            ended = self._converse(pidfd, stdin, limit)
            if not ended:
                pidfds.send_signal(pidfd, signals.KILL)
        except signals.Interrupted:
            pidfds.send_signal(pidfd, signals.KILL)
            posix.waitpid(pid, 0)
            raise
        finally:
            for descriptor in (pidfd, stdin, stdout, stderr, why):
                _close(descriptor)
        status = posix.waitpid(pid, 0)[1]
        if unborn:
            return f"fork/exec {self.step.path}: {errors.reason(int(unborn))}"
        if not ended:
            return f"hook ran past specified timeout of {float(self.step.timeout or 0):.1f}s"
        return self._verdict(status, self.output[stdout], self.output[stderr])

    def _converse(self, pidfd: int, stdin: int, limit: float | None) -> bool:
        """Move bytes until the process ends; tell whether it did so in time.

        The end of the process is what counts: a daemon that it left behind may hold the pipes.
        """
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(stdin, select.POLLOUT)
        for descriptor in self.output:
            poll.register(descriptor, select.POLLIN)
        if self.ending >= 0:
            poll.register(self.ending, select.POLLIN)
        while True:
            left = None if limit is None else int((limit - time.monotonic()) * 1000)
            if left is not None and left <= 0:
                return False
            ready = poll.poll(left if left is None else min(left, _LONGEST_POLL))
            for descriptor, _ in ready:
                if descriptor == stdin:
                    self._feed(poll, stdin)
                elif descriptor == self.ending:
                    raise signals.interruption(self.ending)
                elif descriptor != pidfd:
                    self._listen(poll, descriptor)
            if any(descriptor == pidfd for descriptor, _ in ready):
                self._drain()
                return True

    def _feed(self, poll: select.poll, stdin: int) -> None:
        """Write what the pipe takes of the document, and close it at the end."""
        try:
            self.document = self.document[posix.write(stdin, self.document) :]
        except BrokenPipeError:
            self.document = b""
        if not self.document:
            poll.unregister(stdin)
            posix.close(stdin)

    def _listen(self, poll: select.poll, descriptor: int) -> None:
        """Keep the first part of the output, throw the rest away."""
        piece = posix.read(descriptor, 65536)
        self.output[descriptor] = (self.output[descriptor] + piece)[:_LONGEST_OUTPUT]
        if not piece:
            poll.unregister(descriptor)

    def _drain(self) -> None:
        """Read what the ended process had written last."""
        for descriptor in self.output:
            try:
                self.output[descriptor] += posix.read(descriptor, _LONGEST_OUTPUT)
            except BlockingIOError:
                continue

    def _verdict(self, status: int, stdout: bytes, stderr: bytes) -> str:
        """Say how the process ended, unless well."""
        if status == 0:
            return ""
        code = posix.waitstatus_to_exitcode(status)
        how = f"exit status {code}" if code >= 0 else f"signal: {signal_name(-code)}"
        how += " (core dumped)" if posix.WCOREDUMP(status) else ""
        told = [words.decode("utf-8", "replace").strip() for words in (stdout, stderr)]
        return f"{how}, stdout: {told[0]}, stderr: {told[1]}"


def _close(descriptor: int) -> None:
    """Close a descriptor that may be closed already."""
    try:
        posix.close(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def _execute(
    step: HookStep,
    pipes: list[tuple[int, int]],
    directory: str | int,
    environment: dict[bytes, bytes],
    umask: int,
) -> NoReturn:
    """Become the hook; on failure tell the errno through the last pipe."""
    why = pipes[3][1]
    try:
        # Python ignores SIGPIPE and SIGXFSZ, a caller may ignore others, and exec would keep that.
        for number in range(1, signals.LAST + 1):
            if number not in _FIRM:
                signals.reset(number)
        signals.unblock_all()
        posix.chdir(directory)
        for number, descriptor in enumerate((pipes[0][0], pipes[1][1], pipes[2][1])):
            posix.dup2(descriptor, number)
        why = posix.dup2(why, 3, inheritable=False)
        process.close_from(why + 1)
        posix.umask(umask)
        env = environment if step.env is None else environment_of(step.env)
        posix.execve(step.path, step.args, env)
    except OSError as error:
        posix.write(why, str(error.errno or errno.EIO).encode("ascii"))
    finally:
        posix._exit(127)  # noqa: SLF001


def environment_of(env: list[str]) -> dict[bytes, bytes]:
    """Turn `NAME=value` words into what execve takes; the last of a name wins."""
    made: dict[bytes, bytes] = {}
    for word in env:
        name, _, value = word.encode("utf-8", "surrogateescape").partition(b"=")
        made[name] = value
    return made
