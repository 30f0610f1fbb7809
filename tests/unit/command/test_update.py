"""`update`: what its options wish for."""

from importlib import import_module

import pytest

from pyruntime import errors, log
from pyruntime.command.grammar import Line


@pytest.fixture
def update(planted):
    planted("pyruntime.container.update", update=planted.recorder([]))
    return import_module("pyruntime.command.update")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("5", 5), ("-1", -1), ("1k", 1024), ("1K", 1024), ("1kb", 1024), ("1KiB", 1024),
        ("2m", 2 << 20), ("1.5g", 3 << 29), ("3 g", 3 << 30), ("1t", 1 << 40), ("1P", 1 << 50), ("7b", 7),
        ("", None), ("-2", None), ("x", None), ("1x", None), (".5m", None), ("1..5m", None), ("k", None),
        ("1m5", None), ("b", None), ("1" * 21, None), ("٣", None), ("1_0", None),
    ],
)  # fmt: skip
def test_an_amount_of_memory(update, text, size):
    assert update.amount(text) == size


def test_every_option_has_its_place(update):
    options = {
        "blkio_weight": "100", "cpu_period": "1000", "cpu_quota": "-1", "cpu_burst": "0", "cpu_share": "5",
        "cpu_rt_period": "7", "cpu_rt_runtime": "8", "cpu_idle": "1", "cpuset_cpus": "0-1",
        "cpuset_mems": "0", "memory": "1m", "memory_reservation": "2k", "memory_swap": "-1",
        "pids_limit": "-1",
    }  # fmt: skip
    assert update.wished(Line({}, "update", options, ("c",))) == {
        "blockIO": {"weight": 100},
        "cpu": {"period": 1000, "quota": -1, "burst": 0, "shares": 5, "realtimePeriod": 7,
                "realtimeRuntime": 8, "idle": 1, "cpus": "0-1", "mems": "0"},
        "memory": {"limit": 1 << 20, "reservation": 2048, "swap": -1},
        "pids": {"limit": -1},
    }  # fmt: skip
    assert update.wished(Line({}, "update", dict.fromkeys(options, ""), ("c",))) == {}


@pytest.mark.parametrize(
    ("option", "text"), [("memory", "1z"), ("cpu_quota", "1.5"), ("pids_limit", "many"), ("cpu_idle", "--1")]
)
def test_what_is_no_number_is_refused_by_name(update, option, text):
    with pytest.raises(errors.UsageError) as caught:
        update.wished(Line({}, "update", {option: text}, ("c",)))
    assert caught.value.say() == f'invalid value for {option.replace("_", "-")}: "{text}"'


def test_json_wins_over_the_options_but_those_of_resctrl(update, planted, tmp_path):
    (tmp_path / "wish").write_text('{"pids": {"limit": 5}}')
    options = {"resources": str(tmp_path / "wish"), "memory": "nonsense", "l3_cache_schema": "L3:0=f"}
    assert update.perform(Line({}, "update", options, ("c",)), "/r") == 0
    assert planted.calls == [
        (("/r", "c", {"pids": {"limit": 5}}), {"l3_cache_schema": "L3:0=f", "mem_bw_schema": ""})
    ]


def test_what_is_ignored_is_warned_of(update, monkeypatch):
    told = []
    monkeypatch.setattr(log, "warning", told.append)
    update.update.update = lambda *_words, **_more: ["linux.resources.memory.kernel is ignored"]
    assert update.perform(Line({}, "update", {"kernel_memory": "5"}, ("c",)), "/r") == 0
    assert told == [
        "--kernel-memory is ignored: cgroup v2 has no such limit",
        "linux.resources.memory.kernel is ignored",
    ]
