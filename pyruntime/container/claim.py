"""The state directory of a container that is being created: what only create and run write."""

from __future__ import annotations

import errno
import posix
import time

from pyruntime import errors, jsonfile, plainjson
from pyruntime.container import store
from pyruntime.errors import doing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.plan import Plan
    from pyruntime.container.store import State

_STICKY_PRIVATE = 0o1700
_OCI_VERSION = "1.3.0"
_NOT_OURS = "set XDG_RUNTIME_DIR to a directory of this user's, or use --root"


class Claim(store.Entry):
    """An entry that is ours to fill."""

    __slots__ = ()

    def make(self, root: str) -> None:
        """Claim the id.

        Raises:
            AlreadyExists: somebody has it.
            KernelError: the directory cannot be made.
        """
        _make_root(root)
        with doing("make the state directory", self.directory):
            try:
                posix.mkdir(self.directory, 0o700)
            except FileExistsError:
                raise errors.AlreadyExists from None
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
            try:
                posix.close(posix.open(self.path("lock"), flags, 0o600))
            except OSError:
                posix.rmdir(self.directory)
                raise

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all.

        Raises:
            KernelError: it cannot be written.
        """
        temporary = self.path(f"{name}.new")
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
        with doing("write", self.path(name)):
            descriptor = posix.open(temporary, flags, 0o600)
            try:
                while content:
                    content = content[posix.write(descriptor, content) :]
            finally:
                posix.close(descriptor)
            posix.rename(temporary, self.path(name))

    def save(self, state: State) -> None:
        """Write state.json.

        Raises:
            KernelError: it cannot be written.
        """
        text = plainjson.write(state) or jsonfile.encode(state)
        self.write("state.json", text.encode("utf-8", "surrogateescape"))

    def trace(self, state: State) -> None:
        """Note what will exist outside of the directory, before it does.

        Args:
            state: of the container; its cgroup with the unit that it belongs to, its mount on the
                host, its groups of resctrl.

        Raises:
            KernelError: it cannot be written.
        """
        unit = state.get("unit", "")
        told = [state["cgroup"], unit, state["mounted"], *state.get("resctrl", ())]
        self.write("traces", jsonfile.encode(told).encode("utf-8"))

    def make_fifos(self) -> tuple[int, int]:
        """Make both fifos and open them for both ends, so that neither open waits nor ends.

        Returns:
            Descriptors of go and result.

        Raises:
            KernelError: they cannot be made.
        """
        opened: list[int] = []
        for name in (store.GO, store.RESULT):
            with doing("make the fifo", self.path(name)):
                posix.mkfifo(self.path(name), 0o600)
                opened.append(posix.open(self.path(name), posix.O_RDWR | posix.O_CLOEXEC))
        return opened[0], opened[1]


def _make_root(root: str) -> None:
    """Make the root of all states, ours alone.

    The sticky bit keeps it from being swept out of XDG_RUNTIME_DIR (XDG base directory
    specification: such files survive the periodic clean-up).

    Raises:
        KernelError: it cannot be made.
    """
    made = ""
    with doing("make the state root", root, {errno.EACCES: _NOT_OURS}):
        for part in root.strip("/").split("/"):
            made += f"/{part}"
            try:
                posix.mkdir(made, 0o700)
            except FileExistsError:
                continue
            if made == root and posix.geteuid() != 0:
                posix.chmod(root, _STICKY_PRIVATE)


def first_state(plan: Plan) -> State:
    """Return what state.json says of a container that is being created."""
    now = time.time_ns()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    config = plan.config
    state: State = {
        "format": store.FORMAT,
        "ociVersion": _OCI_VERSION,
        "id": plan.id,
        "pid": 0,
        "start_time": 0,
        "bundle": plan.bundle,
        "rootfs": plan.rootfs.directory,
        "created": f"{seconds}.{now % 10**9:09d}Z",
        "annotations": config.get("annotations") or {},
        "cgroup": plan.cgroup.directory,
        "mounted": "",
        "private_pid": "pid" in plan.namespaces.new,
        "keyring": plan.keyring,
        "hooks": {
            name: wishes
            for name, wishes in (config.get("hooks") or {}).items()
            if name in ("poststart", "poststop") and wishes
        },
    }
    if plan.cgroup.unit:
        state["unit"] = plan.cgroup.unit
    return state
