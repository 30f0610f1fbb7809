"""Planning the root: where it is, how it is entered, and which wishes exclude each other."""

import pytest

from pyruntime import errors
from pyruntime.feature import rootfs
from pyruntime.spec import words


def planned(propagation="", *, mount_namespace=True, no_pivot=False, **root):
    """Return the step of a root."""
    config = {"root": {"path": "rootfs", **root}, "linux": {"rootfsPropagation": propagation}}
    return rootfs.plan(config, "/b", mount_namespace=mount_namespace, no_pivot=no_pivot)


@pytest.mark.parametrize(
    ("path", "directory"), [("rootfs", "/b/rootfs"), ("./x/../y", "/b/y"), ("/z//a", "/z/a")]
)
def test_a_relative_path_is_below_the_bundle(path, directory):
    assert planned(path=path).directory == directory


@pytest.mark.parametrize(
    ("wishes", "change"),
    [({}, "pivot"), ({"no_pivot": True}, "move"), ({"mount_namespace": False}, "chroot"),
     ({"mount_namespace": False, "no_pivot": True}, "chroot")],
)  # fmt: skip
def test_how_the_root_changes(wishes, change):
    assert planned(**wishes).change == change


@pytest.mark.parametrize("propagation", sorted(words.PROPAGATIONS))
def test_only_a_private_root_needs_pivot_root(propagation):
    assert planned(propagation).propagation == propagation
    assert planned(propagation, mount_namespace=False, no_pivot=True).propagation == propagation
    if propagation in ("private", "rprivate"):
        with pytest.raises(errors.SpecError) as caught:
            planned(propagation, no_pivot=True)
        assert "/linux/rootfsPropagation: rootfsPropagation of [r]private" in caught.value.say()
        assert "leave --no-pivot out" in caught.value.say()
    else:
        assert planned(propagation, no_pivot=True).change == "move"


def test_a_step_says_all_that_is_wished():
    assert planned("rslave", readonly=True).describe() == (
        "make /b/rootfs the root by pivot_root, propagation rslave, read-only"
    )
