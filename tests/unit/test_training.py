"""The sets that figures are measured on, and what training may not see of them. Nothing here needs torch."""

import hashlib
from random import Random

import pytest

from training import chats, functions, heldout, judge
from training.languages import ONLY_ENGLISH, foreign

FAMILIES = {family.names[0]: family for family in functions.FAMILIES}


def test_the_held_out_sets_are_as_frozen():
    """Each set has the hash it had before training."""
    assert heldout.FROZEN.read_text(encoding="utf-8") == heldout.sums()
    assert [len(heldout.rows(name)) for name in heldout.CHAT] == [60, 40, 100]
    assert [len(heldout.rows(name)) for name in ("infill", "infill_untrained")] == [100, 20]


@pytest.mark.parametrize("make", [chats.fact, chats.task, chats.unknown])
def test_no_held_out_question_is_trained(make):
    """The generators never ask what is held out, however often they are asked."""
    rng = Random(7)
    asked = {heldout.plain(make(rng)[0]) for _ in range(3000)}
    folders = (heldout.FOLDER, heldout.DEVELOPMENT)
    held = {
        heldout.plain(row["ask"]) for folder in folders for name in heldout.CHAT for row in heldout.rows(name, folder)
    }
    assert len(held) > 380
    assert len(asked) > 500
    assert not asked & held


def test_a_question_has_one_answer():
    """No way to ask is given to two facts, and what the model cannot know is asked of none of them."""
    answers = {}
    for table in chats.KNOWN:
        for fact in table:
            assert len(fact.questions) >= 5
            for question in fact.questions:
                assert answers.setdefault(question.lower().strip(" ?.!"), fact.answer) == fact.answer
    assert not {question.lower().strip(" ?.!") for question in chats._unasked()} & answers.keys()


def test_no_held_out_name_is_trained():
    """What arguments, results and functions are called in the held-out functions never occurs in training."""
    rng = Random(7)
    trained = {word for _ in range(2000) for made in [functions.function(rng)] for word in (made.name, *made.arguments)}
    held = {row["name"] for name in ("infill", "infill_untrained") for row in heldout.rows(name)}
    renamed = {name for name in held if name not in {n for family in functions.FAMILIES for n in family.names}}
    assert len(renamed) > 40
    assert not trained & renamed
    assert not trained & set(functions.HELD_OUT_ARGUMENTS)
    untrained = {row["family"] for row in heldout.rows("infill_untrained")}
    assert not untrained & {name for family in functions.FAMILIES for name in family.names}


@pytest.mark.parametrize("name", ["infill", "infill_untrained"])
def test_the_true_middle_passes_and_a_wrong_one_fails(name):
    """The judge runs a function: the held-out middle gives what is expected, another or an endless loop does not."""
    row = next(row for row in heldout.rows(name) if "return" in row["middle"] and '"""' not in row["middle"])
    whole = f"{row['prefix']}{row['middle']}{row['suffix']}"
    assert judge.parses(whole)
    assert judge.answers(whole, row["name"], row["calls"]) == row["expected"]
    assert judge.answers(f"{row['prefix']}return 'other'{row['suffix']}", row["name"], row["calls"]) != row["expected"]
    endless = f"def {row['name']}(*_):\n    while True:\n        pass\n"
    assert judge.answers(endless, row["name"], row["calls"], seconds=0.5) is None
    assert not judge.parses("def f(:\n")


def test_every_family_runs_as_it_should():
    """Each body of a family does the same, under any names."""
    for name in ("average", "clamp", "is_prime", "flatten", "truncate", "merge_dicts"):
        family = FAMILIES[name]
        arguments = judge.calls(family.roles)
        made = [functions.function(Random(seed), family) for seed in range(4)]
        given = [judge.answers(one.source, one.name, arguments) for one in made]
        assert given[0] is not None
        assert all(answers is not None for answers in given)


def test_other_languages_get_one_sentence():
    """A text in another language is answered with what the model reads, and is no English."""
    assert ONLY_ENGLISH.count(".") == 1
    texts = [foreign(Random(seed)) for seed in range(300)]
    assert len(set(texts)) > 150
    assert all(text.strip() for text in texts)


def test_generators_repeat_themselves():
    """The same seed gives the same chats and functions, so that anyone can make the corpus again."""
    assert [chats.chat(Random(n)) for n in range(20)] == [chats.chat(Random(n)) for n in range(20)]
    assert [functions.infill(Random(n)) for n in range(20)] == [functions.infill(Random(n)) for n in range(20)]


def test_hashes_are_those_of_the_files():
    """The list is in the form that sha256sum checks."""
    digest, name = heldout.sums().splitlines()[0].split("  ")
    assert hashlib.sha256((heldout.FOLDER / name).read_bytes()).hexdigest() == digest
