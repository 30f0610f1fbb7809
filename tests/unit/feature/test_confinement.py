"""Labels of security modules worked out: what is written where, and what cannot be."""

import pytest

from pyruntime import errors
from pyruntime.feature import confinement
from pyruntime.feature.confinement import LabelStep, Modules

APPARMOR, SELINUX = "process.apparmorProfile", "process.selinuxLabel"
NONE = Modules("", selinux=False)
BOTH = Modules("attr/apparmor/exec", selinux=True)


def written(modules, **process):
    return [
        (each.file, each.text) for each in confinement.labels(confinement.plan(process), modules)
    ]


def test_labels_are_planned_as_they_are_given():
    process = {"apparmorProfile": "docker-default", "selinuxLabel": "u:r:t:s0:c1,c2"}
    steps = confinement.plan(process)
    assert steps == [LabelStep(APPARMOR, "docker-default"), LabelStep(SELINUX, "u:r:t:s0:c1,c2")]
    assert [step.describe() for step in steps] == [
        "run the payload under the AppArmor profile docker-default",
        "run the payload under the SELinux label u:r:t:s0:c1,c2",
    ]
    assert confinement.plan({"apparmorProfile": "", "selinuxLabel": ""}) == []


@pytest.mark.parametrize("file", ["attr/apparmor/exec", "attr/exec"])
def test_a_profile_is_written_with_the_word_for_the_next_execution(file):
    modules = Modules(file, selinux=False)
    assert written(modules, apparmorProfile="a profile") == [
        (f"thread-self/{file}", "exec a profile")
    ]
    assert written(modules, apparmorProfile="unconfined") == [
        (f"thread-self/{file}", "exec unconfined")
    ]


def test_a_label_is_written_as_it_is():
    modules = Modules("", selinux=True)
    assert written(modules, selinuxLabel="u:r:t:s0") == [("thread-self/attr/exec", "u:r:t:s0")]


def test_both_modules_may_be_on():
    assert written(BOTH, selinuxLabel="u:r:t:s0", apparmorProfile="p") == [
        ("thread-self/attr/apparmor/exec", "exec p"), ("thread-self/attr/exec", "u:r:t:s0"),
    ]  # fmt: skip


def test_without_apparmor_everything_is_unconfined_already():
    assert written(NONE, apparmorProfile="unconfined") == []


@pytest.mark.parametrize(
    ("process", "modules", "words"),
    [
        ({"apparmorProfile": "p"}, NONE,
         'process.apparmorProfile: "p" cannot be applied, AppArmor is not enabled on this host'),
        ({"apparmorProfile": "p"}, Modules("", selinux=True), "AppArmor is not enabled"),
        ({"selinuxLabel": "l"}, NONE,
         'process.selinuxLabel: "l" cannot be applied, SELinux is disabled or not supported'),
        ({"selinuxLabel": "l"}, Modules("attr/exec", selinux=False), "SELinux is disabled"),
    ],
)  # fmt: skip
def test_a_module_that_is_not_on_is_named_with_the_cure(process, modules, words):
    with pytest.raises(errors.Unsupported) as failure:
        written(modules, **process)
    assert words in failure.value.say()
    assert "leave the key out, or boot with" in failure.value.say()


@pytest.mark.parametrize(
    ("modules", "said"),
    [(NONE, "neither AppArmor nor SELinux"), (BOTH, "AppArmor and SELinux")],
)
def test_the_modules_say_themselves(modules, said):
    assert modules.describe() == said
