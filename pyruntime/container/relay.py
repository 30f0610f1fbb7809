"""What is typed at the caller's terminal and what a container shows, carried to and fro.

The caller's terminal is in raw mode meanwhile: Ctrl-C and its like are bytes, of which the
container's own terminal makes signals for the processes that are in its foreground.

Nothing here waits: both directions have a buffer of some size, which is filled again when it is
empty, and whose emptying waits for room by poll(2). The caller's terminal is opened anew for that,
since O_NONBLOCK on the caller's own open file would be seen by all that share it.

When the caller's terminal is gone, the container's is hung up, as its processes expect it. Where
something else is standard input, its end is what the user would type for it (VEOF).
"""

from __future__ import annotations

import posix
import select

from pyruntime import libraries
from pyruntime.container import console
from pyruntime.errors import doing
from pyruntime.kernel import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 1 << 16  # bytes of a buffer
_AT_ONCE = 4096  # so much can always be written to a pipe that has room (PIPE_BUF)
_LAST = 1 << 20  # bytes: more than a terminal can hold back
_SIGNS = 6  # c_cc in the list of tcgetattr


class Relay:
    """One caller's terminal and one container's.

    Args:
        master: of the container's terminal.

    Raises:
        KernelError: the caller has no terminal, or no descriptors are left.
    """

    __slots__ = (
        "by_hand", "caller", "input", "is_open", "last", "left", "master", "modes", "output",
        "shown", "slave", "typed", "typing",
    )  # fmt: skip

    def __init__(self, master: int) -> None:
        self.master, self.left, self.last = master, _LAST, b"\n"
        self.shown = self.typed = b""
        self.is_open = self.typing = True
        self.by_hand = posix.isatty(0)  # one that is gone does not say so any more
        self.modes: list[Any] | None = None
        self.caller = console.find()
        with doing("open standard input and output"):
            self.input = _anew(0, posix.O_RDONLY)
            self.output = _anew(1, posix.O_WRONLY)
            # While a slave is open the master says nothing of an end, which may be none: the
            # container can close all of its own and open its console again.
            self.slave = terminal.peer(master)
            posix.set_blocking(master, False)

    def begin(self) -> None:
        """Take the caller's terminal: raw mode, and its size for the container.

        Raises:
            KernelError: it is gone.
        """
        with doing("put the terminal into raw mode"):
            self.modes = _modes(self.caller)
            _set_modes(self.caller, _raw(self.modes))
        self._resize()

    def adjust(self, *, again: bool) -> None:
        """Follow the size of the caller's terminal; `again` after this process was stopped.

        A shell takes its terminal back meanwhile, modes and all. Where it has not given it back,
        the kernel stops this process once more (SIGTTOU).
        """
        if again and self.modes is not None:
            try:
                _set_modes(self.caller, _raw(self.modes))
            except OSError:  # it is gone, which reading from it will tell
                return
        self._resize()

    def _resize(self) -> None:
        try:
            width, height = posix.get_terminal_size(self.caller)
            if self.is_open and height and width:
                terminal.resize(self.master, height, width)
        except OSError:  # what it shows is worth more than how
            return

    def wishes(self) -> list[tuple[int, int]]:
        """Return what to wait for, as poll(2) takes it."""
        found = [(self.output, select.POLLOUT)] if self.shown else []
        if self.is_open and self.left == _LAST:
            events = (0 if self.shown else select.POLLIN) | (select.POLLOUT if self.typed else 0)
            found += [(self.master, events)] if events else []
            found += [(self.input, select.POLLIN)] if self.typing and not self.typed else []
        return found

    def serve(self, ready: dict[int, int]) -> None:
        """Carry what can be carried without waiting."""
        if self.typing and self.input in ready:
            self._hear()
        if self.typed and ready.get(self.master, 0) & select.POLLOUT:
            self._type()
        if not self.shown and ready.get(self.master, 0) & ~select.POLLOUT:
            self._look()
        if self.shown:
            self._show()

    def _hear(self) -> None:
        """Read what is typed."""
        try:
            self.typed = posix.read(self.input, _AT_ONCE)
        except BlockingIOError:  # somebody else has read it
            return
        except OSError:
            self.typed = b""
        if not self.typed:
            self._end_typing()
        self.last = self.typed[-1:]

    def _end_typing(self) -> None:
        """Tell the container of the end of what is typed; a line without an end needs two."""
        self.typing = False
        if self.by_hand:
            self._hang_up()
        elif self.is_open:
            try:
                end = _modes(self.master)[_SIGNS][_termios().VEOF]
            except OSError:
                return
            self.typed = end if self.last == b"\n" else end * 2

    def _type(self) -> None:
        try:
            self.typed = self.typed[posix.write(self.master, self.typed) :]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def _look(self) -> None:
        """Read what the container shows."""
        try:
            self.shown = posix.read(self.master, _MOST)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def _show(self) -> None:
        try:
            self.shown = self.shown[posix.write(self.output, self.shown[:_AT_ONCE]) :]
        except BlockingIOError:
            return
        except OSError:  # nobody sees it any more
            self.shown = b""
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the container's terminal, which its processes are told by SIGHUP."""
        if self.is_open:
            posix.close(self.slave)
            posix.close(self.master)
        self.is_open, self.typed = False, b""

    def has_left(self) -> bool:
        """Tell whether there is more to show, now that the process has ended.

        What it has written can be read at once; others that are still there may write for ever.
        """
        if not self.shown and self.is_open and self.left > 0:
            self._look()
            self.left -= max(len(self.shown), 1)
        return bool(self.shown)

    def end(self) -> None:
        """Give the caller's terminal back as it was, unless a shell has it already."""
        if self.modes is not None and _is_in_foreground(self.caller):
            try:
                _set_modes(self.caller, self.modes)
            except OSError:  # it is gone
                pass
        self._hang_up()
        for descriptor in (self.input, self.output, *([self.caller] if self.caller > 2 else [])):
            posix.close(descriptor)


