"""What parent and child say to each other while a container is born.

    parent                                    child
      clone3 into the cgroup ──────────────▶
      id maps
      mapped ──────────────────────────────▶    only with a new user namespace
                            ◀─ entered          only there, with network devices: "my other
                                                namespaces are there"
      moves network devices
      given ───────────────────────────────▶    only with these; waited for before hooks
      oom_score_adj, affinity                   joins namespaces, mounts
                            ◀─ source NUMBER    only in a new user namespace, for each mount whose
      clones it there                           source is closed to its root (or `source rootfs`)
      lent, with descriptors ──────────────▶
                            ◀─ hooks            "all is mounted, the root not yet changed"
      prestart, createRuntime
      hooked ──────────────────────────────▶   createContainer; changes the root, sheds Python
                            ◀─ ready            "everything is done but the last steps"
      rlimits, scheduler, state.json
      proceed ─────────────────────────────▶   becomes the native program, which plays the script
                            ◀─ pid NUMBER       only in a joined pid namespace: the pid of the
      state.json with that pid                  process that will be the container's
      proceed ─────────────────────────────▶
                            ◀─ listener NUMBER  only with a seccomp agent: the descriptor that
      takes it, gives it to the agent           notifies; comes before `pid` where the filter
      proceed ─────────────────────────────▶   is loaded before the ids change
                            ◀─ (end of file)    create: the program waits for `start`
                                                run: the payload runs

    Instead of any line of the child: `failed TEXT` (Python) or any other text (the native
    program), and then the end.

One SEQPACKET pair, one message a packet: a word and, after a space, a text. The child sits among
hostile files, so the parent knows only these words, cuts at `LONGEST`, and takes from the child
no path, no structure and no descriptor. A terminal's master has a line of its own (console.py).
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.kernel import signals, sockets

LONGEST = 16384

_KNOWN = ("hooks", "ready", "pid", "listener", "entered", "source", "failed")


class Line:
    """One end of the pair.

    Args:
        descriptor: this end.
        ending: descriptor that can be read when the runtime is asked to end, -1 for none.
    """

    __slots__ = ("descriptor", "ending")

    def __init__(self, descriptor: int, ending: int = -1) -> None:
        self.descriptor, self.ending = descriptor, ending

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor

    def say(self, word: str, text: str = "") -> None:
        """Send one message; a text that is too long is cut.

        Raises:
            BrokenPipeError: the other end is gone.
        """
        packet = f"{word} {text}".rstrip().encode("utf-8", "replace")
        posix.write(self.descriptor, packet[:LONGEST])

    def let_go_on(self, word: str) -> None:
        """Say a word for which the child waits, or will: if it has failed, that is heard next."""
        try:
            self.say(word)
        except BrokenPipeError:
            return

    def hear(self) -> tuple[str, str] | None:
        """Wait for one message; None when the other end is gone.

        Returns:
            (word, text); what the native program says of a failure comes as ("failed", text).

        Raises:
            Interrupted: the runtime is asked to end.
        """
        if self.ending >= 0:
            signals.wait_readable(self.descriptor, self.ending)
        try:
            packet = posix.read(self.descriptor, LONGEST)
        except ConnectionResetError:
            return None
        if not packet:
            return None
        message = packet.decode("utf-8", "replace")
        word, _, text = message.partition(" ")
        return (word, text) if word in _KNOWN else ("failed", message)

    def expect(self, word: str) -> None:
        """Wait for exactly this word; the child's way to wait for its parent.

        Raises:
            ChildFailed: the parent is gone.
        """
        packet = posix.read(self.descriptor, LONGEST)
        if packet != word.encode("ascii"):
            raise errors.ChildFailed("the runtime went away")

    def close(self) -> None:
        """Let go of this end; once more does nothing."""
        if self.descriptor >= 0:
            posix.close(self.descriptor)
        self.descriptor = -1


def pair(ending: int = -1) -> tuple[Line, Line]:
    """Make both ends, the parent's and the child's, close-on-exec.

    Args:
        ending: descriptor that the parent watches beside its end.

    Raises:
        OSError: no descriptors left.
    """
    parent, child = sockets.packet_pair()
    return Line(parent, ending), Line(child)
