"""`plan`: what is printed of a plan, for people and for programs."""

from __future__ import annotations

import json

import pytest
from unit.container.test_forecast import HOST, PROGRAM, rich
from unit.spec import configs

from pyruntime import errors
from pyruntime.command import plan
from pyruntime.command.grammar import Line
from pyruntime.container.plan import Wishes
from pyruntime.container.surroundings import Surroundings


def made(config, **there):
    return plan.prospect(
        config, "/bundle", "/run", HOST, lambda *_: Surroundings(HOST, **{"filter": PROGRAM} | there),
        wishes=Wishes(no_pivot=False, no_new_keyring=False, preserve=0, waits=True),
    )  # fmt: skip


def performed(bundle, form="text", **settings):
    return plan.perform(Line(settings, "plan", {"format": form}, (str(bundle),)), "/no/state")


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(configs.small()))
    return tmp_path


@pytest.mark.parametrize("config", [configs.small(), configs.podman_like(), rich(), configs.every_key()])
def test_the_document_has_the_members_that_the_docstring_tells(config):
    document = json.loads(plan.encoded(made(config)))
    assert list(document) == ["bundle", "root", "host", "warnings", "steps"]
    assert len(document["steps"]) > 40
    for step in document["steps"]:
        assert list(step) == ["phase", "actor", "does", "kind", "fields", "cannot"]
        assert step["phase"] in plan._HEADINGS
        assert step["actor"] in ("parent", "child", "native program", "start", "delete")
        assert step["does"]
        assert "\n" not in step["does"]
        assert isinstance(step["fields"], dict)
        assert "said" not in step["fields"]
        assert step["cannot"] is None or step["cannot"]
    for word in (*plan._HEADINGS, "cannot", "fields", "kind", "actor", "phase", "does"):
        assert f" {word} " in plan.__doc__, f"{word} is not told in the docstring"


def test_both_forms_tell_the_same_steps():
    found = made(rich())
    document = json.loads(plan.encoded(found))
    lines = [line for line in plan.text(found).splitlines() if line.startswith("  ")]
    assert len(lines) == len(document["steps"])
    for line, step in zip(lines, document["steps"], strict=True):
        assert step["does"] in line
        assert bool(step["cannot"]) == line.endswith("]")


def test_values_are_told_by_name():
    steps = json.loads(plan.encoded(made(rich())))["steps"]
    by_kind = {}
    for step in steps:
        by_kind.setdefault(step["kind"], step["fields"])
    assert by_kind["feature.devices.DeviceStep"]["major"] == 1
    assert by_kind["feature.cgroup.devices.DeviceStep"]["allow"] is False
    assert by_kind["feature.namespaces.NamespacesStep"]["paths"] == {"pid": "/proc/1/ns/pid"}
    assert by_kind["program"]["bytes"] == len(PROGRAM)
    assert by_kind["container.steps.Execute"]["args"] == ["sh", "-c", "true"]
    capset = next(step for step in steps if step["fields"].get("name") == "capset")
    assert capset["fields"]["arguments"][0] == (0x20080522).to_bytes(8, "little").hex()
    expect = next(step for step in steps if step["kind"] == "container.steps.Expect")
    assert expect["fields"]["place"] == "scratch memory"


def test_steps_that_depend_on_a_result_are_set_in():
    lines = plan.text(made(configs.small())).splitlines()
    at = lines.index("  if going to / was refused before:")
    assert [line[:5] == "    " + line[4] for line in lines[at + 1 : at + 5]] == [True, True, True, False]


def test_nothing_of_a_config_can_break_the_line_or_move_the_cursor():
    config = configs.small()
    config["process"]["args"] = ["sh", "a\nb", "\x1b[2J", "c d", ""]
    config["hooks"] = {"poststop": [{"path": "/h", "args": ["h", "\n\x07"]}]}
    text = plan.text(made(config))
    assert '"c d" ""' in text
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "run poststop hook #0: /h \\n\\x07" in text


def test_the_verdict_counts_each_reason():
    found = made(configs.every_key(), faults={"/bin/true": "is missing"})
    verdict = plan.text(found).rpartition("\n\n")[2].splitlines()
    waiting = [act for act in found.acts if act.cannot == "not supported yet"]
    assert verdict[0] == f"These are {len(found.acts) - len(waiting)} steps; none was taken."
    assert verdict[1].startswith("create would refuse the bundle, since these are not supported yet: ")
    assert "mount option idmap" in verdict[1]
    assert "5 steps could not be taken here: is missing." in verdict
    config = configs.small()
    config["process"]["args"] = ["/bin/sh"]
    told = plan.text(made(config))
    assert told.endswith("steps; none was taken.\nAs far as can be seen, nothing is in the way of it.\n")


def test_a_plan_needs_no_cgroup_hierarchy_and_no_root(bundle, monkeypatch):
    monkeypatch.setattr(plan.hosts, "look", lambda: plan.Host(1000, "", "", (6, 12), 40))
    config = configs.small()
    config["linux"]["netDevices"] = {"nosuch0": {}}
    (bundle / "config.json").write_text(json.dumps(config))
    text, status = performed(bundle)
    assert status == 0
    assert "[cannot: no cgroup v2 hierarchy is mounted" in text
    assert "[cannot: linux.netDevices are not supported for rootless containers]" in text


@pytest.mark.parametrize("settings", [{"systemd_cgroup": True}, {"cgroup_manager": "systemd"}])
def test_a_unit_of_systemd_is_told_with_its_slice_and_properties(bundle, settings):
    text, _ = performed(bundle, **settings)
    said = "  have systemd make the scope pyruntime-ID.scope in system.slice (/sys/fs/cgroup/system.slice"
    assert said in text
    assert "Delegate=yes" in text
    assert "  wait until systemd has made pyruntime-ID.scope\n" in text
    assert "have systemd stop pyruntime-ID.scope, remove its cgroup and" in text
    assert "make the cgroup" not in text


def test_a_wrong_format_is_refused(bundle):
    with pytest.raises(errors.UsageError, match="invalid format option"):
        performed(bundle, "xml")


def test_a_wrong_config_is_reported_in_either_form(bundle):
    (bundle / "config.json").write_text("{}")
    text, status = performed(bundle)
    assert (status, "config.json is not valid" in text) == (1, True)
    text, status = performed(bundle, "json")
    assert (status, json.loads(text)["valid"]) == (1, False)


@pytest.mark.parametrize(
    ("warning", "known"),
    [
        ("ignoring unknown or unavailable capabilities: [CAP_ZOO]", True),
        ("ignoring unknown or unavailable capabilities: [CAP_KILL CAP_ZOO]", False),
        ("can't raise ambient capability CAP_KILL: operation not permitted", False),
    ],
)
def test_capabilities_that_this_kernel_lacks_are_not_lost(warning, known):
    assert plan._is_known(warning) is known
