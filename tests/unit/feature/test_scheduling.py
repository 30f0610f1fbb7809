"""process.scheduler: its plan, what reaches the kernel, and what a refusal says."""

import errno

import pytest

from pyruntime import errors
from pyruntime.feature import scheduling
from pyruntime.kernel import door, scheduler

DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 42000, "deadline": 100000, "period": 1000000}


def planned(wish, cpus=None):
    config = {"process": {"scheduler": wish}}
    if cpus is not None:
        config["linux"] = {"resources": {"cpu": {"cpus": cpus}}}
    return scheduling.plan(config)


@pytest.fixture
def refusing(monkeypatch):
    """Callable: let sched_setattr(2) fail with an errno."""

    def refuse(number):
        def call(*_arguments):
            raise OSError(number, "no")

        monkeypatch.setattr(door, "call", call)

    return refuse


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"policy": "SCHED_BATCH"}, "schedule by SCHED_BATCH"),
        ({"policy": "SCHED_OTHER", "nice": -5}, "schedule by SCHED_OTHER, nice -5"),
        ({"policy": "SCHED_RR", "priority": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
         "schedule by SCHED_RR, priority 7, SCHED_FLAG_RESET_ON_FORK"),
        (DEADLINE, "schedule by SCHED_DEADLINE, runtime 42000 deadline 100000 period 1000000 ns"),
    ],
)  # fmt: skip
def test_a_plan_says_itself(wish, told):
    assert planned(wish).describe() == told


def test_the_kernel_is_given_all_of_it(monkeypatch):
    calls = []
    monkeypatch.setattr(door, "call", lambda *arguments: calls.append(arguments))
    flags = ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"]
    scheduling.apply(planned(DEADLINE | {"flags": flags}), 77)
    scheduling.apply(planned({"policy": "SCHED_BATCH", "nice": -3}), 78)
    assert scheduler._ATTRIBUTES.size == 56  # SCHED_ATTR_SIZE_VER1
    wanted = [(77, (6, 3, 0, 0, 42000, 100000, 1000000)), (78, (3, 0, -3, 0, 0, 0, 0))]
    for (name, pid, wish, flags), (number, fields) in zip(calls, wanted, strict=True):
        assert (name, pid, flags) == ("sched_setattr", number, 0)
        assert scheduler._ATTRIBUTES.unpack(wish) == (56, *fields, 0, 0)


@pytest.mark.parametrize(
    ("wish", "cpus", "number", "told"),
    [
        (DEADLINE, "0", errno.EPERM, "process scheduler can't be used together with AllowedCPUs"),
        (DEADLINE, "", errno.EPERM, "it needs CAP_SYS_NICE, and a cpuset of all processors"),
        (DEADLINE, None, errno.EBUSY, "promised"),
        ({"policy": "SCHED_FIFO", "priority": 1}, "0", errno.EPERM, "a cgroup with real-time bandwidth"),
        ({"policy": "SCHED_OTHER", "nice": -1}, None, errno.EPERM, "a lower nice value needs CAP_SYS_NICE"),
        ({"policy": "SCHED_ISO"}, None, errno.EINVAL, "Linux has no such policy"),
        ({"policy": "SCHED_RR", "priority": 1}, None, errno.EINVAL, "see sched_setattr(2)"),
        ({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_UTIL_CLAMP_MIN"]}, None, errno.EOPNOTSUPP,
         "without utilization clamping"),
    ],
)  # fmt: skip
def test_a_refusal_names_policy_reason_and_cure(refusing, wish, cpus, number, told):
    step = planned(wish, cpus)
    refusing(number)
    with pytest.raises(errors.KernelError) as caught:
        scheduling.apply(step, 1)
    said = f"schedule the process by {wish['policy']}: {errors.reason(number)} ("
    assert caught.value.say().startswith(said)
    assert told in caught.value.say()
