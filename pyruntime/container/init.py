"""A container's birth, told by the child: from clone3 to the native program.

Read `main` from top to bottom: it is the order of things, and the order is the subject. The
reasons for each place are in ARCHITECTURE.md, "The order of a birth".
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.container import program, script, seal, steps
from pyruntime.errors import doing
from pyruntime.feature import devices, masks, mounts, namespaces, rootfs
from pyruntime.kernel import door, keyring, memfd, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pyruntime.container.gifts import Gifts
    from pyruntime.container.plan import Plan
    from pyruntime.container.talk import Line

_UMASK = 0o022  # of the payload where the config gives none, as with runc and crun


def main(plan: Plan, line: Line, gifts: Gifts) -> NoReturn:
    """Live as the child; ends in the native program, or in one message of failure."""
    try:
        gifts.leave_to_parent()
        seal.seal(lambda text: line.say("failed", text))
        posix.setsid()
        umask = posix.umask(0)

        _enter_user_namespace(plan, line)
        _set_clocks(plan)
        namespaces.enter(plan.namespaces, gifts.namespaces)
        _set_names(plan)
        root = _attach_root(plan, gifts, line)
        late, anchors = _mount_all(plan, root, gifts, line)
        _make_devices(plan, root)
        _make_working_directory(plan, root)
        procfs_handle = _open_procfs(plan)
        labelling = _open_labelling(gifts)
        _let_parent_run_hooks(plan, line)
        _run_create_container_hooks(plan, gifts, root, umask)

        rootfs.enter(plan.rootfs, root)

        _take_terminal(gifts, root)
        devices.replace_null(root)
        _set_sysctls(plan, procfs_handle)
        masks.apply(plan.masks, root, anchors, plan.mount_label)
        for step, mounted in late:
            masks.make_readonly(step.destination, mounted)
        rootfs.finish(plan.rootfs)
        _join_keyring(plan, labelling)
        order = _last_steps(plan, line, gifts, root, labelling)

        written = _write(order)

        line.say("ready")
        line.expect("proceed")
        _become_native(written, order, gifts)
    except errors.RuntimeFailure as failure:
        line.say("failed", failure.say())
    except Exception as error:  # noqa: BLE001 - nothing may leave the child but in words
        line.say("failed", f"internal error: {type(error).__name__}: {error}")
    finally:
        posix._exit(1)  # noqa: SLF001


def _enter_user_namespace(plan: Plan, line: Line) -> None:
    """Become root of the new user namespace, before anything is made that root shall own."""
    if plan.user:
        from pyruntime.container import mapping  # loaded by the parent

        mapping.enter(plan, plan.user, line)


def _set_clocks(plan: Plan) -> None:
    """Make the time namespace, before a joined mount namespace could give another /proc."""
    if plan.clocks:
        from pyruntime.feature import clocks  # loaded by the plan

        clocks.enter(plan.clocks)


def _set_names(plan: Plan) -> None:
    """Set host and domain name of the new UTS namespace."""
    for step in plan.names:
        with doing(step.call, step.name):
            name = step.name.encode("utf-8", "surrogateescape")
            door.call(step.call, name, len(name))


def _attach_root(plan: Plan, gifts: Gifts, line: Line) -> int:
    """Cut the mount namespace off from the caller's and mount the rootfs."""
    if gifts.root is not None:
        return gifts.root
    if plan.user:
        from pyruntime.container import mapping

        return mapping.attach_root(plan, plan.user, line)
    rootfs.isolate(plan.rootfs)
    return rootfs.attach(plan.rootfs)


def _mount_all(
    plan: Plan, root: int, gifts: Gifts, line: Line
) -> tuple[list[tuple[mounts.MountStep, int]], dict[str, int]]:
    """Take the mount list in order; return what becomes read-only late, and proc and sysfs."""
    late: list[tuple[mounts.MountStep, int]] = []
    anchors: dict[str, int] = {}
    bind: mounts.Bind = mounts.bind
    if plan.user:
        from pyruntime.container import mapping

        bind = mapping.binder(plan, line)
    for step in plan.mounts:
        mounted = mounts.apply(step, root, gifts.namespaces.get("pid"), bind)
        for covered in [place for place in anchors if _covers(step, place)]:
            posix.close(anchors.pop(covered))
        if mounted is not None and step.late:
            late.append((step, mounted))
        elif mounted is not None:
            anchors[step.destination] = mounted
    return late, anchors


def _covers(step: mounts.MountStep, place: str) -> bool:
    """Tell whether a mount hides what was mounted at `place` before."""
    return not step.remount and f"{place}/".startswith(f"{step.destination}/")


def _make_devices(plan: Plan, root: int) -> None:
    """Make the nodes and links of /dev."""
    for step in plan.devices:
        devices.apply(step, root)


def _make_working_directory(plan: Plan, root: int) -> None:
    """Make process.cwd where it is missing, while the root can be written."""
    cwd = plan.config["process"]["cwd"]
    with doing("make the working directory", cwd):
        posix.close(path.make_directory(root, cwd))


