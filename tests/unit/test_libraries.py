"""The way to installed packages is the one that `site` would have taken."""

import json
import os
import subprocess

PROBE = """
import sys
sys.path.insert(0, {tree!r})
bare = list(sys.path)
from pyruntime import libraries
libraries.reach()
libraries.reach()
added = [path for path in sys.path if path not in bare]
assert sys.path == bare + added
import json, os, site
print(json.dumps([added, [path for path in site.getsitepackages() if os.path.isdir(path)]]))
"""


def probe(*options):
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = ["/usr/bin/python3", *options, "-c", PROBE.format(tree=tree)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_without_site_its_directories_are_appended_in_its_order():
    added, sites = probe("-IS")
    assert added == sites
    assert added


def test_with_site_nothing_is_added():
    added, _ = probe("-I")
    assert added == []
