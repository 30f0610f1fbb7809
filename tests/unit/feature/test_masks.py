"""Planning masked and read-only paths."""

import pytest

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


@pytest.mark.parametrize("config", [{}, {"linux": {}}, {"linux": {"maskedPaths": [], "readonlyPaths": []}}])
def test_without_lists_nothing_is_planned(config):
    assert masks.plan(config) == []


def test_a_mask_is_no_readonly_path():
    mask, readonly = masks.MaskStep("/x"), masks.ReadonlyPathStep("/x")
    assert mask != readonly
    assert mask == masks.MaskStep("/x")
    assert repr(mask) == "MaskStep(path='/x')"
