"""Limits, and what the kernel then says in the files of the cgroup: a row for each rule.

The rules are those of the runtime that all others are compared with; the numbers are what it writes.
"""

from pathlib import Path

MIB = 1 << 20


def disk():
    """The numbers of a block device with a request queue."""
    return Path("/sys/block/vda/dev").read_text().strip()


DISK = disk() if Path("/sys/block/vda").exists() else "254:0"
MAJOR, MINOR = map(int, DISK.split(":"))
AT = {"major": MAJOR, "minor": MINOR}

ROWS = [
    ({"pids": {"limit": 100}}, {"pids.max": "100"}),
    ({"pids": {"limit": 0}}, {"pids.max": "1"}),
    ({"pids": {"limit": -1}}, {"pids.max": "max"}),
    ({"memory": {"limit": 64 * MIB, "reservation": 16 * MIB}},
     {"memory.max": str(64 * MIB), "memory.low": str(16 * MIB), "memory.swap.max": "max"}),
    ({"memory": {"limit": 64 * MIB, "swap": 96 * MIB}},
     {"memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB)}),
    ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.swap.max": "0"}),
    ({"memory": {"limit": 64 * MIB, "swap": -1}}, {"memory.swap.max": "max"}),
    ({"memory": {"limit": -1, "swap": 64 * MIB}},
     {"memory.max": "max", "memory.swap.max": str(64 * MIB)}),
    ({"memory": {"limit": -1, "swap": 0, "reservation": -1}},
     {"memory.max": "max", "memory.swap.max": "max", "memory.low": "max"}),
    ({"memory": {"limit": 64 * MIB, "swap": 128 * MIB, "checkBeforeUpdate": True}},
     {"memory.max": str(64 * MIB), "memory.swap.max": str(64 * MIB)}),
    ({"cpu": {"shares": 1024}}, {"cpu.weight": "100", "cpu.idle": "0"}),
    ({"cpu": {"shares": 2}}, {"cpu.weight": "1"}),
    ({"cpu": {"shares": 512, "idle": 0}}, {"cpu.weight": "59", "cpu.idle": "0"}),
    ({"cpu": {"shares": 1 << 18}}, {"cpu.weight": "10000"}),
    ({"cpu": {"quota": 50000, "period": 200000, "burst": 20000}},
     {"cpu.max": "50000 200000", "cpu.max.burst": "20000"}),
    ({"cpu": {"quota": 50000}}, {"cpu.max": "50000 100000"}),
    ({"cpu": {"period": 50000}}, {"cpu.max": "max 50000"}),
    ({"cpu": {"quota": -1}}, {"cpu.max": "max 100000"}),
    ({"cpu": {"idle": 1}}, {"cpu.idle": "1"}),
    ({"cpu": {"cpus": "0", "mems": "0"}},
     {"cpuset.cpus": "0", "cpuset.mems": "0", "cpuset.cpus.effective": "0"}),
    ({"blockIO": {"weight": 500}}, {"io.weight": "default 4950"}),
    ({"blockIO": {
        "throttleReadBpsDevice": [AT | {"rate": MIB}],
        "throttleWriteBpsDevice": [AT | {"rate": 2 * MIB}],
        "throttleReadIOPSDevice": [AT | {"rate": 300}],
        "throttleWriteIOPSDevice": [AT | {"rate": 0}],
    }}, {"io.max": f"{DISK} rbps={MIB} wbps={2 * MIB} riops=300 wiops=max"}),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]},
     {"hugetlb.2MB.max": str(4 * MIB), "hugetlb.2MB.rsvd.max": str(4 * MIB)}),
    ({"unified": {"memory.high": str(32 * MIB), "cpu.weight": "7", "cgroup.max.depth": "3",
                  "io.max": f"{DISK} rbps=1000000\n{DISK} wbps=2000000"},
      "cpu": {"shares": 1024}},
     {"memory.high": str(32 * MIB), "cpu.weight": "7", "cgroup.max.depth": "3",
      "io.max": f"{DISK} rbps=1000000 wbps=2000000 riops=max wiops=max"}),
]  # fmt: skip
