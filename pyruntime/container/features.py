"""Features: what this runtime can do, generated from the words that the code obeys."""

from __future__ import annotations

import pyruntime
from pyruntime.feature import attributes, capabilities, hooks, namespaces, seccomp
from pyruntime.spec import words

_UNSAFE_ANNOTATIONS = ["bundle", "org.systemd.property.", "org.criu.config"]


def features() -> dict[str, object]:
    """Return the document of runtime-spec, features.md; nothing of it is probed on the host."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "hooks": hooks.known(),
        "mountOptions": sorted(_options()),
        "linux": {
            "namespaces": namespaces.known(),
            "capabilities": capabilities.known(),
            "cgroup": {
                "v1": False,
                "v2": True,
                "systemd": False,
                "systemdUser": False,
                "rdma": False,
            },
            "seccomp": seccomp.known(),
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "memoryPolicy": attributes.known_memory_policies(),
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": False}},
            "netDevices": {"enabled": False},
        },
        "annotations": {
            "io.github.pyruntime.version": pyruntime.__version__,
            "org.opencontainers.runc.checkpoint.enabled": "false",
        },
        "potentiallyUnsafeConfigAnnotations": _UNSAFE_ANNOTATIONS,
    }


def _options() -> list[str]:
    """Return the mount options that are obeyed; those waiting for their issue are left out."""
    waiting = ("extension", "idmap")
    return [name for name, (kind, _, _) in words.MOUNT_OPTIONS.items() if kind not in waiting]
