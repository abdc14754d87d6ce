import itertools
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbinfer.answers import StopText, TextAnswer
from nbinfer.results import Chunk, Details, Sequence, TextResult, Token

PROMPT = "Say: "

# Few letters, so that stop texts occur, overlap and almost occur.
letters = st.text(alphabet="ab<\n", max_size=24)
# All lengths of the same few beginnings, so that one is complete within another.
stops = st.lists(
    st.text(alphabet="ab<\n", min_size=1, max_size=4) | st.sampled_from(["ab<a", "b<", "<a", "b"]), max_size=3
)


@st.composite
def cuts(draw: st.DrawFn, texts: st.SearchStrategy[str] = letters) -> list[str]:
    """Cut a text into pieces, some of them empty."""
    text = draw(texts)
    places = [0, *sorted(draw(st.lists(st.integers(0, len(text)), max_size=8))), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


def first_complete(text: str, stop: Iterable[str], *, keep: bool = False) -> tuple[str, bool]:
    """Read a text letter by letter until it ends with a stop text; of two that end together the longer counts."""
    for end in range(1, len(text) + 1):
        ending = [word for word in stop if text[:end].endswith(word)]
        if ending:
            return text[: end if keep else end - max(map(len, ending))], True
    return text, False


def answer(prompt: str = PROMPT, **options: object) -> TextAnswer:
    """Return an answer that collects; `full_text`, `keep_stop` and `may_echo` are its own, the rest are parameters."""
    own = {name: options.pop(name) for name in ("full_text", "keep_stop", "may_echo") if name in options}
    return TextAnswer(prompt, options, model="m", **own)  # type: ignore[arg-type]


def step(text: str, *, special: bool = False, **more: object) -> Chunk:
    """Return the step of a stream that brings a token."""
    return Chunk(token=Token(1, text, -0.5, special), **more)  # type: ignore[arg-type]


def streamed(collector: TextAnswer, pieces: Iterable[str], generated_text: str) -> tuple[str, TextResult]:
    """Stream pieces until the answer is stopped, as the client does; return what was shown, and the result."""
    shown = ""
    for chunk in (*map(step, pieces), step("</s>", special=True, generated_text=generated_text)):
        shown += collector.add(chunk).text
        if collector.stopped:
            break
    return shown, collector.result()


@given(pieces=cuts(), stop=stops, keep=st.booleans())
@example(pieces=["a", "b"], stop=["ab", "b"], keep=False)
@example(pieces=["ab<a", "b<b"], stop=["b<b", "<"], keep=False)
@example(pieces=["aa", "ab"], stop=["aab"], keep=False)
@example(pieces=["ab<a"], stop=["b<a", "<"], keep=False)
def test_stop_texts_are_found_wherever_pieces_end(pieces: list[str], stop: list[str], *, keep: bool) -> None:
    """Pieces give what the whole text gives: all up to the stop text that is complete first."""
    finder, shown, found = StopText(stop, keep=keep), "", False
    if finder.active:
        for piece in pieces:
            text, found = finder.feed(piece)
            shown += text
            if found:
                break
        shown += "" if found else finder.rest()
    else:
        shown = "".join(pieces)
    assert (shown, found) == first_complete("".join(pieces), stop, keep=keep)


@given(text=letters, stop=stops, keep=st.booleans())
@example(text="ab<a", stop=["b<a", "<"], keep=False)
def test_a_whole_text_is_cut_like_pieces(text: str, stop: list[str], *, keep: bool) -> None:
    """`cut` ends a whole text at the stop text that is complete first."""
    assert StopText(stop, keep=keep).cut(text) == first_complete(text, stop, keep=keep)


@given(cuts(), stops)
def test_nothing_that_is_shown_has_to_be_taken_back(pieces: list[str], stop: list[str]) -> None:
    """At every moment what was shown is a beginning of the final text, and holds no part of the stop text."""
    final, _ = first_complete("".join(pieces), stop)
    collector, shown = answer(stop=stop), ""
    for piece in pieces:
        shown += collector.add(step(piece)).text
        assert final.startswith(shown)
        if collector.stopped:
            break


@given(cuts(), stops)
def test_no_more_is_held_back_than_could_become_a_stop_text(pieces: list[str], stop: list[str]) -> None:
    """What is not shown yet is the beginning of a stop text."""
    collector, shown = answer(stop=stop), ""
    for end, piece in enumerate(pieces, start=1):
        shown += collector.add(step(piece)).text
        if collector.stopped:
            break
        held = "".join(pieces[:end]).removeprefix(shown)
        assert held == "" or any(word.startswith(held) for word in stop)


@given(pieces=cuts(), stop=stops, keep_stop=st.booleans(), lead=st.booleans())
def test_the_chunks_joined_are_the_result(pieces: list[str], stop: list[str], *, keep_stop: bool, lead: bool) -> None:
    """The texts of all chunks joined are the result's text, and it is that of the answer that came in one piece."""
    text = "".join(pieces)
    options = {"stop": stop, "keep_stop": keep_stop, "full_text": lead}
    shown, result = streamed(answer(**options), pieces, PROMPT * lead + text)
    whole = answer(**options)
    chunk = whole.whole(PROMPT * lead + text, None)
    expected = PROMPT * lead + first_complete(text, stop, keep=keep_stop)[0]
    assert shown == result.text == expected
    assert chunk.text == whole.result().text == expected


def test_the_prompt_leads_even_an_empty_answer() -> None:
    """With the full text the chunks hold the prompt also where the model had nothing to say."""
    shown, result = streamed(answer(full_text=True), [], PROMPT)
    assert shown == result.text == PROMPT


def test_special_tokens_show_nothing() -> None:
    """Control tokens are in the list of tokens but not in the text, wherever they stand."""
    collector = answer()
    shown = [
        collector.add(step("a")).text,
        collector.add(step("<s>", special=True)).text,
        collector.add(step("b")).text,
    ]
    assert shown == ["a", "", "b"]
    assert [token.text for token in collector.result().token_list] == ["a", "<s>", "b"]
    assert collector.result().text == "ab"


def test_a_stop_text_in_a_special_token_does_not_stop() -> None:
    """What is not shown cannot end the answer."""
    collector = answer(stop=["</s>"])
    collector.add(step("</s>", special=True))
    assert not collector.stopped


def test_the_server_has_the_last_word() -> None:
    """`generated_text` is the result where it differs from the joined tokens, as with T5's leading blank."""
    _, result = streamed(answer(), [" ", "to", " 4"], "to 4")
    assert result.text == "to 4"


def test_an_echo_is_cut_from_a_stream_when_the_tokens_prove_it() -> None:
    """Prompt plus tokens equal to `generated_text` is an echo: cut, and the result says so."""
    shown, result = streamed(answer(), ["a", "b"], PROMPT + "ab")
    assert shown == result.text == "ab"
    assert result.notices == ("the server put the prompt in front of its answer; it was cut",)


def test_a_model_that_repeats_the_prompt_is_not_cut() -> None:
    """A text that begins with the prompt because the model wrote it stays, in a stream on any route."""
    shown, result = streamed(answer(may_echo=True), [PROMPT, "a"], PROMPT + "a")
    assert shown == result.text == PROMPT + "a"
    assert result.notices == ()


def test_an_echo_is_cut_from_a_whole_answer_on_compat_routes_only() -> None:
    """Without tokens to compare, the route decides; anything but the whole prompt is no echo."""
    echoing, native = answer(may_echo=True), answer(may_echo=False)
    assert echoing.whole(PROMPT + "a", None).text == "a"
    assert echoing.result().notices
    assert native.whole(PROMPT + "a", None).text == PROMPT + "a"
    assert answer(may_echo=True).whole(PROMPT.strip() + "a", None).text == PROMPT.strip() + "a"


@pytest.mark.parametrize("generated_text", [PROMPT + "ab", "ab"])
def test_the_full_text_has_the_prompt_once(generated_text: str) -> None:
    """With the full text the prompt is in front exactly once, whether the server obeys or not."""
    shown, result = streamed(answer(full_text=True), ["a", "b"], generated_text)
    assert shown == result.text == PROMPT + "ab"
    assert answer(full_text=True).whole(generated_text, None).text == PROMPT + "ab"
    assert result.notices == ()


def test_the_full_text_has_the_prompt_once_when_tokens_differ() -> None:
    """The prompt is not doubled where the joined tokens are not the text, as with T5."""
    _, result = streamed(answer(full_text=True), [" ", "to", " 4"], PROMPT + "to 4")
    assert result.text == PROMPT + "to 4"


def test_the_prompt_may_contain_the_stop_text() -> None:
    """Only what the model wrote is searched for stop texts."""
    collector = answer(prompt="a\nb\n", stop=["\n"], full_text=True)
    assert collector.whole("a\nb\nc\nd", None).text == "a\nb\nc"
    assert streamed(answer(prompt="a\nb\n", stop=["\n"]), ["c\n", "d"], "a\nb\nc\nd")[1].text == "c"


def test_other_generations_are_cut_too() -> None:
    """Every one of best_of's generations loses its stop text."""
    others = [Sequence(generated_text="ab<c", tokens=[Token(1, "ab<c")])]
    collector = answer(stop=["<"])
    collector.whole("a<b", Details(best_of_sequences=others))
    assert [one.generated_text for one in collector.result().best_of_sequences] == ["ab"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("length", "length"), ("eos_token", "stop"), ("stop_sequence", "stop"), ("end_turn", "stop"), ("stop", "stop")],
)
def test_finish_reasons_are_one_word_and_the_raw_one_is_kept(raw: str, reason: str) -> None:
    """A result says why it ended in one vocabulary, and in the server's own."""
    collector = answer()
    collector.whole("a", Details(finish_reason=raw))
    assert (collector.result().finish_reason, collector.result().raw_finish_reason) == (reason, raw)


