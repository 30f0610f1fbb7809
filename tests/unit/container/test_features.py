"""`features` tells what the code obeys, in the form of runtime-spec, features.md."""

from pyruntime.container import features
from pyruntime.feature import attributes, hooks
from pyruntime.spec import explain, supported, words


def test_the_document_is_one_of_the_specification():
    assert explain.disagreements(features.features(), explain.schema("features")) == []


def test_only_options_that_are_obeyed_are_told():
    told = features.features()["mountOptions"]
    for option in told:
        config = {"ociVersion": "1.0.0", "mounts": [{"destination": "/a", "options": [option]}]}
        assert supported.wanting(config) == [], option
    left_out = set(words.MOUNT_OPTIONS) - set(told)
    assert left_out == {
        "tmpcopyup", "copy-symlink", "src-nofollow", "dest-nofollow", "idmap", "ridmap",
    }  # fmt: skip


def test_hooks_and_namespaces_are_those_that_can_be_had():
    document = features.features()
    assert document["hooks"] == hooks.known() == list(words.HOOKS)
    assert "user" not in document["linux"]["namespaces"]
    assert document["linux"]["memoryPolicy"] == attributes.known_memory_policies()
    assert (document["ociVersionMin"], document["ociVersionMax"]) == ("1.0.0", "1.3.0")
