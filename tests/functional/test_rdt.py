"""linux.intelRdt on a tree that does what resctrl does (resctrl.py); the containers are real."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from functional import inside, resctrl

SCRIPT = os.path.abspath(resctrl.__file__)


@pytest.fixture
def tree(tmp_path):
    """The tree, as after mount(8)."""
    place = tmp_path / "resctrl"
    resctrl.mounted(str(place))
    return place


@pytest.fixture
def runtime(tmp_path, containers):
    """The command line, with the tree in the place of the kernel's."""

    def run(*words):
        command = [
            "/usr/bin/python3",
            "-IS",
            SCRIPT,
            tmp_path / "resctrl",
            "--root",
            containers.root,
        ]
        line = [*map(str, command), *map(str, words)]
        # Through files: a created container keeps the output open.
        with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            for file, name in ((out, "stdout"), (err, "stderr")):
                file.seek(0)
                setattr(done, name, file.read())
        return done

    return run


@pytest.fixture
def created(bundle, runtime, containers):
    """Callable: create c1 with this linux.intelRdt; return the pid of its init."""

    def created(**wish):
        bundle.config["linux"]["intelRdt"] = wish
        done = runtime("create", "--bundle", bundle.save(), "c1")
        assert (done.returncode, done.stderr) == (0, "")
        return containers.state("c1")["pid"]

    return created


@pytest.fixture
def fails(bundle, runtime, containers, tree):
    """Callable: create and run fail with these words and leave the tree as it was."""

    def fails(wish, *words):
        bundle.config["linux"]["intelRdt"] = wish
        before = listed(tree)
        for flow in ("create", "run"):
            done = runtime(flow, "--bundle", bundle.save(), "c1")
            assert done.returncode == 1
            assert done.stderr.count("\n") == 1
            assert [word for word in words if word not in done.stderr] == [], done.stderr
            assert containers.ids() == []
            assert listed(tree) == before

    return fails


