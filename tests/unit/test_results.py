import json
import re

import msgspec
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from nbinfer.errors import BadAnswerError
from nbinfer.results import FINISH_REASONS, TextResult, Timings, Token, Usage, normalised

TAG = "<img src=x onerror=alert(1)>"
FORMS = tuple(TextResult.forms)
RESULT = TextResult(
    "A *short* answer.",
    model="org/name",
    prompt="Why?",
    parameters={"temperature": 0.5, "seed": 2**64 - 1, "stop": ["a", "b"], "model": "not this one"},
    finish_reason="length",
    raw_finish_reason="length",
    usage=Usage(5, 3),
    timings=Timings(0.1, 1.26),
    headers={"x-compute-type": "cache", "x-request-id": "r1"},
    seed=7,
    token_list=(Token(1, "A", -0.5), Token(2, " short", None), Token(3, "</s>", -0.1, special=True)),
    top_tokens=([Token(1, "A", -0.5), Token(9, "The", -1.5)], [Token(2, " short", -0.2)], [Token(3, "</s>", -0.1)]),
    notices=("a notice",),
)
BARE = TextResult("x")


def test_the_text_of_a_result_is_its_text() -> None:
    """`str` gives the text alone, so that a result can stand where a text is wanted."""
    assert str(RESULT) == f"{RESULT}" == "A *short* answer."


def test_a_result_says_briefly_what_it_is() -> None:
    """The repr holds the beginning of the text and the account of the call, on one line."""
    assert repr(RESULT) == (
        "<TextResult 'A *short* answer.' (org/name · 3 tokens · 1.3 s · ended at max_new_tokens · cached · a notice)>"
    )
    long = repr(TextResult("a\nb" * 100))
    assert "…" in long
    assert "\n" not in long
    assert len(long) < 100


@pytest.mark.parametrize(
    ("result", "footer"),
    [
        (BARE, ""),
        (TextResult("x", model="m", usage=Usage(None, 1)), "m · 1 token"),
        (TextResult("x", model="m", finish_reason="stop"), "m"),
        (TextResult("x", finish_reason="interrupted"), "interrupted"),
        (TextResult("x", finish_reason="error", notices=("a", "b")), "broke off · a · b"),
        (TextResult("x", usage=Usage(3, None), timings=Timings(None, 0.004)), "4 ms"),
    ],
)
def test_the_footer_tells_what_is_known(result: TextResult, footer: str) -> None:
    """Model, tokens, time, an ending that is not the usual one, and notices; nothing that is not known."""
    assert result.footer == footer


def test_cached_answers_and_request_ids_are_read_from_headers() -> None:
    """Hugging Face says so in a header when an answer came from its cache, and under which id it answered."""
    assert (RESULT.cached, RESULT.request_id) == (True, "r1")
    assert (BARE.cached, BARE.request_id) == (False, "")
    assert not TextResult("x", headers={"x-compute-type": "gpu"}).cached


def test_a_result_is_one_row() -> None:
    """A frame of a result has its text, its account and every parameter that was sent, exactly."""
    frame = RESULT.to_frame()
    assert frame.to_dict("records") == [
        {
            "text": "A *short* answer.",
            "model": "org/name",
            "finish_reason": "length",
            "input_tokens": 5,
            "output_tokens": 3,
            "seconds": 1.26,
            "temperature": 0.5,
            "seed": 2**64 - 1,
            "stop": ["a", "b"],
        }
    ]
    assert len(pd.concat([frame, BARE.to_frame()])) == 2


def test_tokens_are_rows() -> None:
    """Every token is a row with id, text, logarithm of probability, whether it is special, and its alternatives."""
    tokens = RESULT.tokens
    assert list(tokens.columns) == ["id", "text", "logprob", "special", "alternatives"]
    assert tokens["text"].tolist() == ["A", " short", "</s>"]
    assert tokens["special"].tolist() == [False, False, True]
    assert tokens["alternatives"][0] == {"A": -0.5, "The": -1.5}


def test_tokens_without_alternatives_have_no_column_for_them() -> None:
    """What the server did not tell is not in the frame, which has its columns also without rows."""
    assert list(BARE.tokens.columns) == ["id", "text", "logprob", "special"]
    assert len(BARE.tokens) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_alternatives_of_only_some_tokens_are_shown(count: int) -> None:
    """Fewer alternatives than tokens, as when an answer was stopped, do not spoil the frame."""
    result = TextResult("x", token_list=RESULT.token_list, top_tokens=RESULT.top_tokens[:count])
    assert len(result.tokens) == 3


