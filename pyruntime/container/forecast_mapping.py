"""What a new user namespace adds to a birth, told as mapping.py does it; part of forecast.py."""

from __future__ import annotations

from pyruntime.container.obstacles import Deed
from pyruntime.feature import idmaps
from pyruntime.feature.devices import DeviceStep
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.plan import Plan
    from pyruntime.container.surroundings import Surroundings
    from pyruntime.feature.step import Step


def clone(plan: Plan) -> Iterator[Step]:
    """Tell how the child is made: without a new user namespace at once.

    With one, tell what Mapping.clone does, in the parent.
    """
    user, joined = plan.user, plan.namespaces.paths
    cgroup = ["in the cgroup"] * bool(plan.cgroup.path)
    if user is None:
        born = " and ".join([*cgroup, *["in new namespaces"] * bool(plan.namespaces.new)])
        yield Deed("clone", "make the child by clone3" + (f", {born}" if born else ""))
        return
    for kind, where in joined.items():
        said = f"join the {kind} namespace {where} for a moment, so that the child is born in it"
        yield Deed("join", said, path=where)
    first = _listed(plan.namespaces.clone_flags())
    born = " and ".join([*cgroup, f"in new namespaces: {first}"])
    yield Deed("clone", f"make the child by clone3, {born}")
    if joined:
        yield Deed("leave", f"go back to its own namespaces: {', '.join(joined)}")


def write(plan: Plan) -> Iterator[Step]:
    """Tell what Mapping.write does, in the parent."""
    user = plan.user
    if user is None:
        return
    yield Deed("maps", idmaps.said(user), uid_map=user.uid_map, gid_map=user.gid_map)
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
    groups = "with no group of the caller" if user.sets_groups else "with the caller's groups"
    yield Deed("root", f"become uid and gid 0 there, {groups}")
    if user.later:
        later = _listed(user.later)
        yield Deed("unshare", f"make what shall be that root's own, new namespaces: {later}")
    if plan.network_devices:
        yield Deed("entered", "say that it is there, and wait for its network devices")


def _listed(flags: int) -> str:
    return ", ".join(kind for kind, flag in words.NAMESPACES.items() if flags & flag)


def lend(plan: Plan, around: Surroundings, place: str) -> Iterator[Step]:
    """Tell how the parent helps, Mapping.lend, where the way to a path is closed to the child."""
    if plan.user and place in around.closed:
        what = "the rootfs" if place == plan.rootfs.directory else place
        whom = f"uid {plan.user.outside(0)} of the host"
        said = f"fetch {what}, to which {whom} cannot walk: a process of its own clones it"
        yield Deed("lend", f"{said} in the child's mount namespace", path=place)


def bind_devices(plan: Plan) -> Iterator[Step]:
    """Tell what becomes of the nodes, which devices.apply may not make there."""
    nodes = [step.path for step in plan.devices if isinstance(step, DeviceStep)]
    if plan.user and nodes:
        said = "bind the host's own node wherever one is to be made now, which only the host may"
        yield Deed("bind", said, paths=nodes)