def listed(tree):
    """Return all directories of the tree."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_dir())


def tasks(group):
    return [int(line) for line in (group / "tasks").read_text().split()]


def gone(runtime):
    """Delete c1."""
    done = runtime("delete", "--force", "c1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("wish", [{}, {"l3CacheSchema": "L3:0=f"}, {"closID": ""}])
def test_a_group_without_a_name_is_the_containers_and_goes_with_it(tree, runtime, created, wish):
    before = listed(tree)
    pid = created(**wish)
    assert tasks(tree / "c1") == [pid]
    assert (tree / "log").exists() == bool(wish.get("l3CacheSchema"))
    gone(runtime)
    assert listed(tree) == before


def test_a_group_that_was_there_before_stays(tree, runtime, created, containers):
    (tree / "c1").mkdir()
    resctrl.filled(str(tree / "c1"))
    pid = created(memBwSchema="MB:0=20")
    assert tasks(tree / "c1") == [pid]
    assert "MB:0=  20;1= 100" in (tree / "c1/schemata").read_text()
    assert containers.state("c1").get("resctrl", []) == []
    gone(runtime)
    assert (tree / "c1").is_dir()


def test_a_named_group_is_made_written_in_order_and_stays(tree, runtime, created):
    created(
        closID="gold", schemata=["L3:0=f", "MB:1=30"], memBwSchema="MB:0=20;1=70", l3CacheSchema="L3:0=7f0",
    )  # fmt: skip
    assert (tree / "log").read_text() == "L3:0=7f0\nMB:0=20;1=70\nL3:0=f\nMB:1=30\n"
    assert resctrl.parsed((tree / "gold/schemata").read_text()) == {
        "L3": {"0": "00f", "1": "7ff"}, "MB": {"0": "20", "1": "30"},
    }  # fmt: skip
    gone(runtime)
    assert (tree / "gold").is_dir()


def test_the_default_class_is_the_top(tree, runtime, created):
    before = listed(tree)
    pid = created(closID="/")
    assert tasks(tree) == [pid]
    assert listed(tree) == before
    gone(runtime)
    assert listed(tree) == before


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"l3CacheSchema": "L3:1=007FF;0=0F0"},
        {"schemata": ["MB:1=91"]},  # what the kernel makes 100
        {"schemata": ["L3:0=1", "L3:0=f0"], "memBwSchema": "MB:0=100"},
    ],
)
def test_a_named_group_that_is_as_wished_is_joined_and_not_written(tree, runtime, created, wish):
    (tree / "gold").mkdir()
    resctrl.filled(str(tree / "gold"))
    text = resctrl.rows({"L3": {"0": "0f0", "1": "7ff"}, "MB": {"0": "100", "1": "100"}})
    (tree / "gold/schemata").write_text(text)
    pid = created(closID="gold", **wish)
    assert tasks(tree / "gold") == [pid]
    assert not (tree / "log").exists()
    gone(runtime)
    assert (tree / "gold/schemata").read_text() == text


@pytest.mark.parametrize("named", [True, False])
def test_a_monitoring_group_bears_the_id_and_goes(tree, runtime, created, containers, named):
    wish = {"closID": "gold", "schemata": ["MB:0=50"]} if named else {}
    pid = created(enableMonitoring=True, **wish)
    group = tree / ("gold" if named else "c1")
    assert tasks(group) == tasks(group / "mon_groups/c1") == [pid]
    monitor = str(group / "mon_groups/c1")
    assert containers.state("c1")["resctrl"] == ([monitor] if named else [monitor, str(group)])
    gone(runtime)
    assert not (group / "mon_groups/c1").exists()
    assert group.exists() == named


def test_a_whole_life_in_the_foreground(tree, bundle, runtime):
    before = listed(tree)
    bundle.config["linux"]["intelRdt"] = {"enableMonitoring": True}
    bundle.config["process"]["args"] = ["sh", "-c", "exit 3"]
    assert runtime("run", "--bundle", bundle.save(), "c1").returncode == 3
    assert listed(tree) == before


def test_the_groups_are_found_when_the_state_is_lost(tree, runtime, created, containers):
    before = listed(tree)
    created(enableMonitoring=True)
    assert listed(tree) != before
    (containers.root / "c1/state.json").write_text("{")
    gone(runtime)
    assert listed(tree) == before


def test_a_plain_container_touches_no_resctrl(tree, bundle, runtime):
    """config-linux.md: "If intelRdt is not set, the runtime MUST NOT manipulate any resctrl"."""
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    assert runtime("run", "--bundle", bundle.save(), "c1").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


# ---- what goes wrong ----


@pytest.mark.parametrize("wish", [{}, {"closID": "/"}, {"enableMonitoring": True}])
def test_where_resctrl_is_not_mounted_it_is_said(bundle, runtime, wish):
    bundle.config["linux"]["intelRdt"] = wish
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "linux.intelRdt: resctrl is not mounted (mount -t resctrl resctrl" in done.stderr


def test_the_real_command_says_it_too(bundle, launcher, containers):
    """No fake: the mount table of this machine."""
    if " - resctrl " in inside.mountinfo():
        pytest.skip("resctrl is mounted here")
    bundle.config["linux"]["intelRdt"] = {}
    words = [launcher, "--root", containers.root, "create", "--bundle"]
    done = subprocess.run(
        [*map(str, words), str(bundle.save()), "c1"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "linux.intelRdt: resctrl is not mounted" in done.stderr


def test_a_named_group_without_schemata_must_exist(fails, tree):
    fails({"closID": "nx"}, "the class of service", "/nx does not exist")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"l3CacheSchema": "L3:0=f"}, "L3:0=7ff, wanted L3:0=f"),
        ({"schemata": ["MB:1=90"]}, "MB:1=100, wanted MB:1=90"),
        ({"schemata": ["L3:5=1"]}, "L3:5=(none), wanted L3:5=1"),
        ({"schemata": ["L2:0=1"]}, "L2:0=(none), wanted L2:0=1"),
    ],
)
def test_a_named_group_that_is_another_is_refused(fails, tree, wish, words):
    (tree / "gold").mkdir()
    resctrl.filled(str(tree / "gold"))
    fails({"closID": "gold", **wish}, "exists with another schema", words)
    assert tasks(tree / "gold") == []


@pytest.mark.parametrize(
    ("part", "wish"),
    [
        ("L3", {"l3CacheSchema": "L3:0=f"}),
        ("MB", {"memBwSchema": "MB:0=10"}),
        ("L3_MON", {"enableMonitoring": True}),
    ],
)
def test_what_the_processor_lacks_is_named(fails, tree, part, wish):
    subprocess.run(["rm", "-r", str(tree / "info" / part)], check=True)
    fails(wish, f"linux.intelRdt.{next(iter(wish))}: this host has no", f"info/{part} is missing")


@pytest.mark.parametrize("name", [".", "..", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(fails, name):
    fails({"closID": name}, "/linux/intelRdt/closID: invalid intelRdt.closID")


@pytest.mark.parametrize("wish", [{}, {"closID": "gold", "schemata": ["MB:0=20"]}])
@pytest.mark.parametrize(
    ("kind", "refusal", "words"),
    [
        ("write", "22 MB:0=", ("write the schema MB:0=20", "invalid argument (no MB:0=20 here)")),
        ("make", "28 mon_groups/c1", ("make the resctrl group", "no space left on device (no ")),
        ("write", "1 \n", ("enter the resctrl group", "operation not permitted")),
    ],
    ids=["schema", "monitor", "tasks"],
)
def test_what_the_kernel_refuses_is_told_in_its_words(fails, tree, wish, kind, refusal, words):
    wish = {"schemata": ["MB:0=20"], "enableMonitoring": True} | wish
    if refusal.startswith("1"):
        del wish["schemata"]
        (tree / "gold").mkdir()
        resctrl.filled(str(tree / "gold"))
    (tree / f"refuse-{kind}").write_text(refusal)
    fails(wish, *words)


def test_a_monitoring_group_of_somebody_else_is_not_taken_over(fails, tree):
    (tree / "mon_groups/c1").mkdir()
    fails({"closID": "/", "enableMonitoring": True}, "mon_groups/c1 exists")


@pytest.mark.parametrize("wish", [{}, {"closID": "gold", "schemata": ["MB:0=20"]}])
def test_a_create_that_fails_later_leaves_nothing(fails, bundle, wish):
    bundle.config["process"]["args"] = ["/no/such"]
    fails({"enableMonitoring": True, **wish}, "no such file or directory")


def test_a_named_group_that_others_have_joined_stays_when_create_fails(bundle, runtime, tree):
    words = f"echo 1 >> {tree}/gold/tasks; exit 1"
    bundle.config["linux"]["intelRdt"] = {"closID": "gold", "schemata": ["MB:0=20"]}
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", words]}]}
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 1
    assert (tree / "gold").is_dir()


def test_features_tell_of_it(runtime, tree):
    told = json.loads(runtime("features").stdout)["linux"]["intelRdt"]
    assert told == {"enabled": True, "schemata": True, "monitoring": True}


# --- update ---


@pytest.mark.parametrize("wish", [{"closID": "gold", "schemata": ["MB:1=50"]}, {"l3CacheSchema": "L3:1=f"}])
def test_an_update_writes_to_the_group_of_the_container(tree, runtime, created, wish):
    created(**wish)
    done = runtime("update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=20", "c1")
    assert (done.returncode, done.stderr) == (0, "")
    now = resctrl.parsed((tree / wish.get("closID", "c1") / "schemata").read_text())
    assert (now["L3"]["0"], now["MB"]["0"]) == ("003", "20")
    gone(runtime)


def test_an_update_makes_a_group_for_a_container_that_has_none(tree, runtime, bundle, containers):
    bundle.config["process"]["args"] = ["sh", "-c", "sleep 1000 & sleep 1000"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    before = listed(tree)
    done = runtime("update", "--l3-cache-schema", "L3:0=3", "c1")
    assert (done.returncode, done.stderr) == (0, "")
    assert containers.state("c1")["pid"] in tasks(tree / "c1")
    assert runtime("update", "--mem-bw-schema", "MB:0=30", "c1").returncode == 0
    assert resctrl.parsed((tree / "c1/schemata").read_text())["MB"]["0"] == "30"
    gone(runtime)
    assert listed(tree) == before


def test_a_refused_schema_puts_the_other_lines_and_limits_back(tree, runtime, created, containers, tmp_path):
    created(l3CacheSchema="L3:0=f")
    files = [tree / "c1/schemata", Path(containers.state("c1")["cgroup"]) / "cgroup.max.depth"]
    before = [file.read_text() for file in files]
    (tree / "refuse-write").write_text("22 MB:0=20")
    wish = tmp_path / "wish"
    wish.write_text('{"unified": {"cgroup.max.depth": "3"}}')
    words = ("--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=20", "--resources", wish)
    done = runtime("update", *words, "c1")
    assert done.returncode == 1
    assert "write the schema MB:0=20 to" in done.stderr
    assert [file.read_text() for file in files] == before
    assert not os.path.exists(f"{containers.root}/c1/resources.json")
    gone(runtime)


def test_a_group_that_cannot_be_filled_is_taken_away_again(tree, runtime, bundle, containers):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    before = listed(tree)
    (tree / "refuse-write").write_text("22 L3:0=3")
    assert runtime("update", "--l3-cache-schema", "L3:0=3", "c1").returncode == 1
    assert listed(tree) == before
    assert containers.state("c1").get("resctrl", []) == []


@pytest.mark.parametrize("wish", [{"l3CacheSchema": "L3:0=f"}, None])
def test_an_update_that_cannot_be_noted_puts_the_class_back(tree, runtime, bundle, created, containers, wish):
    if wish:
        created(**wish)
    else:
        assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    lines = (tree / "c1/schemata").read_text() if wish else ""
    before, groups = listed(tree), containers.state("c1").get("resctrl", [])
    (containers.root / "c1/resources.json").mkdir()
    done = runtime("update", "--l3-cache-schema", "L3:0=3", "c1")
    assert (done.returncode, "resources.json: is a directory" in done.stderr) == (1, True)
    assert (listed(tree), containers.state("c1").get("resctrl", [])) == (before, groups)
    assert not wish or (tree / "c1/schemata").read_text() == lines
    (containers.root / "c1/resources.json").rmdir()
    gone(runtime)


@pytest.mark.parametrize(
    ("option", "line"), [("--mem-bw-schema", "L3:0=3"), ("--mem-bw-schema", "MB:0=20\nL3:0=1")]
)
def test_a_line_of_another_part_is_refused(tree, runtime, created, option, line):
    created(l3CacheSchema="L3:0=f")
    done = runtime("update", option, line, "c1")
    assert (done.returncode, "invalid schema: /memBwSchema" in done.stderr) == (1, True)
    gone(runtime)