def test_an_unknown_finish_reason_stays_and_none_is_none() -> None:
    """A word that is not known is passed on; no word is None."""
    collector = answer()
    collector.whole("a", Details(finish_reason="content_filter"))
    assert collector.result().finish_reason == "content_filter"
    assert answer().result().finish_reason is None


def test_a_stop_text_found_here_is_the_reason() -> None:
    """An answer that was stopped by us ended at a stop sequence, though the server said nothing yet."""
    collector = answer(stop=["b"])
    collector.add(step("abc"))
    assert collector.stopped
    assert not collector.complete
    assert (collector.result().finish_reason, collector.result().raw_finish_reason) == ("stop", "stop_sequence")


def test_what_was_held_back_is_kept_when_the_answer_breaks_off() -> None:
    """Text that waited for the rest of a stop text is part of a partial result: nothing that arrived is lost."""
    collector = answer(stop=["<end>"])
    collector.add(step("a<en"))
    assert collector.result("error").text == "a<en"


def test_a_result_is_there_at_any_moment() -> None:
    """Before the end the result holds what arrived, how many tokens, and the reason it was asked with."""
    collector = answer(stop=["x"])
    assert not collector.began
    collector.add(step("a", top_tokens=[Token(1, "a"), Token(2, "b")]))
    assert collector.began
    result = collector.result("interrupted")
    assert (result.text, result.finish_reason, result.usage.output_tokens) == ("a", "interrupted", 1)
    assert [[token.text for token in step_] for step_ in result.top_tokens] == [["a", "b"]]
    assert (result.prompt, result.parameters) == (PROMPT, {"stop": ["x"]})


def test_times_are_measured() -> None:
    """The first text and the end are timed from the start of the call."""
    collector = answer()
    assert collector.result().timings.first is None
    collector.add(step("</s>", special=True))
    assert collector.result().timings.first is None
    collector.add(step("a"))
    timings = collector.result().timings
    assert timings.first is not None
    assert timings.total is not None
    assert 0 < timings.first <= timings.total
