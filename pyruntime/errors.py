"""Every way to fail, each able to say itself in one line.

    RuntimeFailure
    ├── UsageError      the command line
    ├── SpecError       config.json: a list of (JSON pointer, sentence)
    ├── Unsupported     valid, but not built (or not possible on this kernel)
    ├── NotFound        no such container
    ├── AlreadyExists   the id is taken
    ├── WrongStatus     the operation is not allowed in this status
    ├── KernelError     a system call failed: what was being done, to what, why
    ├── HookFailed      a hook ended badly
    └── ChildFailed     the container's init failed; its own words

Engines read these texts: podman turns "no such file or directory" and "executable file not found
in" into exit code 127 and "permission denied" into 126, containerd looks for "does not exist" and
"container not running". Such wording is fixed by tests.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    Problem = tuple[str, str]


def reason(number: int) -> str:
    """Return the text of an errno as engines expect it: strerror(3), first letter small."""
    text = posix.strerror(number)
    return text[:1].lower() + text[1:]


class RuntimeFailure(Exception):
    """Anything that ends a command; `code` is its exit status."""

    code = 1

    def say(self) -> str:
        """Return the whole failure in one line."""
        return str(self)


class UsageError(RuntimeFailure):
    """The command line is wrong."""


class SpecError(RuntimeFailure):
    """config.json is wrong: `problems` is a list of (JSON pointer, sentence)."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def say(self) -> str:
        """Name each problem with its place."""
        told = [
            f"{pointer}: {sentence}" if pointer else sentence for pointer, sentence in self.problems
        ]
        return "invalid config.json: " + "; ".join(told)


class Unsupported(RuntimeFailure):
    """A valid wish that this runtime or this kernel cannot fulfil."""


class NotFound(RuntimeFailure):
    """There is no container of that id."""

    def __init__(self) -> None:
        super().__init__("container does not exist")


class AlreadyExists(RuntimeFailure):
    """The id is taken."""

    def __init__(self) -> None:
        super().__init__("container with given ID already exists")


class WrongStatus(RuntimeFailure):
    """The container's status does not allow the operation."""


class HookFailed(RuntimeFailure):
    """A hook exited with a status other than 0, was killed, or took too long."""


class ChildFailed(RuntimeFailure):
    """The container's init failed; the message is its own."""


class KernelError(RuntimeFailure):
    """A system call failed: `doing` it to `target` gave `number`; `cure` where one is known."""

    def __init__(self, doing: str, target: str, number: int, cure: str = "") -> None:
        super().__init__(doing, target, number, cure)
        self.doing, self.target, self.number, self.cure = doing, target, number, cure

    def say(self) -> str:
        """Return `doing target: reason (cure)`."""
        what = f"{self.doing} {self.target}".strip()
        return f"{what}: {reason(self.number)}" + (f" ({self.cure})" if self.cure else "")


class doing:  # noqa: N801 - reads as a sentence: with doing("mount", "/proc"):
    """Give the OSError of a block its context: what was being done, and to what.

    Args:
        action: a verb phrase ("mount", "make the cgroup").
        target: the object, as the user wrote it.
        cures: errno to a hint, for the errors whose cure is known.
    """

    __slots__ = ("action", "cures", "target")

    def __init__(self, action: str, target: str = "", cures: dict[int, str] | None = None) -> None:
        self.action, self.target, self.cures = action, target, cures or {}

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn an OSError into a KernelError with the context."""
        if isinstance(error, OSError):
            number = error.errno or 0
            cure = self.cures.get(number, "") or getattr(error, "words", "")
            raise KernelError(self.action, self.target, number, cure) from error
