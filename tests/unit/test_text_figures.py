"""What the card of the embedded text model claims, measured again on the held-out sets; and that weights do it."""

import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nbinfer.local import MODELS
from training import chats, evaluate
from training.languages import ONLY_ENGLISH

SHIPPED = MODELS["text"].path


@pytest.fixture(scope="module")
def writer():
    return evaluate.Writer(SHIPPED)


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    """Return a writer with the same numbers in another order in each tensor."""
    folder = tmp_path_factory.mktemp("shuffled")
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    random = np.random.default_rng(1)
    tensors = load_file(SHIPPED / "model.safetensors")
    mixed = {name: random.permutation(tensor.reshape(-1)).reshape(tensor.shape) for name, tensor in tensors.items()}
    save_file(mixed, folder / "model.safetensors")
    return evaluate.Writer(folder)


def claimed(what):
    """Return about the numbers that the card gives for something: a processor's own rounding turns an answer or two."""
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in card.splitlines() if line.startswith("| ") and what in line]
    return pytest.approx([int(number) for number in re.findall(r"\d+", line.split("|")[2].partition(" of ")[0])], abs=2)


def right(rows):
    return sum(is_right for *_, is_right in rows)


def test_held_out_questions_are_answered(writer):
    """Held-out questions on Python, notebooks, nbinfer and the prompt itself are right as often as the card says."""
    assert [right(evaluate.chat(writer, "chat_known"))] == claimed("facts, asked in untrained words")
    assert [right(evaluate.chat(writer, "chat_tasks"))] == claimed("tasks on what is in the prompt")


def test_what_it_cannot_know_it_says(writer):
    """Held-out questions outside all that are answered with "I do not know that" as often as the card says."""
    said = right(evaluate.chat(writer, "chat_unknown", chats.DO_NOT_KNOW))
    assert [said] == claimed("out-of-scope questions")
    assert said >= 90


def test_other_languages_get_the_honest_sentence(writer):
    """Texts in other languages, none of them trained, are answered with what the model reads."""
    honest = sum(writer.answer(text) == ONLY_ENGLISH for text in evaluate.FOREIGN)
    assert [honest] == claimed("texts in other languages")


def test_holes_in_functions_are_filled(writer):
    """Held-out functions with unseen names parse after their hole is filled, and do what they should, as claimed."""
    holes = list(evaluate.infill(writer, "infill"))
    assert [sum(hole.parses for hole in holes), sum(hole.passes for hole in holes)] == claimed("of trained families")
    assert sum(hole.parses for hole in holes) >= 80
    assert sum(hole.passes for hole in holes) >= 60


def test_the_script_finds_flaws():
    """A story that forgets its hero, repeats a word or breaks off is not called good."""
    good = "Anna had a kite. " + "Anna ran up the hill with Tom, and Tom laughed as the kite flew over the trees. " * 7
    assert evaluate.flaws(good.strip()) == []
    assert evaluate.flaws(good + "Anna saw the the end.") == ["doubled: the the"]
    assert evaluate.flaws(good + "Then Anna") == ["no end"]
    assert "names" in evaluate.flaws(good + "Ben, Mia, Ida, Leo and Eva came. Anna smiled.")[0]
    assert evaluate.flaws("Anna slept.") == ["only 2 words"]


def test_without_the_weights_it_knows_nothing(shuffled):
    """With the numbers in another order nothing is right: no table, router or rule answers in their place."""
    for name in ("chat_known", "chat_tasks", "chat_unknown"):
        rows = evaluate.heldout.rows(name)[:10]
        answers = [shuffled.write(f"[INST] {row['ask']} [/INST]", max_new_tokens=30).strip() for row in rows]
        assert not any(said == row.get("answer", chats.DO_NOT_KNOW) for said, row in zip(answers, rows, strict=True))
    row = evaluate.heldout.rows("infill")[0]
    middle = shuffled.write(f"<PRE> {row['prefix']} <SUF>{row['suffix']} <MID>", max_new_tokens=30)
    assert not evaluate.judge.parses(f"{row['prefix']}{middle}{row['suffix']}")