def test_a_notebook_gets_text_and_markdown() -> None:
    """Plain text is the text alone; Markdown is made safe and ends with the footer."""
    data, metadata = RESULT._repr_mimebundle_()
    assert data["text/plain"] == "A *short* answer."
    assert data["text/markdown"] == f"A *short* answer.\n\n<sub>{RESULT.footer}</sub>"
    assert metadata["nbinfer"] == {
        "model": "org/name", "finish_reason": "length", "input_tokens": 5, "output_tokens": 3, "notices": ["a notice"],
    }  # fmt: skip
    json.dumps([data, metadata])


def test_nothing_that_is_shown_holds_markup_of_the_model() -> None:
    """Neither text nor footer bring HTML into a notebook, whatever model and notices are called."""
    result = TextResult(TAG, model=TAG, notices=(TAG,))
    for form in FORMS:
        if form == "json":
            continue
        data, _ = result.bundle(form)
        assert TAG not in MarkdownIt("commonmark", {"html": True}).render(data.get("text/markdown", ""))
        assert TAG not in data.get("text/html", "")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_stored_in_a_notebook(form: str) -> None:
    """Each form gives MIME data that JSON can hold; `none` gives none."""
    data, metadata = TextResult('{"a": 1}', model="m").bundle(form)
    json.dumps([data, metadata])
    assert bool(data) is (form != "none")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ('Here:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        (" [1]\n", [1]),
        ('"x"', "x"),
    ],
)
def test_json_is_read_from_the_answer(text: str, value: object) -> None:
    """An answer that is JSON, alone or in a fence, becomes data."""
    data, _ = TextResult(text).bundle("json")
    assert data["application/json"] == value
    assert json.loads(data["text/plain"]) == value


@pytest.mark.parametrize("text", ["no", '{"a": ', "", "[" * 100_000, "{'a': 1}"])
def test_what_is_no_json_says_so_and_keeps_the_text(text: str) -> None:
    """An answer that is not JSON is an error that still holds the result."""
    result = TextResult(text, finish_reason="stop")
    with pytest.raises(BadAnswerError, match="the answer is not JSON") as caught:
        result.bundle("json")
    assert caught.value.partial is result
    assert caught.value.hint == ""


def test_json_that_was_cut_says_so() -> None:
    """Where the length ended the answer, the hint says what to raise."""
    with pytest.raises(BadAnswerError) as caught:
        TextResult('{"a": ', finish_reason="length").bundle("json")
    assert "--max-new-tokens" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "code"),
    [("Here:\n```python\nx = '<b>'\n```\nand\n```\ny\n```", "x = '<b>'\n\ny"), ("x = 1", "x = 1")],
)
def test_code_is_what_stands_in_fences(text: str, code: str) -> None:
    """The code form shows the content of the answer's fences as one block, as typed."""
    data, _ = TextResult(text).bundle("code")
    assert data["text/plain"] == code
    page = MarkdownIt("commonmark").render(data["text/markdown"])
    assert code.replace("<", "&lt;").replace(">", "&gt;") in page


@pytest.mark.parametrize(
    "text", [f"~~~\n```\n{TAG}\n~~~", f"````\n```\n{TAG}\n````", f"```\n{TAG}", f"- ```\n  {TAG}", f"a\n   ```\n{TAG}"]
)
def test_code_cannot_leave_its_block(text: str) -> None:
    """Marks of code within the code do not end the block that shows it."""
    data, _ = TextResult(text).bundle("code")
    assert "<img" not in MarkdownIt("commonmark", {"html": True}).render(data["text/markdown"])


def test_tables_escape_what_the_model_wrote() -> None:
    """HTML tables hold the model's text as text."""
    result = TextResult(TAG, token_list=(Token(1, TAG),))
    for form in ("df", "tokens"):
        data, _ = result.bundle(form)
        assert "&lt;img" in data["text/html"]
        assert re.search(r"\bimg\b", data["text/plain"])


@pytest.mark.parametrize("raw", FINISH_REASONS)
def test_finish_reasons_are_one_word(raw: str) -> None:
    """Each service's word for the same ending is the same word here."""
    assert normalised(raw) in {"length", "stop", "tool_calls"}
    assert normalised("length") == "length"
    assert normalised(None) is normalised("") is None


def test_tokens_are_read_exactly() -> None:
    """Seeds and ids beyond 2^63 survive the way through JSON."""
    token = msgspec.json.decode(b'{"id": 18435558523380366744, "text": "a", "logprob": null}', type=Token)
    assert token.id == 18435558523380366744
    assert token.logprob is None