def _let_parent_run_hooks(plan: Plan, line: Line) -> None:
    """Wait for the hooks that the parent runs, and for what these and parameters may want."""
    if plan.network_devices and not plan.user:  # in a user namespace they are there by now
        line.expect("given")
    if plan.hooks["prestart"] or plan.hooks["createRuntime"]:
        line.say("hooks")
        line.expect("hooked")


def _run_create_container_hooks(plan: Plan, gifts: Gifts, root: int, umask: int) -> None:
    """Run these in the container's namespaces, while their paths still are the caller's.

    They begin in the rootfs, to which root of a user namespace may not be able to walk.
    """
    if not plan.hooks["createContainer"]:
        return
    from pyruntime.feature import hookrun  # loaded by the parent

    hookrun.run(
        plan.hooks["createContainer"],
        gifts.document("creating"),
        directory=root,
        environment={},
        umask=umask,
    )


def _take_terminal(gifts: Gifts, root: int) -> None:
    """Open the container's terminal; in a joined pid namespace it controls the process there."""
    if gifts.terminal and gifts.console is not None:
        from pyruntime.container import console  # loaded by the parent

        controls = "pid" not in gifts.namespaces
        console.take(gifts.terminal, root, gifts.console, controls=controls)


def _open_procfs(plan: Plan) -> int | None:
    """Open a private procfs for the kernel parameters, while a procfs can still be made."""
    if not plan.sysctls:
        return None
    from pyruntime.feature import procfs  # loaded by the plan

    with doing("make a private procfs"):
        return procfs.private()


def _open_labelling(gifts: Gifts) -> int | None:
    """Open a private procfs for the payload's labels, which the native program writes."""
    if not gifts.labels:
        return None
    from pyruntime.feature import procfs  # loaded by the parent

    with doing("make a private procfs"):
        return procfs.own_processes()


def _set_sysctls(plan: Plan, procfs_handle: int | None) -> None:
    """Write the kernel parameters of the container's namespaces."""
    if procfs_handle is not None:
        from pyruntime.feature import sysctl  # loaded by the plan

        for step in plan.sysctls:
            sysctl.apply(step, procfs_handle)
        posix.close(procfs_handle)


def _join_keyring(plan: Plan, labelling: int | None) -> None:
    """Give the container a session keyring of its own, so that it cannot search the caller's."""
    if not plan.keyring:
        return
    if labelling is not None:
        from pyruntime.feature import confinement  # loaded by the plan

        with confinement.keys_labelled(plan.labels, labelling):
            _join_session(plan.keyring)
    else:
        _join_session(plan.keyring)


def _join_session(name: str) -> None:
    """Join the session keyring `name`; a kernel without keyrings has none to search either."""
    with doing("join the session keyring", name):
        try:
            keyring.allow(keyring.join_session(name), keyring.USER_SEARCH)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise


def _last_steps(
    plan: Plan, line: Line, gifts: Gifts, root: int, labelling: int | None
) -> script.Order:
    """Look the program up and gather what the native program is to do."""
    process = plan.config["process"]
    user = process.get("user") or {"uid": 0, "gid": 0}
    env = program.environment((process.get("env") or []) + gifts.words(), user["uid"], root)
    args = process["args"]
    return script.Order(
        args=args,
        candidates=program.candidates(args[0], env, process["cwd"], root),
        env=env,
        cwd=process["cwd"],
        uid=user["uid"],
        gid=user["gid"],
        groups=plan.groups(),
        umask=user.get("umask", _UMASK),
        no_new_privs=process.get("noNewPrivileges", False),
        capabilities=plan.capabilities,
        filter=gifts.filter.program if gifts.filter else None,
        filter_flags=gifts.filter.flags if gifts.filter else 0,
        listens=plan.filter is not None and plan.filter.agent is not None,
        labels=gifts.labels,
        procfs=labelling,
        hooks=plan.hooks["startContainer"],
        hook_state=gifts.document("created"),
        sync=line.fileno(),
        go=gifts.go,
        result=gifts.result,
        preserve=plan.wishes.preserve,
        last_capability=plan.host.last_capability,
        joined_pid=gifts.namespaces.get("pid"),
        terminal=plan.terminal is not None,
        extra=[
            steps.Call(step.said, step.call, step.arguments, step.words) for step in plan.attributes
        ],
    )


def _write(order: script.Order) -> int:
    """Write the native program's script, while the payload's limits are not set yet."""
    content = script.encode(script.compose(order))
    with doing("write the script of the native program"):
        return memfd.sealed("script", content, executable=False)


def _become_native(written: int, order: script.Order, gifts: Gifts) -> NoReturn:
    """Execute the native program with its script; the end of Python in this process."""
    with doing("execute the native program"):
        for descriptor in (written, *order.descriptors()):
            posix.set_inheritable(descriptor, True)  # noqa: FBT003 - its one form
        memfd.execute(gifts.player, ["pyruntime", "init"], [str(written)])
