"""The configuration that `spec` writes."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from pyruntime.spec import check, sample, supported, words


def written(rootless=False):
    return json.loads(sample.sample(rootless, 1000, 1001))


def test_it_is_laid_out_with_tabs_and_no_last_line_end():
    text = sample.sample(False, 0, 0)
    assert text.startswith('{\n\t"ociVersion": "1.3.0",\n\t"process": {\n\t\t"terminal": true,\n')
    assert text.endswith("\t}\n}")
    assert text == json.dumps(json.loads(text), indent="\t")


def test_it_runs_as_it_is():
    assert check.check(written()) == []


def test_a_rootless_one_asks_for_nothing_that_is_not_built():
    """Whether the caller may be without privileges is not the configuration's to say."""
    assert supported.wanting(written(True)) == []
    assert check.check(written(True)) == []


def test_a_rootless_one_maps_the_caller_and_uses_the_hosts_network():
    config = written(True)
    linux = config["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 1001, "size": 1}]
    kinds = [entry["type"] for entry in linux["namespaces"]]
    assert kinds == ["pid", "ipc", "uts", "mount", "cgroup", "user"]
    assert "resources" not in linux
    options = {mount["destination"]: mount.get("options") for mount in config["mounts"]}
    assert options["/sys"] == ["rbind", "nosuid", "noexec", "nodev", "ro"]
    assert not [option for option in options["/dev/pts"] if option.startswith(("uid=", "gid="))]


def test_it_hides_and_protects_the_usual_paths():
    linux = written()["linux"]
    assert linux["maskedPaths"] == list(words.MASKED_PATHS)
    assert linux["readonlyPaths"] == list(words.READONLY_PATHS)
    assert {"type": "cgroup"} in linux["namespaces"]


@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not installed")
@pytest.mark.parametrize("rootless", [False, True])
def test_it_differs_from_runcs_only_as_meant(tmp_path, rootless):
    """runc 1.2 has no ambient set any more, and writes the cgroup namespace on cgroup v2."""
    line = ["runc", "spec", "--bundle", str(tmp_path)] + (["--rootless"] if rootless else [])
    subprocess.run(line, check=True)
    theirs = json.loads((tmp_path / "config.json").read_text())
    ours = json.loads(sample.sample(rootless, theirs_id(theirs, "uid"), theirs_id(theirs, "gid")))
    for config in (theirs, ours):
        config["process"]["capabilities"].pop("ambient", None)
        config["hostname"] = config["ociVersion"] = None
        spaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [one for one in spaces if one["type"] != "cgroup"]
    assert list(ours) == list(theirs)
    assert ours == theirs


def theirs_id(config, kind):
    mappings = config["linux"].get(f"{kind}Mappings")
    return mappings[0]["hostID"] if mappings else 0
