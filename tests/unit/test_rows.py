"""Tasks that take several texts, through both clients, on the models in the wheel."""

import asyncio
from dataclasses import asdict

import numpy as np
import pytest

import nbinfer
from nbinfer import AsyncInferenceClient, InferenceClient
from nbinfer.errors import ModelNotFoundError, ParameterError, UnsupportedTaskError
from nbinfer.local import MODELS, load
from nbinfer.results import Progress
from nbinfer.vectors import EmbeddingResult

TEXTS = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose again."]
QUERY = "Where is the small cat?"
client = InferenceClient()


def test_vectors_of_texts():
    """A vector of length 1 for each text, of the same kind for one text; near texts have near vectors."""
    vectors = client.feature_extraction(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == 3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(client.feature_extraction(TEXTS[0]), vectors[:1])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    longer = client.feature_extraction(TEXTS, normalize=False)
    assert np.linalg.norm(longer, axis=1).max() != pytest.approx(1, abs=1e-3)


def test_sentence_similarity_is_the_cosine():
    """How near each of the other sentences is, as Python's own numbers, whether or not vectors are normalised."""
    near = client.sentence_similarity(TEXTS[0], TEXTS[1:])
    vectors = client.feature_extraction(TEXTS)
    assert near == pytest.approx((vectors[1:] @ vectors[0]).tolist(), abs=1e-5)
    assert all(type(value) is float for value in near)
    assert client.sentence_similarity(TEXTS[0], TEXTS[1:], normalize=False) == pytest.approx(near, abs=1e-5)
    assert client.sentence_similarity(TEXTS[0], [TEXTS[0]]) == [pytest.approx(1, abs=1e-5)]


def test_terms_of_texts():
    """Each text has its own words as terms, and related ones, the heaviest first."""
    cat, _, rates = client.sparse_embedding(TEXTS)
    assert "cat" in cat
    assert {"interest", "rates"} <= rates.keys()
    assert list(cat.values()) == sorted(cat.values(), reverse=True)
    assert len(cat) > 6


def test_a_ranking_of_texts():
    """The texts that answer a query come first, with scores from 0 to 1; `top_n` keeps the best."""
    ranked = client.rerank(QUERY, TEXTS)
    assert {one.index for one in ranked[:2]} == {0, 1}
    assert all(0 <= one.score <= 1 for one in ranked)
    assert [one.text for one in ranked] == [TEXTS[one.index] for one in ranked]
    assert client.rerank(QUERY, TEXTS, top_n=1) == ranked[:1]
    assert client.rerank(QUERY, TEXTS, return_documents=False)[0].text is None


def test_the_async_client_does_the_same():
    """All of it awaited gives the same."""

    async def ask():
        async with AsyncInferenceClient() as asking:
            return (
                await asking.feature_extraction(TEXTS),
                await asking.sentence_similarity(TEXTS[0], TEXTS[1:]),
                await asking.sparse_embedding(TEXTS),
                await asking.rerank(QUERY, TEXTS),
            )

    vectors, near, terms, ranked = asyncio.run(ask())
    np.testing.assert_array_equal(vectors, client.feature_extraction(TEXTS))
    assert near == client.sentence_similarity(TEXTS[0], TEXTS[1:])
    assert terms == client.sparse_embedding(TEXTS)
    assert [asdict(one) for one in ranked] == [asdict(one) for one in client.rerank(QUERY, TEXTS)]


def test_many_texts_come_in_steps_and_can_be_left(monkeypatch):
    """A long list says how far it is; a reader who leaves keeps the rows that were done."""
    model = load("embed", "text-embedding")
    monkeypatch.setattr(model, "batch", 10, raising=False)
    steps = client.stream("text-embedding", [f"text {number}" for number in range(25)])
    first = next(iter(steps))
    assert isinstance(first, Progress)
    assert (first.done, first.total) == (10, 25)
    steps.close()
    result = steps.result
    assert isinstance(result, EmbeddingResult)
    assert result.finish_reason == "interrupted"
    assert "interrupted" in result.footer
    assert result.vectors.shape[0] == len(result.inputs) == 10
    whole = client.run("text-embedding", [f"text {number}" for number in range(25)])
    assert len(whole.to_frame()) == 25
    assert whole.finish_reason is None


def test_iterables_of_texts_are_taken():
    """A Series, a generator or a tuple of texts will do."""
    import pandas as pd

    expected = client.feature_extraction(TEXTS)
    for texts in (pd.Series(TEXTS), tuple(TEXTS), (text for text in TEXTS)):
        np.testing.assert_array_equal(client.feature_extraction(texts), expected)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: client.feature_extraction([]), "cannot be empty"),
        (lambda: client.feature_extraction(["a", " "]), "text 1 is empty"),
        (lambda: client.feature_extraction(["a", None]), "text 1 is no text: None"),
        (lambda: client.feature_extraction(7), "text 0 is no text: 7"),
        (lambda: client.feature_extraction("a", normalise=True), "unknown parameter `normalise`"),
        (lambda: client.rerank(" ", TEXTS), "`query` is missing"),
        (lambda: client.run("rerank", TEXTS), "`query` is missing"),
        (lambda: client.rerank("a", TEXTS, top_n=0), "`top_n` must be strictly positive"),
        (lambda: client.sparse_embedding("a\ud800"), "tokenizer error"),
    ],
)
def test_wrong_calls_are_refused(ask, says):
    """What cannot be done is said before anything is computed, with the place of the text that is wrong."""
    with pytest.raises(ParameterError) as refused:
        ask()
    assert says in str(refused.value)


def test_a_model_of_another_task_is_refused():
    """An embedded model that does something else says what it does, and which one would do."""
    with pytest.raises(UnsupportedTaskError) as refused:
        client.feature_extraction("a", model="local/text")
    assert "local/text is for text-generation" in str(refused.value)
    assert "local/embed" in refused.value.hint
    with pytest.raises(UnsupportedTaskError):
        client.text_generation("a", model="local/rerank")
    with pytest.raises(ModelNotFoundError):
        client.feature_extraction("a", model="local/embeds")


def test_what_is_not_used_is_said():
    """Options that mean nothing to the embedded models are named in the result's footer."""
    result = client.run("text-embedding", "a", prompt_name="query", extra={"dimensions": 3})
    assert "not used by local/embed: prompt_name" in result.footer
    assert "not used by local/embed: dimensions" in result.footer
    assert result.parameters == {"normalize": True}


def test_what_would_be_asked_can_be_seen():
    """The preview holds model, texts and options."""
    shown = client.preview("rerank", TEXTS, query="q")
    assert shown["model"] == "local/rerank"
    assert shown["texts"] == TEXTS
    assert shown["parameters"]["query"] == "q"


def test_models_are_listed():
    """Every embedded model is in the list with its task, size and licence, and all are small."""
    models = nbinfer.models()
    for name, model in MODELS.items():
        row = models.loc[f"local/{name}"]
        assert row["task"] == model.task
        assert row["licence"] == "apache-2.0"
        assert 0 < row["MB"] <= 8
        assert row["where"] == "package"


def test_the_command_line_lists_models():
    """`nbinfer models` prints the same list, `nbinfer models get` says how to use what is there."""
    from click.testing import CliRunner

    from nbinfer.cli import commands

    listed = CliRunner().invoke(commands, ["models"])
    assert listed.exit_code == 0
    assert all(f"local/{name}" in listed.output for name in MODELS)
    assert CliRunner().invoke(commands, ["models", "get", "local/text"]).output == "ready: %%infer -m local/text\n"
