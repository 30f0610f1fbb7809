"""Of every valid configuration there is a plan, in words that keep to their lines.

PYRUNTIME_CASES sets how many cases are tried (by default 250).
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unit.spec import configs

from pyruntime.command import plan
from pyruntime.container import validate
from pyruntime.container.plan import Wishes
from pyruntime.container.surroundings import Surroundings
from pyruntime.feature.cgroup import filesystem
from pyruntime.feature.host import Host

CASES = int(os.environ.get("PYRUNTIME_CASES", "5000")) // 20
USER = Host(1000, "", "", (5, 14), 40)
GOLDEN = Path(__file__).parents[1] / "golden"
BASES = [
    configs.every_key(),
    configs.small(),
    configs.podman_like(),
    *(json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))),
]


def places(value):
    """Every (container, name) in a document."""
    for name, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(item, dict | list):
            yield from places(item)


@st.composite
def changed(draw):
    """A configuration as engines write them, with some of it left out and a text or two exchanged."""
    config = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 4))):
        known = list(places(config))
        where, name = known[draw(st.integers(0, len(known) - 1))]
        if isinstance(where[name], str) and draw(st.booleans()):
            where[name] = draw(st.one_of(st.text(max_size=5), st.sampled_from(["/a", "\x1b[2J", "b\n"])))
        else:
            del where[name]
    return config


def poor(_plan, host, _root):
    """Return surroundings in which nothing is there."""
    return Surroundings(host, gid=1000, capabilities=0)


@settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(changed())
def test_of_every_valid_configuration_there_is_a_plan(config):
    assume(not validate.validate(config, "/bundle").problems)
    by_systemd = filesystem.is_unit((config.get("linux") or {}).get("cgroupsPath") or "")
    wishes = Wishes(
        no_pivot=False, no_new_keyring=False, preserve=0, waits=True,
        cgroups="systemd" if by_systemd else "cgroupfs",
    )  # fmt: skip
    made = plan.prospect(config, "/bundle", "/run", USER, poor, wishes=wishes)
    text, document = plan.text(made), json.loads(plan.encoded(made))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    told = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(told) == len(document["steps"]) == len(made.acts)
