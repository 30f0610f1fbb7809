"""What a new user namespace adds to a birth, told as mapping.py does it; part of forecast.py."""

from __future__ import annotations

from pyruntime.container.obstacles import Deed
from pyruntime.feature.devices import DeviceStep
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.plan import Plan
    from pyruntime.feature.step import Step
    from pyruntime.feature.usernamespace import UserNamespaceStep


def clone(plan: Plan) -> Iterator[Step]:
    """Tell what Mapping.clone and Mapping.write do, in the parent."""
    user, joined = plan.user, plan.namespaces.paths
    if user is None:
        return
    for kind, where in joined.items():
        said = f"join the {kind} namespace {where} for a moment, so that the child is born in it"
        yield Deed("join", said, path=where)
    first = _listed(plan.namespaces.clone_flags())
    yield Deed("clone", f"make the child by clone3, in the cgroup and in new namespaces: {first}")
    if joined:
        yield Deed("leave", f"go back to its own namespaces: {', '.join(joined)}")
    said = "write the child's uid_map and gid_map"
    yield Deed("maps", said, uid_map=user.uid_map, gid_map=user.gid_map)
    if user.cgroup_owner is not None:
        said = f"give the cgroup to uid {user.cgroup_owner} of the host"
        kept = "with those of its files that the kernel names for that"
        yield Deed("ownership", f"{said}, {kept}", uid=user.cgroup_owner)
    yield Deed("mapped", "let the child go on, which waits for its maps")


def enter(plan: Plan) -> Iterator[Step]:
    """Tell what mapping.enter does, in the child."""
    user = plan.user
    if user is None:
        return
    yield user
    yield Deed("root", "become uid and gid 0 there, with no group of the caller")
    if user.later:
        later = _listed(user.later)
        yield Deed("unshare", f"make what shall be that root's own, new namespaces: {later}")
    if plan.network_devices:
        yield Deed("entered", "say that it is there, and wait for its network devices")


def _listed(flags: int) -> str:
    return ", ".join(kind for kind, flag in words.NAMESPACES.items() if flags & flag)


def lend_rootfs(plan: Plan) -> Iterator[Step]:
    """Tell how the parent helps where the way to the rootfs is closed."""
    if plan.user:
        said = "the rootfs, if the way to it is closed to"
        yield Deed("lend", _lent(plan.user, said), path=plan.rootfs.directory)


def lend_sources(plan: Plan) -> Iterator[Step]:
    """Tell how the parent helps with the sources of binds."""
    found = [step.source for step in plan.mounts if step.kind == "bind" and not step.remount]
    if plan.user and found:
        said = "each source of a bind below, if it is closed to"
        yield Deed("lend", _lent(plan.user, said), paths=found)


def _lent(user: UserNamespaceStep, said: str) -> str:
    whom = f"uid {user.outside(0)} of the host"
    return f"fetch {said} {whom}: a process of its own clones it in the child's mount namespace"


def bind_devices(plan: Plan) -> Iterator[Step]:
    """Tell what becomes of the nodes, which devices.apply may not make there."""
    nodes = [step.path for step in plan.devices if isinstance(step, DeviceStep)]
    if plan.user and nodes:
        said = "bind the host's own node wherever one is to be made now, which only the host may"
        yield Deed("bind", said, paths=nodes)
