"""`validate`: what it prints and how it ends; it makes no container."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
# A version that cannot limit processes: there has to be something that is not built.
WITHOUT_PIDS = """
import sys
sys.path.insert(0, sys.argv[1])
from pyruntime.spec import supported
def wanting(config):
    asked = config.get("linux", {}).get("resources", {}).get("pids")
    return ["linux.resources.pids"] if asked else []
supported.wanting = wanting
from pyruntime.main import main
sys.exit(main(sys.argv[2:]))
"""
pytestmark = pytest.mark.anyone


def without_pids(*arguments):
    """Run a command line of that version."""
    words = [sys.executable, "-c", WITHOUT_PIDS, str(TREE), *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, text=True)


def test_a_valid_bundle(runtime, bundle):
    done = runtime("validate", bundle.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "config.json is valid\n", "")
    assert runtime("validate", cwd=bundle.path).stdout == "config.json is valid\n"
    done = runtime("validate", "--format", "json", bundle.path)
    assert (done.returncode, json.loads(done.stdout)["valid"]) == (0, True)


def test_an_invalid_bundle_is_told_whole(bundle):
    bundle.config["process"] |= {"cwd": "tmp", "args": [], "Umask": 18}
    bundle.config["linux"]["resources"] = {"pids": {"limit": 5}}
    done = without_pids("validate", bundle.save())
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        '/process/cwd: Cwd must be an absolute path; found the string "tmp", wanted an absolute path',
        "/process/args: args must not be empty",
        "warning: /process/Umask: unknown key, ignored",
        "not supported yet: linux.resources.pids",
        "config.json is not valid: 2 problems, 1 warning, 1 key not supported yet",
    ]
    document = json.loads(without_pids("validate", "--format=json", bundle.path).stdout)
    assert [each["pointer"] for each in document["problems"]] == ["/process/cwd", "/process/args"]
    assert document["unsupported"] == ["linux.resources.pids"]


def test_keys_that_are_not_built_leave_the_bundle_valid(bundle):
    bundle.config["linux"]["resources"] = {"pids": {"limit": 5}}
    done = without_pids("validate", bundle.save())
    assert done.returncode == 0
    assert done.stdout.endswith("config.json is valid: 1 key not supported yet\n")


def test_broken_json_is_a_problem_and_a_missing_bundle_an_error(runtime, bundle, tmp_path):
    (bundle.path / "config.json").write_text('{"a": oops}')
    done = runtime("validate", bundle.path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("config.json: line 1 column 7: ")
    document = json.loads(runtime("validate", "--format", "json", bundle.path).stdout)
    assert [each["pointer"] for each in document["problems"]] == [""]
    done = runtime("validate", tmp_path / "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nosuch: no such file or directory" in done.stderr


def test_a_wrong_format_is_refused(runtime, bundle):
    done = runtime("validate", "--format", "xml", bundle.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "invalid format option" in done.stderr


def test_one_bundle_is_looked_at(runtime, bundle):
    done = runtime("validate", bundle.path, bundle.path)
    assert done.returncode == 1
    assert "requires a maximum of 1 argument(s)" in done.stderr
