"""Usage as a table, as JSON and for Prometheus."""

import re

import pytest

from pyruntime import errors
from pyruntime.command import prometheus, stats, usagetable
from pyruntime.command.grammar import Line
from pyruntime.container import usage
from pyruntime.container.usage import Usage
from pyruntime.feature.cgroup import forms
from pyruntime.feature.cgroup.stats import Stats

SAMPLE = re.compile(r'([a-z_]+)\{([a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*)\} (\S+)')


def told(**more):
    made = Stats()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def full(microseconds=1_500_000):
    return told(
        cpu={"usage_usec": microseconds, "user_usec": 1, "system_usec": 2, "nr_periods": 9, "nr_throttled": 8, "throttled_usec": 7},
        memory={"current": 1536, "max": None, "peak": 3 << 20, "swap.current": 0},
        memory_events={"oom_kill": 2},
        io={"8:0": {"rbytes": 1024, "wbytes": 0, "rios": 1, "wios": 0}, "7:0": {"rbytes": 1}},
        pids={"current": 3, "max": 10},
        pressure={"memory": forms.pressure("some avg10=2.50 total=3000000\n")},
    )  # fmt: skip


def use(name="c1", told=None, moment=0.0, birth="then", status="running"):
    return Usage(name, status, birth, told, moment)


def cells(row):
    return dict(zip(usagetable.HEADER, row, strict=True))


def test_a_row_tells_all_with_units():
    (row,) = usagetable.rows([use(told=full())])
    assert cells(row) == {
        "ID": "c1", "STATUS": "running", "CPU": "1.50s", "MEMORY": "1.5KiB", "LIMIT": "none", "PEAK": "3.0MiB",
        "READ": "1.0KiB", "WRITTEN": "0B", "PIDS": "3", "THROTTLED": "0.00s", "OOM KILLS": "2",
        "PRESSURE (CPU MEM IO)": "- 2.5% -",
    }  # fmt: skip


def test_what_is_not_told_is_a_dash_and_not_a_zero():
    (row,) = usagetable.rows([use(told=told(cpu={"usage_usec": 0}, pids={"current": 1}))])
    shown = cells(row)
    assert (shown["CPU"], shown["PIDS"]) == ("0.00s", "1")
    assert {shown[name] for name in ("MEMORY", "LIMIT", "PEAK", "READ", "WRITTEN", "THROTTLED", "OOM KILLS")} == {"-"}


def test_a_stopped_container_has_its_status_alone():
    (row,) = usagetable.rows([use(status="stopped")])
    assert row[:2] == ("c1", "stopped")
    assert set(row[2:]) == {"-"}


@pytest.mark.parametrize(
    ("before", "share"),
    [
        (use(told=full(500_000), moment=10.0), "50.0%"),
        (use(told=full(500_000), moment=11.5), "200.0%"),
        (use(told=full(500_000), moment=10.0, birth="another"), "-"),
        (use(told=full(500_000), moment=12.0), "-"),
        (use(), "-"),
        (None, "-"),
    ],
)
def test_the_share_is_that_since_the_reading_before_of_the_same_container(before, share):
    rows = usagetable.rows([use(told=full(1_500_000), moment=12.0)], {"c1": before} if before else {})
    assert cells(rows[0])["CPU"] == share


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (1536, "1.5KiB"), (1048575, "1.0MiB"), (1 << 40, "1.0TiB"), (1 << 73, "8192.0EiB"), (None, "-")],
)  # fmt: skip
def test_sizes_are_told_for_people(count, text):
    assert usagetable.size(count) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "0.00s"), (59_994_000, "59.99s"), (60_000_000, "1m00s"), (306_000_000, "5m06s"), (10_860_000_000, "3h01m")],
)
def test_times_are_told_for_people(microseconds, text):
    assert usagetable.seconds(microseconds) == text


def families(text):
    """Read an exposition strictly; return {metric: {labels: value}}."""
    found, name = {}, ""
    assert text.endswith("\n")
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in found
            found[name] = {}
            kind = lines.pop(0).split(" ")
            assert kind[:3] == ["#", "TYPE", name]
            assert kind[3] in ("counter", "gauge")
            assert name.endswith("_total") == (kind[3] == "counter")
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == name
        assert match[2] not in found[name]
        found[name][match[2]] = float(match[3])
    return found


def test_prometheus_reads_each_metric_with_its_labels():
    found = families(prometheus.text([use(told=full()), use("c2", status="stopped")]))
    assert found["pyruntime_container_status"] == {'id="c1",status="running"': 1, 'id="c2",status="stopped"': 1}
    assert found["pyruntime_container_cpu_usage_seconds_total"] == {'id="c1"': 1.5}
    assert found["pyruntime_container_memory_usage_bytes"] == {'id="c1"': 1536}
    assert found["pyruntime_container_memory_oom_kills_total"] == {'id="c1"': 2}
    assert found["pyruntime_container_io_bytes_total"] == {
        'id="c1",device="8:0",operation="read"': 1024,
        'id="c1",device="8:0",operation="write"': 0,
        'id="c1",device="7:0",operation="read"': 1,
    }
    assert found["pyruntime_container_pressure_stalled_seconds_total"] == {
        'id="c1",resource="memory",kind="some"': 3,
        'id="c1",resource="memory",kind="full"': 0,
    }
    assert "pyruntime_container_memory_limit_bytes" not in found  # there is none
    assert len(found) == 16


def test_prometheus_of_no_container_is_empty():
    assert prometheus.text([]) == ""


def test_what_would_end_a_label_is_escaped():
    text = prometheus.text([use('a"b\\c\nd')])
    assert '{id="a\\"b\\\\c\\nd",status="running"} 1\n' in text
    assert len(families(text)) == 1


def test_json_has_the_kernels_names_and_the_share_only_of_two_readings():
    now = use(told=full(), moment=12.0)
    document = stats.document(now, None)
    assert list(document)[:3] == ["id", "status", "cpu"]
    assert document["memory"]["max"] is None
    before = use(told=full(500_000), moment=9.0)
    assert stats.document(now, {"c1": before})["cpu_percent"] == 33.33
    assert stats.document(now, {})["cpu_percent"] is None
    assert stats.document(use(), {}) == {"id": "c1", "status": "running"}


def perform(*words, **options):
    return stats.perform(Line({}, "stats", options, words), "/r")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "xml"}, "invalid format option"),
        ({"format": "prometheus", "watch": True}, "asks anew each time"),
        ({"interval": "1"}, "missing unit"),
        ({"interval": "0s"}, "must be greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(options, text):
    with pytest.raises(errors.UsageError, match=text):
        perform(**options)


def test_a_default_root_that_is_not_there_holds_nothing():
    assert "".join(stats.perform(Line({}, "stats", {"format": "json"}, ()), "/nosuch")) == "[]\n"
    with pytest.raises(errors.KernelError, match="nosuch"):
        list(stats.perform(Line({"root": "/nosuch"}, "stats", {}, ()), "/nosuch"))


def test_a_cgroup_that_has_gone_makes_no_failure(monkeypatch):
    saved = {"id": "c1", "cgroup": "/nosuch/cgroup", "created": "then"}
    monkeypatch.setattr(usage.listing, "found", lambda _root: [(None, saved, "stopped")])
    (found,) = usage.read("/r")
    assert (found.id, found.status, found.stats) == ("c1", "stopped", None)


