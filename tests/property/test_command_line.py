"""The exact reader agrees with click, or stands aside.

The lines decide what such a test can find. Random words alone are nearly all refused by both
readers; so half of the lines are right ones, drawn from the grammar in every spelling, and the
others are right lines with one or two edits. Four broken readers make sure that the test sees.
"""

import io
from contextlib import redirect_stdout

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pyruntime.command import fast, full, grammar

ODD = [
    "-", "--", "---", "-9", "--help", "-h", "--version", "-v", "--nope", "-x", "", "=", "--=x",
    "010", "0x1", "help", "--root", "--debug", "--all", "-f", "x=y", "state", "--bundle=",
    "--no-pivot=false", "--quiet=0", "--force=T", "-q=", "kill",
]  # fmt: skip
WORDS = st.sampled_from(["c1", "web.2", "9", "KILL", "a=b", "start", "ü"])
VALUES = {
    "text": st.sampled_from(["json", "table", "auto", "", "-x", "--help", "a=b"]),
    "path": st.sampled_from(["/b", "rel/x", "", "-", "--", "/a=b"]),
    "texts": st.sampled_from(["A=1", "B=2", "", "-x", "--", "7"]),
    "number": st.sampled_from(["0", "1", "12", "007", "0x3", "-1", "x", "99999999999"]),
}
PLAIN = settings(
    max_examples=700, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@st.composite
def option(draw, options):
    """Draw one option of a table in one of its spellings."""
    names, kind, _, _ = draw(st.sampled_from(options))
    dashed = draw(st.sampled_from(["--", "-"])) + draw(st.sampled_from(names))
    if kind == "flag":
        return [dashed]
    value = draw(VALUES[kind] if draw(st.booleans()) else VALUES[kind].filter(str.isalnum))
    return [f"{dashed}={value}"] if draw(st.booleans()) else [dashed, value]


@st.composite
def right_line(draw):
    """Draw a line that a careful caller would send."""
    line = []
    plain_globals = tuple(o for o in grammar.GLOBAL if o[0][0] != "version")
    for part in draw(st.lists(option(plain_globals), max_size=2)):
        line += part
    command = draw(st.sampled_from(sorted(grammar.COMMANDS)))
    _, least, most, stops, _, options = grammar.COMMANDS[command]
    parts = draw(st.lists(option(options), max_size=3)) if options else []
    more = st.sampled_from(["-l", "--", "-9", "--help"]) if most > 2 else st.nothing()
    words = [[word] for word in draw(st.lists(WORDS | more, min_size=least, max_size=min(most, 5)))]
    if stops or draw(st.booleans()):
        parts += words
    else:
        parts = words + parts
    return [*line, command, *(token for part in parts for token in part)]


@st.composite
def line(draw):
    """Draw a right line, half of the time with one or two edits."""
    found = draw(right_line())
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(found)))
        edit = draw(st.sampled_from(["insert", "replace", "drop", "glue", "repeat", "behind"]))
        if edit == "insert":
            found.insert(at, draw(st.sampled_from(ODD)))
        elif edit == "behind":
            found += draw(option(own_options(found)))
        elif at == len(found):
            continue
        elif edit == "replace":
            found[at] = draw(st.sampled_from(ODD))
        elif edit == "drop":
            del found[at]
        elif edit == "glue":
            found[at] += "=false"
        else:
            found += found[at : at + 2]
    return found


def own_options(argv):
    """Return the options of the first command named on a line, or the global ones."""
    named = (grammar.COMMANDS[token][5] for token in argv if token in grammar.COMMANDS)
    return next(named, ()) or grammar.GLOBAL


def by_click(argv):
    with redirect_stdout(io.StringIO()):
        try:
            return full.read(argv)
        except full.Misread as refusal:
            return refusal.say()


def disagreements(reader, examples=700):
    """Run a reader against click; return the lines where they differ, and the share read."""
    differ, seen, read = [], 0, 0

    @settings(PLAIN, max_examples=examples, phases=[Phase.generate])
    @given(line())
    def compare(argv):
        nonlocal seen, read
        found = reader(list(argv))
        seen += 1
        read += found is not None
        if found is not None and not differ and found != by_click(list(argv)):
            differ.append(argv)

    compare()
    return differ, read / seen


def test_the_exact_reader_reads_as_click_does_or_not_at_all():
    differ, share = disagreements(fast.read, examples=1500)
    assert differ == []
    assert share > 0.25, "too few lines were read for the test to mean much"


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=6)), max_size=5))
@PLAIN
def test_any_words_at_all_give_a_line_or_a_sentence(argv):
    found = by_click(argv)
    assert isinstance(found, grammar.Line | int) or found
    assert fast.read(argv) in (None, found)


def taking_false_for_true(argv):
    return fast.read(
        [token.removesuffix("=false") if token[:1] == "-" else token for token in argv]
    )


def taking_the_end_of_options_for_a_word(argv):
    found = fast.read(["\0" if token == "--" else token for token in argv])
    if found is not None:
        found.words = tuple("--" if word == "\0" else word for word in found.words)
    return found


def reading_options_behind_the_word_of_kill(argv):
    kept = grammar.COMMANDS
    grammar.COMMANDS = {
        name: (usage, least, most, False, text, options)
        for name, (usage, least, most, _, text, options) in kept.items()
    }
    try:
        return fast.read(argv)
    finally:
        grammar.COMMANDS = kept


def keeping_the_first_of_a_repeated_option(argv):
    found = fast.read(argv)
    if found is None or found.command == "version":
        return found
    for options, values in (
        (grammar.GLOBAL, found.settings),
        (grammar.COMMANDS[found.command][5], found.options),
    ):
        for names, kind, _, _ in options:
            for at, token in enumerate(argv):
                name, glued, text = token.lstrip("-").partition("=")
                if token[:1] == "-" and name in names and kind in ("text", "path"):
                    key = names[0].replace("-", "_")
                    if key in values:
                        values[key] = text if glued else argv[at + 1]
                    break
    return found


@pytest.mark.parametrize(
    "broken",
    [
        taking_false_for_true,
        taking_the_end_of_options_for_a_word,
        reading_options_behind_the_word_of_kill,
        keeping_the_first_of_a_repeated_option,
    ],
)
def test_a_broken_reader_would_be_noticed(broken):
    differ, _ = disagreements(broken)
    assert differ
