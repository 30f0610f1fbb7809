"""Keys that are not built yet: named where they will be obeyed, and left out of the plan."""

from __future__ import annotations

import copy

import pytest
from unit.spec import configs

from pyruntime.container import awaited
from pyruntime.spec import supported


def told(config):
    return [(step.place, step.describe()) for step in awaited.plan(config)]


def joining(config):
    """Give the user namespace of a config a path."""
    (user,) = (each for each in config["linux"]["namespaces"] if each["type"] == "user")
    user["path"] = "/proc/1/ns/user"


def with_linux(**linux):
    config = configs.small()
    config["linux"] |= linux
    return config


def test_every_key_that_create_refuses_is_awaited_at_some_place():
    config = configs.every_key()
    joining(config)
    refused = supported.wanting(config)
    assert refused
    keys = {step.key for step in awaited.plan(config)}
    assert keys == set(refused)
    assert {step.place for step in awaited.plan(config)} <= {
        "limits", "namespaces", "terminal", "mount 1"
    }  # fmt: skip


def test_what_is_left_can_be_planned_and_the_config_is_not_changed():
    config = configs.every_key()
    joining(config)
    before = copy.deepcopy(config)
    rest = awaited.without(config, awaited.plan(config))
    assert supported.wanting(rest) == []
    assert config == before
    assert "user" not in [each["type"] for each in rest["linux"]["namespaces"]]
    assert rest["process"]["args"] == config["process"]["args"]
    small = configs.small()
    assert awaited.without(small, []) == small


def test_an_unknown_key_comes_first(monkeypatch):
    """A key that another issue leaves out for a while is not lost."""
    monkeypatch.setattr(supported, "wanting", lambda _config: ["linux.novelty"])
    assert told(with_linux(novelty={"a": 0})) == [("first", "obey linux.novelty: a 0")]


@pytest.mark.parametrize(
    ("linux", "place", "sentence"),
    [
        (
            {"namespaces": [{"type": "mount"}, {"type": "user", "path": "/x"}]},
            "namespaces",
            "obey linux.namespaces type user with a path: /x",
        ),
    ],
)
def test_a_key_is_told_with_its_value(linux, place, sentence):
    assert told(with_linux(**linux)) == [(place, sentence)]


def test_a_user_namespace_to_join_is_told_with_its_path():
    config = configs.small()
    config["linux"]["namespaces"].append({"type": "user", "path": "/proc/1/ns/user"})
    assert told(config) == [("namespaces", "obey linux.namespaces type user with a path: /proc/1/ns/user")]
    config["linux"]["namespaces"][-1] = {"type": "user"}
    assert told(config) == []


def test_the_mounts_that_are_mapped_are_known_by_their_number():
    config = configs.small()
    config["mounts"] = [
        {"destination": "/a", "source": "/a", "options": ["bind"]},
        {"destination": "/b", "source": "/b", "options": ["bind", "idmap=uids=0-1-2"]},
        {"destination": "/c", "source": "/c", "options": ["bind"], "uidMappings": [{"size": 3}]},
    ]
    assert told(config) == [
        ("mount 1", "obey mount option idmap: uids=0-1-2"),
        ("mount 2", "obey mounts[].uidMappings: size 3"),
    ]
