"""The last steps before the payload, in their order: what the native player is to play.

Everything here is worked out by Python and done by native/player.c, which knows no policy. The
order is the point: each line of `compose` stands where it does for a reason given beside it.
"""

from __future__ import annotations

from pyruntime.container import credentials, joining, memory, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyruntime.container.steps import Operation
    from pyruntime.feature.capabilities import Capabilities
    from pyruntime.feature.confinement import Label
    from pyruntime.feature.hooks import HookStep

BASE = memory.BASE

_EPERM, _EACCES, _EINVAL = 1, 13, 22

_PR_SET_NAME = 15
_CLOEXEC = (2, 1)  # F_SETFD, FD_CLOEXEC
_SIG_SETMASK = 2
_PATH_MAX = 4096
_CHANNELS = ("the socket to the parent", "the fifo of the go", "the fifo of results")
_LAST = 0xFFFFFFFF

_ESCAPED = (
    "current working directory is outside of container mount namespace root"
    " -- possible container breakout detected"
)


class Order:
    """All that the last steps need to know.

    Args:
        args: the payload's arguments, not empty.
        candidates: absolute paths in the container to try for args[0], in order.
        env: the payload's environment, `K=V` each.
        cwd: its working directory, absolute.
        sync: socket to the parent; its end of file says "created", or "executed" without `go`.
        go: fifo on which `start` writes one byte; None goes on at once.
        result: fifo that takes the text of a late failure; needed with `go`.
        uid, gid: container ids.
        groups: supplementary groups; None leaves them.
        umask: file mode creation mask; None leaves it.
        no_new_privs: set PR_SET_NO_NEW_PRIVS, and load the filter last.
        capabilities: the five sets; None leaves them as inherited.
        filter: the compiled seccomp program (struct sock_filter[]), None for none.
        filter_flags: SECCOMP_FILTER_FLAG_….
        listens: the filter has a listener, which the parent gives to an agent.
        labels: of security modules, for the payload.
        procfs: descriptor of a private procfs, needed with `labels`; closed by the script.
        hooks: startContainer hooks, run after the go.
        hook_state: the JSON document for their standard input.
        preserve: how many descriptors from 3 on the payload keeps.
        last_capability: of the running kernel.
        joined_pid: descriptor of a pid namespace to join; closed by the script.
        terminal: descriptor 0 is the payload's own terminal.
        extra: more operations, done while all privileges are still there.
    """

    __slots__ = (
        "args", "candidates", "capabilities", "cwd", "env", "extra", "filter", "filter_flags",
        "gid", "go", "groups", "hook_state", "hooks", "joined_pid", "labels", "last_capability",
        "listens", "no_new_privs", "preserve", "procfs", "result", "sync", "terminal", "uid",
        "umask",
    )  # fmt: skip

    def __init__(
        self, *, args: list[str], candidates: list[str], env: list[str], cwd: str, sync: int,
        go: int | None = None, result: int | None = None, uid: int = 0, gid: int = 0,
        groups: list[int] | None = None, umask: int | None = 0o022, no_new_privs: bool = False,
        capabilities: Capabilities | None = None, filter: bytes | None = None,  # noqa: A002
        filter_flags: int = 0, listens: bool = False, labels: Sequence[Label] = (),
        procfs: int | None = None, hooks: Sequence[HookStep] = (), hook_state: str = "",
        preserve: int = 0, last_capability: int = 40, joined_pid: int | None = None,
        terminal: bool = False, extra: Sequence[Operation] = (),
    ) -> None:  # fmt: skip
        self.args, self.candidates, self.env, self.cwd = args, candidates, env, cwd
        self.sync, self.go, self.result, self.preserve = sync, go, result, preserve
        self.uid, self.gid, self.groups, self.umask = uid, gid, groups, umask
        self.no_new_privs, self.capabilities = no_new_privs, capabilities
        self.filter, self.filter_flags, self.listens = filter, filter_flags, listens
        self.labels, self.procfs, self.joined_pid = labels, procfs, joined_pid
        self.terminal = terminal
        self.hooks, self.hook_state, self.extra = hooks, hook_state, extra
        self.last_capability = last_capability

    def channels(self) -> list[int]:
        """Return the descriptors that stay open until the payload is executed, and no longer."""
        return [each for each in (self.sync, self.go, self.result) if each is not None]

    def descriptors(self) -> list[int]:
        """Return all that must survive the execution of the player, the script's own aside."""
        more = [each for each in (self.procfs, self.joined_pid) if each is not None]
        return [*range(3, 3 + self.preserve), *self.channels(), *more]


def compose(order: Order) -> list[Operation]:
    """Put the last steps in their order."""
    # Without it the filter needs CAP_SYS_ADMIN, which goes with the ids, so it must allow all that
    # follows; what can come earlier does.
    late = order.no_new_privs
    there = chdir(order)
    return [
        *_begin(order),
        *label(order),
        *joining.join(order),
        *order.extra,
        *umask(order),
        *signals(),
        there,  # as root: the payload's user may not be allowed to walk there
        *inside(),
        # The last that a filter might refuse although the payload never asks for it.
        *close(order.preserve, order.channels()),
        *([] if late else credentials.load_filter(order)),
        *credentials.bounding_set(order),  # PR_CAPBSET_DROP is EPERM after the ids
        *credentials.ids(order),
        *chdir_again(order, there),
        *credentials.capability_sets(order),
        *credentials.no_new_privs(order),
        # Seen from a shared pid namespace only now, when nothing is left to take.
        *joining.fork(order),
        *(credentials.load_filter(order) if late else []),
        *_wait(order),
        *_hooks(order),
        steps.Execute(order.candidates, order.args, order.env),
    ]


