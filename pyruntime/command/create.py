"""`create ID`: make a container that waits for `start`."""

from __future__ import annotations

from pyruntime.command import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line
    from pyruntime.container.caller import Caller


def perform(line: Line, root: str, caller: Caller) -> int:
    """Create the container.

    Raises:
        Unsupported: the cgroup driver that the line asks for is not built yet.
    """
    cgroups, rootless = drivers(line)
    from pyruntime.container import create

    create.create(
        root,
        line.words[0],
        caller=caller,
        bundle=text(line, "bundle") or ".",
        pid_file=text(line, "pid_file"),
        no_pivot="no_pivot" in line.options,
        no_new_keyring="no_new_keyring" in line.options,
        preserve_fds=grammar.number(line.options, "preserve_fds"),
        console_socket=text(line, "console_socket"),
        pidfd_socket=text(line, "pidfd_socket"),
        cgroups=cgroups,
        rootless=rootless,
    )
    return 0


def text(line: Line, name: str) -> str | None:
    """Return the text of an option, None if it was not given or is empty."""
    return str(line.options.get(name, "")) or None


def drivers(line: Line) -> tuple[str, str]:
    """Return who makes the cgroups, and whether the caller may do without: see plan.Wishes.

    Only where a container is made: engines pass the options with every command.

    Raises:
        Unsupported: the driver is not built yet.
    """
    driver = str(line.settings.get("cgroup_manager", "cgroupfs"))
    if "systemd_cgroup" in line.settings:
        driver = "systemd"
    given = str(line.settings.get("rootless", "")).lower()
    return driver, {"1": "true", "t": "true", "0": "false", "f": "false"}.get(given, given)
