"""What resctrl tells of a class of service, from a tree of plain files."""

import pytest

from pyruntime import errors
from pyruntime.feature import rdt, rdtstats

ROOT = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"
OWN = "    MB:0= 50;1=100\n    L3:0=00f;1=7ff\n"
DOMAINS = ("mon_L3_00", "mon_L3_01")


def put(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(f"{text}\n")


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "schemata").write_text(ROOT)
    put(tmp_path / "info/L3", cbm_mask="7ff", min_cbm_bits="2", num_closids="16")
    put(tmp_path / "info/MB", bandwidth_gran="10", delay_linear="1", min_bandwidth="10", num_closids="8")
    put(tmp_path / "info/L3_MON", mon_features="llc_occupancy\nmbm_total_bytes\nmbm_local_bytes")
    for group in (tmp_path, tmp_path / "c1", tmp_path / "c1/mon_groups/c1"):
        for number, domain in enumerate(DOMAINS):
            size = 100 * number + len(group.parts)
            put(group / "mon_data" / domain, llc_occupancy=size, mbm_total_bytes=size + 1, mbm_local_bytes="Unavailable")
    (tmp_path / "c1/schemata").write_text(OWN)
    return tmp_path


def test_all_is_told_in_runcs_order(tree):
    step = rdt.plan({"l3CacheSchema": "L3:0=f"}, "c1")
    size = len((tree / "c1").parts)
    document = rdtstats.read(step, str(tree))
    assert document == {
        "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 2, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=7ff;1=7ff",
        "l3_cache_schema": "L3:0=00f;1=7ff",
        "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0= 50;1=100",
        "schemata": ["MB:0= 50;1=100", "L3:0=00f;1=7ff"],
        "mbm_stats": [
            {"mbm_total_bytes": size + 1, "mbm_local_bytes": 0},
            {"mbm_total_bytes": size + 101, "mbm_local_bytes": 0},
        ],
        "cmt_stats": [{"llc_occupancy": size}, {"llc_occupancy": size + 100}],
    }
    assert list(document)[-2:] == ["mbm_stats", "cmt_stats"]


def test_the_containers_own_monitoring_group_is_the_one_that_is_read(tree):
    step = rdt.plan({"enableMonitoring": True}, "c1")
    size = len((tree / "c1/mon_groups/c1").parts)
    assert rdtstats.read(step, str(tree))["cmt_stats"][0] == {"llc_occupancy": size}


def test_a_processor_that_only_allocates_counts_nothing(tree):
    (tree / "info/L3_MON/mon_features").unlink()
    (tree / "info/MB").rename(tree / "info/other")
    document = rdtstats.read(rdt.plan({}, "c1"), str(tree))
    assert set(document) == {"l3_cache_info", "l3_cache_schema_root", "l3_cache_schema", "schemata"}


def test_what_is_not_counted_is_not_looked_for(tree):
    (tree / "info/L3_MON/mon_features").write_text("llc_occupancy\n")
    document = rdtstats.read(rdt.plan({"closID": "/"}, "c1"), str(tree))
    assert "mbm_stats" not in document
    assert len(document["cmt_stats"]) == len(DOMAINS)


def test_a_group_that_is_gone_is_told(tree):
    with pytest.raises(errors.KernelError, match="no such file or directory|resctrl group"):
        rdtstats.read(rdt.plan({}, "c2"), str(tree))
