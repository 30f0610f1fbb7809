"""The quick check: what it returns and raises, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.spec import check, table, walk

ROOT = Path(__file__).parents[3]


def refusal(value, node=table.CONFIG):
    with pytest.raises(walk.Refused) as caught:
        walk.walk(value, node)
    return caught.value.pointer, caught.value.sentence


def test_good_configurations_pass_without_warnings():
    assert check.check(configs.small()) == []
    assert check.check(configs.podman_like()) == []


def test_unknown_keys_are_accepted_everywhere():
    config = configs.small() | {"future": {"a": 1}}
    config["process"]["future"] = None
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "future": []}
    assert check.check(config) == []


def test_blocks_of_other_platforms_are_not_looked_at():
    assert check.check(configs.small() | {"windows": 5, "vm": [], "solaris": None}) == []


@pytest.mark.parametrize("value", [None, 5, "text", [], True])
def test_a_document_that_is_no_object_is_told(value):
    with pytest.raises(errors.SpecError, match="wanted an object"):
        check.check(value)


@pytest.mark.parametrize(
    ("pointer", "value", "sentence"),
    [
        ("/process/user/uid", True, "must be an integer"),
        ("/process/user/uid", "0", "must be an integer"),
        ("/process/user/uid", 1.0, "must be an integer"),
        ("/process/user/uid", -1, "must be from 0 to 4294967295"),
        ("/process/cwd", "home", "is not a valid absolute path"),
        ("/process/args/0", 5, "must be a string"),
        ("/process/args/0", "a\0b", "is not a valid text"),
        ("/process/terminal", 1, "must be true or false"),
        ("/mounts", {}, "must be a list"),
        ("/linux/namespaces/0/type", "foo", "must be one of pid, network, mount, ipc"),
        ("/linux/seccomp/syscalls/0/names", [], "must not be empty"),
        ("/linux/sysctl/a~1b", 5, "must be a string"),
        ("/linux/resources/unified/a~1b", "1", "is not a valid file name"),
    ],
)
def test_the_walker_names_the_first_wrong_value_and_its_place(pointer, value, sentence):
    config = configs.changed(configs.every_key(), pointer, value)
    found = refusal(config)
    assert found[0] == pointer
    assert found[1].startswith(sentence)


def test_the_walker_points_at_a_missing_name():
    config = configs.every_key()
    del config["linux"]["devices"][1]["path"]
    assert refusal(config) == ("/linux/devices/1/path", "is missing")


def test_without_jsonschema_the_walkers_finding_is_the_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    config = configs.changed(configs.small(), "/process/user/uid", "0")
    with pytest.raises(errors.SpecError) as caught:
        check.check(config)
    assert caught.value.problems == [("/process/user/uid", "must be an integer")]


def test_where_jsonschema_finds_nothing_the_walker_stands_aside(monkeypatch):
    def refuse(value, node):
        raise walk.Refused("is not to my taste")

    monkeypatch.setattr(check, "walk", refuse)
    assert check.check(configs.small()) == []


def test_problems_are_told_before_keys_that_are_not_supported():
    config = configs.changed(configs.small(), "/process/terminal", True)
    config["process"]["args"] = []
    with pytest.raises(errors.SpecError) as caught:
        check.check(config)
    assert caught.value.problems == [("/process/args", "args must not be empty")]


def test_checking_a_configuration_of_podmans_size_takes_less_than_a_millisecond():
    """It may take 0.5 ms; the best of many runs counts, since machines are busy."""
    config = configs.podman_like()
    assert len(json.dumps(config, separators=(",", ":"))) > 32_000
    names = [name for rule in config["linux"]["seccomp"]["syscalls"] for name in rule["names"]]
    assert len(names) == 437
    best = 1.0
    for run in range(2000):
        start = time.perf_counter()
        check.check(config)
        best = min(best, time.perf_counter() - start)
        if run >= 50 and best < 0.001:
            break
    assert best < 0.001


def test_the_quick_check_loads_none_of_the_slow_modules():
    script = (
        "import sys; before = set(sys.modules)\n"
        "from pyruntime.spec import check, read\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    line = [sys.executable, "-IS", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}"]
    loaded = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    foreign = {name for name in loaded if not name.startswith("pyruntime")}
    assert foreign <= {"__future__", "_json"}
    assert "pyruntime.spec.explain" not in loaded
    assert "pyruntime.spec.shapes" not in loaded
