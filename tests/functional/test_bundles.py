"""The example bundles are what the bench and the README say of them, and they run."""

import json
import subprocess

import busybox
import pytest
from functional.screen import Screen


@pytest.fixture
def podman_like():
    return busybox.configuration("podman-like")


@pytest.mark.anyone
def test_the_podman_like_bundle_has_the_weight_of_podmans(podman_like):
    seccomp = podman_like["linux"]["seccomp"]
    names = [name for rule in seccomp["syscalls"] for name in rule["names"]]
    assert len(set(names)) == 437
    assert seccomp["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert len(podman_like["mounts"]) == 20
    assert 25_000 < len(json.dumps(podman_like)) < 40_000


@pytest.mark.anyone
def test_the_podman_like_bundle_has_neither_limits_nor_terminal(podman_like):
    assert set(podman_like["linux"]["resources"]) == {"devices"}
    assert podman_like["process"]["terminal"] is False
    assert podman_like["process"]["noNewPrivileges"] is False


@pytest.mark.anyone
def test_the_plain_bundle_is_what_spec_writes(runtime, tmp_path):
    (tmp_path / "here").mkdir()
    done = runtime("spec", cwd=tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "here/config.json").read_text()) == busybox.configuration("plain")


@pytest.mark.parametrize("kind", busybox.KINDS)
def test_each_bundle_runs(kind, runtime, tmp_path):
    busybox.bundle(kind, str(tmp_path / kind), ["sh", "-c", "echo $$ $(id -u); exit 5"])
    done = runtime("run", "--bundle", tmp_path / kind, kind)
    assert (done.returncode, done.stdout, done.stderr) == (5, "1 0\n", "")


def test_a_bundle_fixture_can_be_changed(runtime, bundle):
    bundle.config["process"]["args"] = ["cat", "/marker"]
    (bundle.rootfs / "marker").write_text("here")
    done = runtime("run", "--bundle", bundle.save(), "c")
    assert (done.returncode, done.stdout) == (0, "here")


def test_what_spec_writes_gives_a_shell_at_the_callers_terminal(launcher, containers, tmp_path):
    """The two commands with which everybody begins."""
    busybox.rootfs(str(tmp_path / "rootfs"))
    command = [launcher, "--root", containers.root]
    subprocess.run([*command, "spec"], cwd=tmp_path, check=True)
    screen = Screen(*command, "run", "c1", cwd=tmp_path)
    try:
        screen.see("/ # ")
        screen.type("tty; exit 6\r")
        screen.see("/dev/pts/0")
        assert screen.ends() == 6
    finally:
        screen.close()