def _anew(number: int, flags: int) -> int:
    """Open a terminal once more, for reading or writing that never waits; of others make a copy.

    One that is another user's cannot be opened; then writing waits where it takes nothing.
    """
    if posix.isatty(number):
        try:
            more = posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
            return posix.open(f"/proc/self/fd/{number}", flags | more)
        except OSError:
            pass
    return posix.dup(number)


def _is_in_foreground(caller: int) -> bool:
    """Tell whether this process is in the foreground of its terminal; of one not its own, yes."""
    try:
        return posix.tcgetpgrp(caller) == posix.getpgrp()
    except OSError:
        return True


def _termios() -> Any:
    """Return the library of terminals' modes; few commands have one."""
    libraries.reach()
    import termios

    return termios


def _modes(descriptor: int) -> list[Any]:
    """Return the modes of a terminal, as tcgetattr of termios gives them.

    Raises:
        OSError: it is gone.
    """
    termios = _termios()
    try:
        found: list[Any] = termios.tcgetattr(descriptor)
    except termios.error as failure:
        raise OSError(*failure.args) from None
    return found


def _set_modes(descriptor: int, modes: list[Any]) -> None:
    """Set the modes of a terminal at once.

    Raises:
        OSError: it is gone; EIO also in the background where nobody could continue this process.
    """
    termios = _termios()
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    except termios.error as failure:
        raise OSError(*failure.args) from None


def _raw(modes: list[Any]) -> list[Any]:
    """Return modes in which every byte passes as it is (cfmakeraw(3))."""
    t = _termios()
    read, written, line, local, *speeds, signs = modes
    read &= ~(t.IGNBRK | t.BRKINT | t.PARMRK | t.ISTRIP | t.INLCR | t.IGNCR | t.ICRNL | t.IXON)
    local &= ~(t.ECHO | t.ECHONL | t.ICANON | t.ISIG | t.IEXTEN)
    line = line & ~(t.CSIZE | t.PARENB) | t.CS8
    changed = list(signs)
    changed[t.VMIN], changed[t.VTIME] = 1, 0
    return [read, written & ~t.OPOST, line, local, *speeds, changed]
