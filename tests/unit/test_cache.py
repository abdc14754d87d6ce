import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer import AsyncInferenceClient, InferenceClient
from nbinfer.cache import AnswerCache
from nbinfer.results import Chunk, Token

PROMPT = "Once upon a time"
DRAWN = {"temperature": 1.0, "max_new_tokens": 12}


def steps(text):
    """Return the steps of an answer, a letter each."""
    return [Chunk(token=Token(1, letter, -0.5), index=place) for place, letter in enumerate(text)]


def read(cache, request, text=""):
    """Return the text that a cache gives for a request, and whether it was kept."""
    told = []
    chunks = cache.chunks(request, lambda: steps(text), lambda: told.append(1))
    return "".join(chunk.token.text for chunk in chunks), bool(told)


def test_an_answer_is_kept_for_the_same_request():
    """The same request gives the steps of the first time, another one its own."""
    cache = AnswerCache()
    assert read(cache, ["a", 1], "first") == ("first", False)
    assert read(cache, ["a", 1], "second") == ("first", True)
    assert read(cache, ["a", 2], "second") == ("second", False)
    assert len(cache) == 2


def test_what_a_reader_writes_is_not_kept():
    """A reader may change the steps it is given; the next one gets them as they were."""
    cache = AnswerCache()
    for chunk in cache.chunks("a", lambda: steps("abc"), lambda: None):
        chunk.text = chunk.token.text = "changed"
    assert read(cache, "a") == ("abc", True)


def test_an_answer_that_was_not_read_is_not_kept():
    """Leaving before the end keeps nothing; neither does an answer that fails."""
    cache = AnswerCache()
    next(cache.chunks("a", lambda: steps("abc"), lambda: None))

    def failing():
        yield from steps("ab")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(cache.chunks("b", failing, lambda: None))
    assert len(cache) == cache.size == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), max_size=40), st.integers(0, 4000))
def test_no_more_is_kept_than_allowed(asked, largest):
    """Whatever is asked, the bytes kept stay within bounds and are counted right; the latest that fits is there."""
    cache = AnswerCache(largest)
    for request, length in asked:
        read(cache, request, "x" * length)
        assert cache.size <= largest
        assert cache.size == sum(len(key) + len(answer) for key, answer in cache._kept.items())


def test_the_one_not_used_for_longest_goes_first():
    """An answer that was just used stays when there is no room for all."""
    cache = AnswerCache()
    read(cache, "a", "abc")
    cache.largest = cache.size * 2
    read(cache, "b", "abc")
    read(cache, "a")
    read(cache, "c", "abc")
    assert read(cache, "a", "new") == ("abc", True)
    assert read(cache, "b", "new") == ("new", False)


def test_a_client_keeps_sampled_answers():
    """With `cache` a drawn answer comes again, streamed and whole, and says that it was kept; without it does not."""
    with InferenceClient(cache=True) as client:
        first = client.run("text-generation", PROMPT, **DRAWN)
        again = client.run("text-generation", PROMPT, **DRAWN)
        assert (first.cached, again.cached) == (False, True)
        assert str(again) == str(first)
        assert "".join(client.text_generation(PROMPT, stream=True, **DRAWN)) == str(first)
        assert again.tokens.equals(first.tokens)
        assert "cached" in again.footer
        chat = [str(client.run("chat", "Tell me a story.", temperature=1.0, max_tokens=12)) for _ in range(2)]
        assert chat[0] == chat[1]
    with InferenceClient() as client:
        assert len({str(client.run("text-generation", PROMPT, **DRAWN)) for _ in range(4)}) > 1


def test_a_fresh_answer_can_be_asked_for():
    """`use_cache=False`, and the header on the client, give a new answer."""
    with InferenceClient(cache=True) as client:
        client.run("text-generation", PROMPT, **DRAWN)
        assert not client.run("text-generation", PROMPT, use_cache=False, **DRAWN).cached
        client.headers["x-use-cache"] = "0"
        assert not client.run("text-generation", PROMPT, **DRAWN).cached


def test_async_and_threads_share_it():
    """Tasks and threads of one client find what another left."""

    async def asked():
        async with AsyncInferenceClient(cache=True) as client:
            first = await client.run("text-generation", PROMPT, **DRAWN)
            others = await asyncio.gather(*(client.run("text-generation", PROMPT, **DRAWN) for _ in range(4)))
            return {str(first), *map(str, others)}

    assert len(asyncio.run(asked())) == 1
    with InferenceClient(cache=True) as client, ThreadPoolExecutor(4) as threads:
        first = str(client.run("text-generation", PROMPT, **DRAWN))
        assert set(threads.map(lambda _: client.text_generation(PROMPT, **DRAWN), range(8))) == {first}