def encode(operations: list[Operation], base: int = BASE) -> bytes:
    """Lay the script down as the player maps it at `base`.

    Raises:
        RuntimeFailure: a text with a NUL inside.
    """
    return steps.flat(operations, base)


def name(order: Order) -> Operation:
    """Bear the payload's name from now on."""
    short = order.args[0].rpartition("/")[2][:15]
    return credentials.prctl(f'take the name "{short}"', _PR_SET_NAME, short)


def _begin(order: Order) -> list[Operation]:
    """Close the process to tracers before it gives anything up, and the descriptors to execve."""
    return [
        steps.Report("report failures to the parent", order.sync),
        credentials.non_dumpable(),
        *(
            steps.Call(f"close {said} on execution", "fcntl", (each, *_CLOEXEC))
            for said, each in zip(_CHANNELS, order.channels(), strict=False)
        ),
        name(order),
    ]


def label(order: Order) -> list[Operation]:
    """Have the payload labelled, where the config says so."""
    if not order.labels:
        return []
    from pyruntime.container import labelling  # loaded by the parent

    return labelling.write(order)


def chdir(order: Order) -> Operation:
    """Go to the working directory as root; where that is refused, `chdir_again` comes later."""
    words = f'chdir to cwd ("{order.cwd}") set in config.json failed'
    refused = (_EPERM, _EACCES)
    return steps.Call(f"go to {order.cwd}", "chdir", (order.cwd,), words, tolerated=refused)


def chdir_again(order: Order, first: Operation) -> list[Operation]:
    """Go to the working directory as the user if root could not, and look again where that is."""
    words = f'chdir to cwd ("{order.cwd}") set in config.json failed'
    again = [
        steps.Call(f"go to {order.cwd} as the user", "chdir", (order.cwd,), words),
        *inside(),
    ]
    refused = f"if going to {order.cwd} was refused before:"
    return [steps.Skip(refused, memory.Result(first), len(again)), *again]


def inside() -> list[Operation]:
    """See that the working directory is inside.

    getcwd(2) gives `(unreachable)/…`, and no error, for a directory of the host that was reached
    through a leaked descriptor (CVE-2024-21626).
    """
    inside, scratch = "see that the working directory is inside", memory.Scratch()
    return [
        steps.Call("ask where that is", "getcwd", (scratch, _PATH_MAX), _ESCAPED),
        steps.Expect(inside, scratch, ord("/"), _ESCAPED),
    ]


def umask(order: Order) -> list[Operation]:
    """Set the mask; Python keeps its own, or the modes of what it makes would be bent."""
    if order.umask is None:
        return []
    return [steps.Call(f"set the umask to {order.umask:04o}", "umask", (order.umask,))]


def signals() -> list[Operation]:
    """Undo what Python (SIGPIPE, SIGXFSZ) and the caller left; SIGKILL and SIGSTOP are refused."""
    default, none = bytes(32), bytes(8)
    action = (1, default, 0, len(none))
    return [
        steps.Call(
            "set signals 1 to 64 to their defaults", "rt_sigaction", action,
            tolerated=(_EINVAL,), times=64,
        ),
        steps.Call("block no signal", "rt_sigprocmask", (_SIG_SETMASK, none, 0, len(none))),
    ]  # fmt: skip


def gaps(first: int, kept: list[int]) -> list[tuple[int, int]]:
    """Return the ranges of descriptors from `first` on that hold none of `kept`."""
    found = []
    for each in sorted(set(kept)):
        if each > first:
            found.append((first, each - 1))
        first = max(first, each + 1)
    return [*found, (first, _LAST)]


def close(preserve: int, kept: list[int]) -> list[Operation]:
    """Close what nobody named, whatever it is and whoever left it open."""
    return [
        steps.Call(f"close descriptors {low} to {high if high < _LAST else 'the last'}",
                   "close_range", (low, high, 0))
        for low, high in gaps(3 + preserve, kept)
    ]  # fmt: skip


def _wait(order: Order) -> list[Operation]:
    """Say "created" by closing the socket and wait for the go; `run` waits for nothing.

    Later failures go to `start` through the fifo and to the container's own stderr.
    """
    if order.go is None:
        return []
    read = steps.Call("wait for the go", "read", (order.go, memory.Scratch(), 1), again=True)
    late = -1 if order.result is None else order.result
    return [
        steps.Report("report failures to start, and on stderr", late, 2),
        steps.Call("say that the container is created", "close", (order.sync,)),
        read,
        steps.Expect("go on if it is one byte", memory.Result(read), 1, "the go fifo was closed"),
    ]


def _hooks(order: Order) -> list[Operation]:
    """Run the hooks as the payload's user, under its filter, as runc does."""
    return [
        steps.Hook(
            hook.number, hook.path, hook.args, order.env if hook.env is None else hook.env,
            hook.timeout, order.hook_state,
        )
        for hook in order.hooks
    ]  # fmt: skip
