"""Small configurations with one change, for the tests of the rules."""

from __future__ import annotations

from unit.spec import configs

from pyruntime.spec import explain, rules

KINDS = ("pid", "mount", "uts", "ipc", "network")


def found(pointer, value, base=None):
    """The problems of a small configuration with one change, by pointer."""
    config = configs.changed(base or configs.small(), pointer, value)
    assert explain.disagreements(config, explain.schema("config")) == []
    return dict(rules.broken(config))


def without(kind):
    config = configs.small()
    config["linux"]["namespaces"] = [{"type": other} for other in KINDS if other != kind]
    return config


def with_namespace(kind, **more):
    config = configs.small()
    config["linux"]["namespaces"].append({"type": kind, **more})
    return config


def removed(key):
    config = configs.small()
    del config[key]
    return dict(rules.broken(config))
