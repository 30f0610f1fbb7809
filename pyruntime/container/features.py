"""Features: what this runtime can do, asked of the code that obeys it.

Words come from the features' own `known()`; whether a key is obeyed is asked of the check that
create makes: it refuses by name what is not built. So a key that leaves spec/supported.py is told
here without a further change.
"""

from __future__ import annotations

import pyruntime
from pyruntime import errors
from pyruntime.feature import capabilities, hooks, namespaces, seccomp
from pyruntime.spec import check, table, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# runc obeys these, and a caller who trusts its own lists should not let strangers set them; this
# version obeys no annotation.
_UNSAFE_ANNOTATIONS = ["bundle", "org.systemd.property.", "org.criu.config"]
# The release whose commands, texts and exit codes are followed. Third parties may tell it;
# runc.commit they should not (runc, types/features).
_RUNC = "1.5.1"
_IDS = [{"containerID": 0, "hostID": 1000, "size": 1}]
_MAPPINGS = {"uidMappings": _IDS, "gidMappings": _IDS}
_RESCTRL: dict[str, dict[str, object]] = {
    "enabled": {},
    "schemata": {"schemata": ["L3:0=f"]},
    "monitoring": {"enableMonitoring": True},
}
_NODES: tuple[dict[str, str], ...] = ({}, {"nodes": "0"})


def features() -> dict[str, object]:
    """Return the document of runtime-spec, features.md; nothing of it is probed on the host."""
    return {
        "ociVersionMin": words.VERSIONS[0],
        "ociVersionMax": words.VERSIONS[1],
        "hooks": hooks.known(),
        "mountOptions": sorted(filter(_mounts_with, words.MOUNT_OPTIONS)),
        "linux": {
            "namespaces": namespaces.known(),
            "capabilities": capabilities.known(),
            "cgroup": {
                "v1": False,
                "v2": True,
                "systemd": True,
                "systemdUser": True,
                "rdma": _obeys(linux={"resources": {"rdma": {"a": {"hcaHandles": 1}}}}),
            },
            "seccomp": seccomp.known(),
            **_labels_and_devices(),
        },
        "annotations": {
            "io.github.pyruntime.version": pyruntime.__version__,
            "org.opencontainers.runc.checkpoint.enabled": "false",
            "org.opencontainers.runc.version": _RUNC,
        },
        "potentiallyUnsafeConfigAnnotations": _UNSAFE_ANNOTATIONS,
    }


def _labels_and_devices() -> dict[str, object]:
    """Return the members of features-linux.md that are a flag for each key."""
    label = {"selinuxLabel": "a:b:c:s0"}
    moved = [{"type": kind} for kind in ("mount", "network")]
    return {
        "apparmor": {"enabled": _obeys(process={"apparmorProfile": "a"})},
        "selinux": {"enabled": _obeys(process=label, linux={"mountLabel": "a:b:c:s0"})},
        **_memory_policies(),
        "intelRdt": {
            name: _obeys(linux={"intelRdt": {"closID": "a", **wish}})
            for name, wish in _RESCTRL.items()
        },
        "mountExtensions": {"idmap": {"enabled": _mounts_with("idmap")}},
        "netDevices": {"enabled": _obeys(linux={"namespaces": moved, "netDevices": {"eth0": {}}})},
    }


def _memory_policies() -> dict[str, object]:
    """Return memoryPolicy, or nothing while no policy is obeyed: the member may be absent."""
    known = table.MEMORY_POLICY[1]
    modes, flags = known["mode"][1], known["flags"][1][1]
    obeyed = [mode for mode in modes if any(_sets_policy(mode, nodes) for nodes in _NODES)]
    return {"memoryPolicy": {"modes": obeyed, "flags": list(flags)}} if obeyed else {}


def _sets_policy(mode: str, nodes: dict[str, str]) -> bool:
    return _obeys(linux={"memoryPolicy": {"mode": mode, **nodes}})


def _mounts_with(option: str) -> bool:
    """Tell whether a mount of some kind can have this option."""
    tmpfs = {"destination": "/a", "type": "tmpfs", "options": [option]}
    bind = {"destination": "/a", "source": "/a", "options": ["rbind", option]}
    mapped = {**bind, **_MAPPINGS}
    return any(_obeys(mounts=[mount]) for mount in (tmpfs, bind, mapped))


def _obeys(
    process: dict[str, Any] | None = None,
    linux: dict[str, Any] | None = None,
    mounts: list[dict[str, Any]] | None = None,
) -> bool:
    """Tell whether create would accept a small configuration with these wishes."""
    try:
        check.check(
            {
                "ociVersion": words.VERSIONS[1],
                "root": {"path": "rootfs"},
                "process": {"cwd": "/", "args": ["a"], **(process or {})},
                "linux": {"namespaces": [{"type": "mount"}], **(linux or {})},
                "mounts": mounts or [],
            }
        )
    except (errors.SpecError, errors.Unsupported):
        return False
    return True
