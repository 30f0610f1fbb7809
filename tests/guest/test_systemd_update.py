"""What `update` leaves in systemd's book and in the cgroup's files: the wish alone, or nothing of it."""

import json

import pytest
from guest.test_systemd import FILES, LIMITS, PARENT, box, driven, held, reload, shown, slices, well

__all__ = ["box", "driven", "slices"]  # fixtures
UNIT = "box-c1.scope"
BOOK = {
    "TasksMax": "99", "MemoryMax": str(1 << 26), "MemoryLow": str(1 << 25), "CPUWeight": "59",
    "CPUQuotaPerSecUSec": "670ms", "MemoryMin": "0", "IOWeight": "[not set]",
}  # fmt: skip


@pytest.fixture
def limited(driven, box):
    """The scope of a container with limits, and what updates it."""
    box.config["linux"]["resources"] = LIMITS
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    return PARENT / UNIT


@pytest.fixture
def update(runtime):
    def change(resources, *options):
        return runtime("update", "--resources", "-", *options, "c1", input=json.dumps(resources))

    return change


def test_a_limit_that_is_not_wished_for_is_left_as_it_is(limited, update):
    """systemd would write the quota of create again, and rounded."""
    well(update({"memory": {"limit": 1 << 27}}))
    assert held(limited, ["cpu.max", "memory.max"]) == {"cpu.max": "33333 50000", "memory.max": str(1 << 27)}
    assert shown(UNIT, "MemoryMax", "TasksMax") == {"MemoryMax": str(1 << 27), "TasksMax": "99"}


REFUSED = {"memory": {"limit": 1 << 27}, "pids": {"limit": 5}, "blockIO": {"weight": 500},
           "unified": {"memory.min": "4096"}, "cpu": {"shares": 1024, "quota": 20000}}  # fmt: skip


@pytest.mark.parametrize("failing", ["a value that systemd cannot be told", "resctrl"])
def test_where_it_fails_both_are_as_they_were(limited, update, failing, containers):
    assert shown(UNIT, *BOOK) == BOOK
    if failing == "resctrl":
        done = update(REFUSED, "--l3-cache-schema", "L3:0=f")
    else:
        done = update({**REFUSED, "unified": {"memory.min": "4K"}})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    files = {**FILES, "memory.min": "0", "io.weight": "default 100"}
    assert held(limited, files) == files
    assert shown(UNIT, *BOOK) == BOOK
    reload()
    del files["cpu.max"]  # systemd rounds it
    assert held(limited, files) == files
    assert not (containers.root / "c1" / "resources.json").exists()


def test_a_container_that_was_idle_is_so_no_more_after_a_reload(driven, update, box):
    box.config["linux"]["resources"] = {"cpu": {"idle": 1}}
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    assert shown(UNIT, "CPUWeight") == {"CPUWeight": "idle"}
    well(update({"cpu": {"idle": 0}}))
    reload()
    assert held(PARENT / UNIT, ["cpu.idle", "cpu.weight"]) == {"cpu.idle": "0", "cpu.weight": "100"}
    assert shown(UNIT, "CPUWeight") == {"CPUWeight": "[not set]"}
