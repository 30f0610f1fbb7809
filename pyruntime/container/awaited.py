"""Keys that a config may have and that this version does not obey yet: what they ask for, and when.

`create` refuses them all before it does anything (spec/supported.py). A plan goes on without them,
and names each at the point at which it will be obeyed.
"""

from __future__ import annotations

from pyruntime.feature.step import Step
from pyruntime.spec import supported, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_YET = "not supported yet"
_USER = "linux.namespaces type user with a path"
# Where a key belongs in the plan (forecast.py), by how its name begins.
_PLACES = (
    ("linux.namespaces", "namespaces"),
)


class AwaitedStep(Step):
    """Obey the key `key` with the value `wish`, at the point `place` of the plan."""

    __slots__ = ("key", "place", "wish")

    def __init__(self, key: str, place: str, wish: object = None) -> None:
        self.key, self.place, self.wish = key, place, wish

    def describe(self) -> str:
        """Name the key and what it asks for."""
        told = _said(self.wish)
        return f"obey {self.key}" + (f": {told}" if told else "")


def plan(config: Any) -> list[AwaitedStep]:
    """Return a step for each key of a valid config that cannot be obeyed yet.

    Args:
        config: of any valid shape.
    """
    found: list[AwaitedStep] = []
    for name in supported.wanting(config):
        if name.startswith(("mount option ", "mounts[].")):
            found += _of_mounts(config, name)
        else:
            found.append(AwaitedStep(name, _place(name), _value(config, name)))
    return found


def _place(name: str) -> str:
    return next((place for begin, place in _PLACES if name.startswith(begin)), "first")


def _of_mounts(config: Any, name: str) -> list[AwaitedStep]:
    """Return a step for each mount that has an option or a key: its place is `mount N`."""
    kind, wanted = name.replace("mounts[].", "key ").rsplit(" ", 1)
    found = []
    for number, mount in enumerate(config["mounts"]):
        if kind == "key" and mount.get(wanted):
            found.append(AwaitedStep(name, f"mount {number}", mount[wanted]))
        options = [option.partition("=") for option in mount.get("options", ())]
        found += [
            AwaitedStep(name, f"mount {number}", value)
            for option, _, value in options
            if kind != "key" and option == wanted
        ]
    return found


def _value(config: Any, name: str) -> object:
    """Return what a key holds, "linux.cgroupsPath" say; true is nothing to tell."""
    if name == _USER:
        entries = config["linux"]["namespaces"]
        return next(entry.get("path") for entry in entries if entry["type"] == "user")
    found = config
    for part in name.partition(" ")[0].split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return None if found is True else found


def _said(value: object) -> str:
    """Say a value in a row of names and values."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}".rstrip() for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(_said(each) for each in value)
    return "" if value is None or value is True else str(value)


def without(config: Any, steps: list[AwaitedStep]) -> Any:
    """Return the config without those keys, so that a plan of the rest can be made."""
    rest = config
    for step in steps:
        if step.key == _USER:
            others = [each for each in rest["linux"]["namespaces"] if each["type"] != "user"]
            rest = {**rest, "linux": {**rest["linux"], "namespaces": others}}
        elif not step.place.startswith("mount "):
            rest = _dropped(rest, step.key.split("."))
    if any(step.place.startswith("mount ") for step in steps):
        rest = {**rest, "mounts": [_unmapped(mount) for mount in rest["mounts"]]}
    return rest


def _dropped(block: Any, way: list[str]) -> Any:
    """Return an object without the member to which a way leads, if it is there."""
    name, *below = way
    if name not in block:
        return block
    if below:
        return {**block, name: _dropped(block[name], below)}
    return {key: each for key, each in block.items() if key != name}


def _unmapped(mount: Any) -> Any:
    """Return a mount without id mappings."""
    options = [
        option
        for option in mount.get("options", ())
        if words.MOUNT_OPTIONS.get(option.partition("=")[0], "")[:1] != ("idmap",)
    ]
    kept = _dropped(_dropped(mount, ["uidMappings"]), ["gidMappings"])
    return {**kept, "options": options} if "options" in mount else kept
