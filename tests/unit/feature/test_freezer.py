"""Freezing on a tree of plain files: what is done when the kernel's answer does not come."""

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import freezer


@pytest.fixture
def cgroup(tmp_path):
    def make(events="populated 1\nfrozen 0\n"):
        (tmp_path / "cgroup.events").write_text(events)
        (tmp_path / "cgroup.freeze").write_text("0")
        return tmp_path

    return make


def test_it_returns_when_all_stand_still(cgroup):
    directory = cgroup("populated 1\nfrozen 1\n")
    assert freezer.freeze(str(directory)) is True
    assert (directory / "cgroup.freeze").read_text() == "1"


def test_what_does_not_stand_still_goes_on_again(cgroup):
    directory = cgroup()
    with pytest.raises(errors.RuntimeFailure, match="not all of its processes stood still in time"):
        freezer.freeze(str(directory), 0.01)
    assert (directory / "cgroup.freeze").read_text() == "0"


def test_a_thaw_by_another_is_told(cgroup, monkeypatch):
    directory = cgroup()
    monkeypatch.setattr(freezer.tree, "read", lambda _path: "0\n")
    with pytest.raises(errors.RuntimeFailure, match="another thawed it meanwhile"):
        freezer.freeze(str(directory))


def test_a_cgroup_whose_last_process_ends_is_not_waited_for(cgroup):
    assert freezer.freeze(str(cgroup("populated 0\nfrozen 0\n"))) is False


@pytest.mark.parametrize("name", ["cgroup.events", "cgroup.freeze"])
def test_a_cgroup_that_is_gone_holds_nothing(cgroup, name):
    directory = cgroup()
    (directory / name).unlink()
    (directory / "cgroup.freeze").unlink(missing_ok=True)
    if name == "cgroup.events":
        assert freezer.freeze(str(directory)) is False
    freezer.thaw(str(directory))
    assert not (directory / "cgroup.freeze").exists()


def test_what_cannot_be_written_is_told(cgroup):
    directory = cgroup()
    (directory / "cgroup.freeze").unlink()
    (directory / "cgroup.freeze").mkdir()
    for change in (freezer.freeze, freezer.thaw):
        with pytest.raises(errors.KernelError) as failure:
            change(str(directory))
        verb = change.__name__
        assert failure.value.say() == f"{verb} the cgroup {directory}: is a directory"
