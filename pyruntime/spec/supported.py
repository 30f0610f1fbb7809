"""The keys that are right but not built yet: refused by name, never ignored.

An issue that builds one takes it out here.
"""

from __future__ import annotations

from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.spec.shapes import Config



def wanting(config: Config) -> list[str]:
    """Return the keys of a valid configuration that cannot be obeyed yet."""
    linux: Any = config.get("linux", {})
    found = _mounts(config)
    found += ["linux.namespaces type user with a path"] if _joins_user(linux) else []
    return found


def _joins_user(linux: Any) -> bool:
    spaces = linux.get("namespaces", ())
    return any(entry["type"] == "user" and entry.get("path") for entry in spaces)


def _mounts(config: Config) -> list[str]:
    """Name id mappings, whether given as options or as keys."""
    found: dict[str, None] = {}
    for mount in config.get("mounts", ()):
        for option in mount.get("options", ()):
            name = option.partition("=")[0]
            if words.MOUNT_OPTIONS.get(name, "")[:1] == ("idmap",):
                found[f"mount option {name}"] = None
        for key in ("uidMappings", "gidMappings"):
            if mount.get(key):
                found[f"mounts[].{key}"] = None
    return list(found)


