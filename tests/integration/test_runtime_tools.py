"""The validation suite of opencontainers/runtime-tools: each of its fair tests, by the table `expected`.

The suite is built once, into build/runtime-tools; where this machine lacks what it takes (Go, the Go
module proxy), these tests are skipped with the words of the build.
"""

import importlib.machinery
import importlib.util
import subprocess
import sys

import pytest
from conftest import TREE

HERE = TREE / "integration" / "runtime-tools"
SUITE = TREE / "build" / "runtime-tools"
LACKING = 69
BUILD_SECONDS = 900
# Of one test, for which 60 would do on a machine that has nothing else to do.
SECONDS = 240


def loaded():
    """Return the script `run` as a module."""
    loader = importlib.machinery.SourceFileLoader("runtime_tools_run", str(HERE / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = sys.modules[loader.name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


RUN = loaded()


@pytest.fixture(scope="session")
def suite():
    """The directory of the built suite."""
    command = [str(HERE / "build"), str(SUITE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode == LACKING:
        pytest.skip(done.stderr.splitlines()[0])
    assert done.returncode == 0, done.stdout + done.stderr
    return SUITE


@pytest.mark.parametrize("name", RUN.expectations("pyruntime"))
def test_result_is_as_expected(name, suite, launcher):
    command = [str(HERE / "run"), str(suite), "--runtime", str(launcher), "--column", "pyruntime"]
    command += ["--only", name, "--timeout", str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stdout.startswith("skip "):
        pytest.skip(" ".join(done.stdout.splitlines()[0].split()[1:]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of 1 passed" in done.stdout


@pytest.mark.anyone
@pytest.mark.parametrize(
    ("output", "problem", "result"),
    [
        ("ok 1 - a\nok 2 - b\n1..2\n", "", "pass"),
        ("1..1\nok 1 # SKIP no such device\n", "", "pass"),
        ("1..1\nnot ok 1 # TODO later\n", "", "pass"),
        ("1..1\n    not ok 1 - of a test inside\nok 1\n", "", "pass"),
        ("ok 1 - a\nnot ok 2 - b\n1..2\n", "", "fail"),
        ("ok 1 - a\n1..2\n", "", "fail"),
        ("ok 1 - a\n", "", "fail"),
        ("", "", "fail"),
        ('1..0\n  ---\n  {\n    "error": "hook ran twice"\n  }\n', "", "fail"),
        ("Bail out! no rootfs\n1..0\n", "", "fail"),
        ("ok 1 - a\n1..1\n", "exit status 1", "fail"),
    ],
)
def test_output_is_judged(output, problem, result):
    assert RUN.verdict(output, problem, by_exit_status=False).result == result


@pytest.mark.anyone
def test_what_writes_nothing_is_judged_by_its_exit_status():
    assert RUN.verdict("", "", by_exit_status=True).result == "pass"
    assert RUN.verdict("", "exit status 1", by_exit_status=True).result == "fail"
