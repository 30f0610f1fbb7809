"""A shell in the guest at this program's terminal."""

from __future__ import annotations

import contextlib
import os
import shlex
import termios
import tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    import machine


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """Give every key to the guest, whose own terminal knows what it means."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def shell(guest: machine.Machine, *, user: str = "", variables: list[str] | None = None, directory: str = "") -> int:
    """Run a login shell in the guest at our terminal; return its exit status."""
    if not (os.isatty(0) and os.isatty(1)):
        raise SystemExit("vm: a shell wants a terminal")
    size = os.get_terminal_size()
    program = f"stty rows {size.lines} columns {size.columns}; exec bash -l"
    words = ["script", "--quiet", "--return", "--command", f"bash -c {shlex.quote(program)}", "/dev/null"]
    variables = [f"TERM={os.environ.get('TERM', 'linux')}", *(variables or [])]
    with raw():
        return guest.call(words, user=user, variables=variables, directory=directory)
