"""Reading config.json: what comes back, and the errors of a bundle that is not right."""

from __future__ import annotations

import json
import os

import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.spec import read


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(configs.small()))
    return tmp_path


def refusal(bundle):
    with pytest.raises(errors.RuntimeFailure) as caught:
        read.read(str(bundle))
    return caught.value.say()


def test_the_document_and_its_bytes_come_back(bundle):
    config, data = read.read(str(bundle))
    assert config == configs.small()
    assert data == (bundle / "config.json").read_bytes()


def test_a_link_to_a_file_is_followed(bundle):
    (bundle / "config.json").rename(bundle / "other.json")
    (bundle / "config.json").symlink_to("other.json")
    assert read.read(str(bundle))[0] == configs.small()


def test_a_missing_bundle_is_told(tmp_path):
    assert refusal(tmp_path / "none") == f"bundle {tmp_path}/none: no such file or directory"


def test_a_bundle_that_is_a_file_is_told(bundle):
    assert refusal(bundle / "config.json") == f"bundle {bundle}/config.json: not a directory"


def test_a_missing_file_is_told(tmp_path):
    assert refusal(tmp_path) == "JSON specification file config.json not found"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_told_at_once(tmp_path, make):
    make(tmp_path / "config.json")
    assert refusal(tmp_path) == "config.json is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(bundle):
    (bundle / "config.json").chmod(0)
    assert refusal(bundle) == f"open {bundle}/config.json: permission denied"


def test_an_overlong_path_is_told(tmp_path):
    assert refusal(tmp_path / ("x" * 300)).endswith(": file name too long")


def test_a_file_without_end_is_not_read_whole(bundle, monkeypatch):
    monkeypatch.setattr(read, "LARGEST", 1 << 20)
    with (bundle / "config.json").open("wb") as file:
        file.truncate(5 << 20)
    assert refusal(bundle) == "config.json is larger than 1 MiB"


def test_broken_json_is_told_with_line_and_column(bundle):
    (bundle / "config.json").write_text('{\n  "ociVersion": b\n}')
    assert refusal(bundle) == "config.json: line 2 column 17: found 'b' where a value should begin"


@pytest.mark.parametrize("text", ["[]", "null", "5", '"a"'])
def test_a_document_that_is_no_object_is_told(bundle, text):
    (bundle / "config.json").write_text(text)
    assert refusal(bundle) == "config.json: the document must be an object {…}"


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\uDFFF": 1}', r'{"a": ["\udc00\ud800"]}'])
def test_half_a_surrogate_pair_is_told(bundle, text):
    (bundle / "config.json").write_text(text)
    assert "holds half a surrogate pair" in refusal(bundle)


@pytest.mark.parametrize(
    ("text", "value"), [(r'"\ud83d\ude00"', "\U0001f600"), (r'"\\ud800"', r"\ud800")]
)
def test_whole_pairs_and_what_only_looks_like_an_escape_are_read(bundle, text, value):
    (bundle / "config.json").write_text('{"a": ' + text + "}")
    assert read.read(str(bundle))[0] == {"a": value}


def test_nothing_stays_open(bundle):
    before = len(os.listdir("/proc/self/fd"))
    read.read(str(bundle))
    (bundle / "config.json").write_text("{")
    refusal(bundle)
    (bundle / "config.json").unlink()
    refusal(bundle)
    assert len(os.listdir("/proc/self/fd")) == before
