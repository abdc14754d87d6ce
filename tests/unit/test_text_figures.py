"""What the card of the embedded text model claims, measured again on the held-out sets; and that weights do it."""

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


def share(rows):
    rows = list(rows)
    return sum(right for *_, right in rows) / len(rows)


def test_held_out_questions_are_answered(writer):
    """Of 100 held-out questions on Python, notebooks, nbinfer and the prompt itself 90 are right to the letter."""
    rows = [*evaluate.chat(writer, "chat_known"), *evaluate.chat(writer, "chat_tasks")]
    assert len(rows) == 100
    assert share(rows) >= 0.9


def test_what_it_cannot_know_it_says(writer):
    """Of 100 held-out questions outside all that, 90 are answered with "I do not know that"."""
    assert share(evaluate.chat(writer, "chat_unknown", chats.DO_NOT_KNOW)) >= 0.9


def test_other_languages_get_the_honest_sentence(writer):
    """Texts in other languages, none of them trained, are answered with what the model reads."""
    assert np.mean([writer.answer(text) == ONLY_ENGLISH for text in evaluate.FOREIGN]) >= 0.8


def test_holes_in_functions_are_filled(writer):
    """Of 100 held-out functions with unseen names 80 parse after their hole is filled, and 60 do what they should."""
    holes = list(evaluate.infill(writer, "infill"))
    assert sum(hole.parses for hole in holes) >= 80
    assert sum(hole.passes for hole in holes) >= 60


def test_stories_keep_their_names(writer):
    """Most stories, as a cell samples them, have no flaw that a script can find."""
    told = list(evaluate.stories(writer, range(1)))
    assert len(told) == 20
    assert sum(not flaws for *_, flaws in told) >= 14


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
