"""Planning masked and read-only paths."""

import pytest

from pyruntime import errors
from pyruntime.feature import masks


def planned(**lists):
    """Return what the steps say."""
    return [step.describe() for step in masks.plan({"linux": lists})]


def test_readonly_paths_come_before_masks():
    assert planned(maskedPaths=["/m"], readonlyPaths=["/r"]) == ["make /r read-only", "hide /m"]


def test_each_path_is_planned_once_in_the_order_given():
    assert planned(maskedPaths=["/b", "/a", "/b"], readonlyPaths=["/a", "/a"]) == [
        "make /a read-only", "hide /b", "hide /a"
    ]  # fmt: skip


def test_paths_are_cleaned_so_that_one_path_is_one():
    assert planned(maskedPaths=["/a//b/", "/a/./b", "/a/x/../b"], readonlyPaths=["//c", "/c"]) == [
        "make /c read-only", "hide /a/b"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_the_root_itself_is_refused_with_its_place(name):
    with pytest.raises(errors.SpecError) as caught:
        planned(**{name: ["/x", "/.."]})
    assert caught.value.say().startswith(f"invalid config.json: /linux/{name}: the root itself cannot be")


@pytest.mark.parametrize("config", [{}, {"linux": {}}, {"linux": {"maskedPaths": [], "readonlyPaths": []}}])
def test_without_lists_nothing_is_planned(config):
    assert masks.plan(config) == []


def test_a_mask_is_no_readonly_path():
    mask, readonly = masks.MaskStep("/x"), masks.ReadonlyPathStep("/x")
    assert mask != readonly
    assert mask == masks.MaskStep("/x")
    assert repr(mask) == "MaskStep(path='/x')"
