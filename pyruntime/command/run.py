"""`run ID`: create a container and run it, in the foreground unless --detach."""

from __future__ import annotations

from pyruntime.command import create, grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line
    from pyruntime.container.caller import Caller


def perform(line: Line, root: str, caller: Caller) -> int:
    """Run the container; return the exit status of its process (0 with --detach).

    Raises:
        Unsupported: the cgroup driver that the line asks for is not built yet.
    """
    cgroups, rootless = create.drivers(line)
    from pyruntime.container import run

    return run.run(
        root,
        line.words[0],
        caller=caller,
        bundle=create.text(line, "bundle") or ".",
        pid_file=create.text(line, "pid_file"),
        no_pivot="no_pivot" in line.options,
        no_new_keyring="no_new_keyring" in line.options,
        preserve_fds=grammar.number(line.options, "preserve_fds"),
        console_socket=create.text(line, "console_socket"),
        pidfd_socket=create.text(line, "pidfd_socket"),
        cgroups=cgroups,
        rootless=rootless,
        detach="detach" in line.options,
        keep="keep" in line.options,
        no_subreaper="no_subreaper" in line.options,
    )
