"""A terminal for a test: type, see, change its size, look at its modes."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

SECONDS = 90.0


class Screen:
    """A pseudo-terminal with a program on it, as its controlling terminal or only as its files."""

    def __init__(self, *command, rows=24, columns=80, controlling=True, **options):
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.text = ""
        files = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave} | options
        self.process = subprocess.Popen(
            [str(word) for word in command],
            start_new_session=True,
            preexec_fn=self._control if controlling else None,  # noqa: PLW1509 - no threads here
            **files,
        )

    def _control(self):
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def type(self, text):
        """Type a text; a line ends with \\r as on a keyboard."""
        os.write(self.master, text.encode())

    def see(self, pattern, seconds=SECONDS):
        """Wait until a pattern is shown; forget all up to its end and return the match."""
        limit = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            self._read(limit, pattern)
        self.text = self.text[match.end() :]
        return match

    def _read(self, limit, pattern):
        ready, _, _ = select.select([self.master], [], [], max(0, limit - time.monotonic()))
        if not ready:
            pytest.fail(f"not seen: {pattern!r} in {self.text!r}")
        self.text += os.read(self.master, 4096).decode(errors="replace")

    def modes(self):
        """Return the modes of the terminal."""
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        """Tell whether what is typed is neither echoed nor made signals of."""
        return not self.modes()[3] & (termios.ECHO | termios.ICANON | termios.ISIG)

    def resize(self, rows, columns):
        """Change the size, as who drags a window does."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ends(self, seconds=SECONDS):
        """Wait for the end of the program, reading on; return its status."""
        limit = time.monotonic() + seconds
        while self.process.poll() is None:
            ready, _, _ = select.select([self.master], [], [], 0.01)
            if ready:
                self.text += os.read(self.master, 4096).decode(errors="replace")
            if time.monotonic() > limit:
                pytest.fail(f"no end; last seen: {self.text!r}")
        while select.select([self.master], [], [], 0)[0]:  # what it has written last
            self.text += os.read(self.master, 4096).decode(errors="replace")
        return self.process.returncode

    def close(self):
        """Take the terminal away, and end what is left of the program."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)
