"""A new user namespace: root inside is an ordinary user outside (user_namespaces(7)).

The order is what counts. The namespace is made first, with the child; its maps come from the
parent; then the child becomes root, which only now has an id; and then it makes the namespaces
whose files bear an owner: made with the user namespace in one call, /sys/class/net and the queues
of mqueue would belong to nobody. Loaded by the plan of containers that have one.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.cgroup import ownership
from pyruntime.feature.step import Step
from pyruntime.kernel import credentials, process
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.host import Host
    from pyruntime.feature.namespaces import NamespacesStep
    from pyruntime.spec.shapes import Config, IdMapping

# What the parent can enter and leave again, so that the child is born there: in its user namespace
# it has no right to join what the host owns.
JOINABLE = ("ipc", "uts", "network", "time")


class UserNamespaceStep(Step):
    """Enter a new user namespace with these maps, each the text of its file, one range a line.

    `later` are the flags (CLONE_NEW…) of the namespaces that are made inside it, `cgroup_owner` the
    uid of the host to which the container's cgroup goes, None for nobody. `programs` are those that
    write a map, by its file; `alone` tells that the gid map is of the caller's own group, written
    by the caller, and `sets_groups` whether setgroups(2) is allowed inside: see idmaps.py.
    """

    __slots__ = (
        "alone", "cgroup_owner", "gid_map", "later", "programs", "sets_groups", "uid_map",
    )  # fmt: skip

    def __init__(self, uid_map: str, gid_map: str, later: int) -> None:
        self.uid_map, self.gid_map, self.later = uid_map, gid_map, later
        self.cgroup_owner: int | None = None
        self.programs: dict[str, str] = {}
        self.alone, self.sets_groups = False, True

    def outside(self, uid: int) -> int:
        """Return the uid of the host that a mapped uid of the container is."""
        ranges = [tuple(map(int, line.split())) for line in self.uid_map.splitlines()]
        return next(
            host + uid - first for first, host, count in ranges if first <= uid < first + count
        )

    def describe(self) -> str:
        """Tell both maps, each range as the kernel reads it: first inside, first outside, count."""
        uids, gids = (", ".join(text.splitlines()) for text in (self.uid_map, self.gid_map))
        told = f"enter a new user namespace, uids {uids}, gids {gids}"
        owner = self.cgroup_owner
        return told if owner is None else f"{told}; its cgroup is for uid {owner} of the host"


def plan(config: Config, spaces: NamespacesStep, host: Host) -> UserNamespaceStep:
    """Work out the maps of a checked config whose user namespace is new.

    Raises:
        Unsupported: the namespace of another type cannot be joined.
        SpecError: the mount namespace is not new, or groups are wished that may not be had.
    """
    if "mount" not in spaces.new:
        told = "a new user namespace needs a new mount namespace: it may not mount in another's"
        raise errors.SpecError([("/linux/namespaces", told)])
    wrong = [kind for kind in spaces.paths if kind not in JOINABLE]
    if wrong:
        raise errors.Unsupported(
            f"linux.namespaces type {wrong[0]} with a path beside a new user namespace"
            " is not supported yet"
        )
    linux = config["linux"]
    step = UserNamespaceStep(
        _text(linux["uidMappings"]), _text(linux["gidMappings"]), spaces.later_flags()
    )
    step.sets_groups = host.setgroups
    if host.euid != 0:
        _share(step, config, host)
    elif "cgroup" in spaces.new and ownership.is_wished(config):
        user = config["process"].get("user") or {"uid": 0}
        step.cgroup_owner = step.outside(user["uid"])
    return step


def _share(step: UserNamespaceStep, config: Config, host: Host) -> None:
    """Work out who writes the maps of a caller that is not root, and what becomes of its groups.

    Raises:
        SpecError: groups are wished, and none but the caller's own can be had.
    """
    if step.uid_map != f"0 {host.euid} 1\n":
        step.programs["uid_map"] = "newuidmap"
    if step.gid_map != f"0 {host.egid} 1\n":
        step.programs["gid_map"] = "newgidmap"
        return
    step.alone, step.sets_groups = True, False
    user = config["process"].get("user")
    if user and user.get("additionalGids"):
        told = (
            "a caller that is not root and maps its own group alone has no others to give:"
            " leave them out, or map more by linux.gidMappings"
        )
        raise errors.SpecError([("/process/user/additionalGids", told)])


def _text(mappings: list[IdMapping]) -> str:
    """Return the map as the kernel reads it."""
    return "".join(f"{each['containerID']} {each['hostID']} {each['size']}\n" for each in mappings)


def enter(step: UserNamespaceStep) -> None:
    """Become root inside and make what root shall own; called in the child, once there are maps.

    It stays dumpable until it takes that back itself, or its files in /proc would be the host's.

    Raises:
        KernelError: a call failed.
    """
    with doing("become root in the new user namespace"):
        credentials.become_root(step.sets_groups)
        credentials.be_dumpable()
    if step.later:
        kinds = [kind for kind, flag in words.NAMESPACES.items() if step.later & flag]
        with doing("make the namespaces", ", ".join(kinds)):
            process.unshare(step.later)
