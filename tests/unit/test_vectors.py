"""Results that are numbers: as data, as a picture, and half way."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer.answers import RowsAnswer
from nbinfer.errors import ParameterError
from nbinfer.results import Timings
from nbinfer.tasks import FORMS, TASKS
from nbinfer.vectors import SHOWN, EmbeddingResult, Ranked, RankResult, SparseResult

TAG = '<img src=x onerror="alert(1)">'
ROWS = tuple(np.array(row, np.float32) for row in ([1, 0], [0, 2], [3, 4]))
VECTORS = EmbeddingResult.of(("a", "b", "c"), ROWS, model="m", timings=Timings(None, 0.5))
TERMS = SparseResult.of(("cheese", "milk"), ({"cheese": 2.0, "milk": 0.5}, {"milk": 1.5}), model="m")
RANKS = RankResult.of(("bad", "best", "good"), (0.1, 0.9, 0.5), model="m", parameters={"query": "q"})
RESULTS = (VECTORS, TERMS, RANKS)


def test_vectors_are_a_matrix_and_a_frame():
    """An embedding result is a float32 matrix and a DataFrame with a row for each text."""
    assert VECTORS.vectors.dtype == np.float32
    assert VECTORS.vectors.shape == (3, 2)
    frame = VECTORS.to_frame()
    assert list(frame.index) == ["a", "b", "c"]
    np.testing.assert_array_equal(frame.loc["c"], [3, 4])
    assert len(VECTORS) == 3
    assert repr(VECTORS) == "<EmbeddingResult (m · 3 vectors of 2 · 0.5 s)>"


def test_similarities_are_cosines():
    """What is near what is the cosine, whatever the lengths; a vector of zeros is near nothing."""
    table = VECTORS.similarities()
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-6)
    assert table.loc["a", "c"] == pytest.approx(0.6)
    empty = EmbeddingResult.of(("a", "b"), (np.zeros(2, np.float32), ROWS[0]))
    assert not empty.similarities().loc["a"].any()
    assert EmbeddingResult.of(("a",), ()).vectors.size == 0
    assert EmbeddingResult.of(("a",), ()).amount == "no vectors"


def test_terms_are_rows():
    """A sparse result is a map for each text and a DataFrame with a row for each term."""
    assert TERMS.weights == [{"cheese": 2.0, "milk": 0.5}, {"milk": 1.5}]
    frame = TERMS.to_frame()
    assert frame.columns.tolist() == ["text", "term", "weight"]
    assert frame["weight"].tolist() == [2.0, 0.5, 1.5]
    assert TERMS.footer == "m · 2 texts, 3 terms"


def test_a_ranking_is_in_order():
    """The best text is first, with its place in the input; equal scores stay in the order of the input."""
    assert RANKS.ranking == [Ranked(1, 0.9, "best"), Ranked(2, 0.5, "good"), Ranked(0, 0.1, "bad")]
    assert RANKS.query == "q"
    frame = RANKS.to_frame()
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["text"].tolist() == ["best", "good", "bad"]
    ties = RankResult.of(("x", "y"), (0.5, 0.5))
    assert [one.index for one in ties.ranking] == [0, 1]


def test_a_ranking_can_be_short_and_without_texts():
    """`top_n` keeps the best; `return_documents=False` leaves out the texts, but never from the DataFrame."""
    short = RankResult.of(RANKS.inputs, RANKS.rows, parameters={"top_n": 1, "return_documents": False})
    assert short.ranking == [Ranked(1, 0.9, None)]
    assert short.to_frame()["text"].tolist() == ["best"]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_every_form_can_be_shown(result):
    """Each form has plain text, JSON forms are JSON, and a form of another task is refused with those there are."""
    for form in result.forms:
        data, metadata = result.bundle(form)
        assert ("text/plain" in data) is (form != "none")
        assert metadata == {"nbinfer": {"model": "m"}}
    assert json.loads(result.bundle("json")[0]["text/plain"]) == result.bundle("json")[0]["application/json"]
    with pytest.raises(ParameterError) as refused:
        result.bundle("markdown")
    assert ", ".join(result.forms) in refused.value.hint
    assert set(result.forms) <= set(FORMS)


@pytest.mark.parametrize("kind", [EmbeddingResult, SparseResult, RankResult])
def test_no_text_becomes_html(kind):
    """What was asked for, and by whom, is escaped wherever it is shown, in titles too."""
    rows = {EmbeddingResult: ROWS[:2], SparseResult: ({TAG: 1.0}, {TAG: 2.0}), RankResult: (0.2, 0.3)}[kind]
    result = kind.of((TAG, f"'{TAG}"), rows, model=TAG, notices=(TAG,))
    for form in kind.forms:
        assert "<img" not in result.bundle(form)[0].get("text/html", "")
    for quote in ('onerror="', "title=''"):
        assert quote not in result.bundle()[0]["text/html"]


def test_a_picture_stays_small():
    """Of many texts a picture shows the first and says how many more there are."""
    many = SparseResult.of(tuple(map(str, range(500))), tuple({"a": 1.0} for _ in range(500)))
    html = many.bundle()[0]["text/html"]
    assert html.count("<tr>") == SHOWN
    assert f"{500 - SHOWN} more in to_frame()" in html
    vectors = EmbeddingResult.of(tuple(map(str, range(500))), tuple(np.ones(8, np.float32) for _ in range(500)))
    assert len(vectors.bundle()[0]["text/html"]) < 20_000


@given(st.lists(st.integers(1, 5), max_size=6))
def test_what_arrived_before_an_end_is_the_result(batches):
    """Rows come in batches; after any of them the result holds those inputs that have a row, and no others."""
    inputs = [f"text {number}" for number in range(sum(batches) + 2)]
    answer = RowsAnswer(RankResult, inputs, {"query": "q"}, model="m")
    assert not answer.began
    done = 0
    for size in batches:
        step = answer.add([0.5] * size)
        done += size
        assert (step.done, step.total, step.text) == (done, len(inputs), "")
        assert len(answer.result("interrupted").inputs) == done
    assert not answer.complete
    answer.add([0.1, 0.2])
    assert answer.complete
    assert answer.result().inputs == tuple(inputs)


def test_tasks_are_declared_once():
    """Each task has a result with forms, the usual one first, and no two share a word."""
    words = [word for task in TASKS.values() for word in (task.name, *task.aliases)]
    assert len(words) == len(set(words))
    usual = {next(iter(task.result.forms)) for task in TASKS.values()}
    assert usual == {"markdown", "similarity", "terms", "ranking", "df", "audio", "image", "filled"}
    assert all(task.description.endswith(".") for task in TASKS.values())
