"""Uses of the public API, never run: `mypy --strict tests/typing/api.py` takes the right ones, refuses the wrong."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, assert_type

import numpy as np
import pandas as pd
from huggingface_hub import ChatCompletionOutput, TextClassificationOutputElement, TextGenerationOutput
from numpy.typing import NDArray

import nbinfer
from nbinfer import AsyncInferenceClient, ChatResult, InferenceClient, TextResult, errors, sse, templates
from nbinfer.chats import ChatChunk
from nbinfer.drivers import AsyncResultStream, ResultStream
from nbinfer.flows import Timeout
from nbinfer.interpolation import interpolate
from nbinfer.results import Chunk, Result, Timings, Token, Usage
from nbinfer.vectors import Ranked

client = InferenceClient("org/name", token="hf_x", timeout=10, headers={"x-use-cache": "0"})
asking = AsyncInferenceClient(base_url="http://127.0.0.1:8080", api_key={"env": "MY_KEY"}, timeout=Timeout(idle=5))
stream: bool = True

# What comes back depends on `stream` and `details`.
assert_type(client.text_generation("a"), str)
assert_type(client.text_generation("a", stream=False, details=False), str)
assert_type(client.text_generation("a", details=True), TextGenerationOutput)
assert_type(client.text_generation("a", stream=True), Iterator[str])
assert_type(client.text_generation("a", stream=True, details=True), Iterator[Chunk])
assert_type(client.run("text-generation", "a"), TextResult)
assert_type(client.stream("text-generation", "a"), ResultStream[TextResult])
assert_type(client.preview("text-generation", "a"), dict[str, Any])
assert_type(client.chat_completion("a"), ChatCompletionOutput)
assert_type(client.chat_completion([{"role": "user", "content": "a"}], stream=False), ChatCompletionOutput)
assert_type(client.chat_completion("a", stream=True), Iterator[ChatChunk])
assert_type(client.run("chat", "a"), ChatResult)
assert_type(client.stream("chat", [{"role": "user", "content": "a"}]), ResultStream[ChatResult])

# Every parameter, by its own type.
client.chat_completion(
    "a",
    model="gpt2",
    temperature=0,
    top_p=0.9,
    max_tokens=5,
    stop=["x"],
    seed=1,
    frequency_penalty=0.5,
    presence_penalty=0.5,
    n=2,
    logprobs=True,
    top_logprobs=2,
    logit_bias={"1": 5},
    response_format={"type": "json_object"},
    tools=[{"type": "function"}],
    tool_choice="auto",
    tool_prompt="Use:",
    stream_options={"include_usage": True},
    provider="together",
    bill_to="acme",
    extra={"min_p": 0.1},
)
client.text_generation(
    "a",
    model="gpt2",
    best_of=2,
    temperature=0.5,
    repetition_penalty=1.1,
    frequency_penalty=-0.5,
    top_p=0.9,
    typical_p=0.9,
    top_k=5,
    max_new_tokens=5,
    stop=["x"],
    seed=1,
    top_n_tokens=2,
    truncate=5,
    do_sample=True,
    return_full_text=False,
    decoder_input_details=True,
    watermark=False,
    grammar={"type": "regex", "value": "a+"},
    adapter_id="x",
    keep_stop=True,
    use_cache=False,
    timeout=2.5,
    retries=0,
    headers={"x-a": "b"},
    extra={"min_p": 0.1},
)

# Other tasks take several texts.
assert_type(client.feature_extraction(["a", "b"], normalize=False), NDArray[np.float32])
assert_type(client.sentence_similarity("a", ["b"]), list[float])
assert_type(client.sparse_embedding("a"), list[dict[str, float]])
assert_type(client.rerank("a", ["b"], top_n=1, return_documents=False), list[Ranked])
assert_type(client.run("text-embedding", ["a"]), Result)
client.feature_extraction(7)  # type: ignore[arg-type]
client.rerank("a", ["b"], top_n="1")  # type: ignore[arg-type]
client.rerank("a")  # type: ignore[call-arg]

# What is left to huggingface_hub has its types.
assert_type(client.text_classification("a", top_k=1), list[TextClassificationOutputElement])
assert_type(client.text_to_speech("a"), bytes)
client.text_classification("a", topk=1)  # type: ignore[call-arg]
client.text_classificaton("a")  # type: ignore[attr-defined]

# Misspelt and mistyped arguments are found before anything runs.
client.text_generation("a", temprature=0.5)  # type: ignore[call-overload]
client.text_generation("a", temperature="hot")  # type: ignore[call-overload]
client.text_generation("a", max_new_tokens=2.5)  # type: ignore[call-overload]
client.text_generation("a", stop=[1])  # type: ignore[list-item]
client.text_generation("a", do_sample="yes")  # type: ignore[call-overload]
client.text_generation("a", grammar="a+")  # type: ignore[call-overload]
client.text_generation("a", stream="yes")  # type: ignore[call-overload]
client.text_generation(7)  # type: ignore[call-overload]
client.text_generation()  # type: ignore[call-overload]
client.text_generation("a", "b")  # type: ignore[call-overload]
client.run("text-generation")  # type: ignore[call-overload]
InferenceClient(modle="org/name")  # type: ignore[call-arg]
InferenceClient(7)  # type: ignore[arg-type]
InferenceClient(token=7)  # type: ignore[arg-type]
InferenceClient(timeout="10")  # type: ignore[arg-type]
InferenceClient(headers=["x-a"])  # type: ignore[arg-type]
nbinfer.InferenceCleint  # type: ignore[attr-defined]  # noqa: B018


def reading() -> TextResult:
    """Read a stream step by step."""
    with client.stream("text-generation", "a", temperature=0.5) as steps:
        assert_type(steps, ResultStream[TextResult])
        for chunk in steps:
            assert_type(chunk, Chunk)
            assert_type(chunk.text, str)
            assert_type(chunk.token, Token | None)
        steps.close()
    assert_type(steps.drain(), TextResult)
    return steps.result


async def awaiting() -> None:
    """Do the same with the async client."""
    assert_type(await asking.text_generation("a"), str)
    assert_type(await asking.text_generation("a", details=True), TextGenerationOutput)
    assert_type(await asking.text_generation("a", stream=True), AsyncIterator[str])
    assert_type(await asking.text_generation("a", stream=True, details=True), AsyncIterator[Chunk])
    assert_type(await asking.run("text-generation", "a"), TextResult)
    assert_type(await asking.rerank("a", ["b"]), list[Ranked])
    assert_type(await asking.text_classification("a"), list[TextClassificationOutputElement])
    async with asking.stream("text-generation", "a") as steps:
        assert_type(steps, AsyncResultStream[TextResult])
        async for chunk in steps:
            assert_type(chunk, Chunk)
        await steps.close()
    async for text in await asking.text_generation("a", stream=True):
        assert_type(text, str)
    async with AsyncInferenceClient() as other:
        assert_type(other, AsyncInferenceClient)
    await asking.text_generation("a", temprature=0.5)  # type: ignore[call-overload]
    await asking.text_generation("a", top_k="5")  # type: ignore[call-overload]
    list(asking.stream("text-generation", "a"))  # type: ignore[call-overload]


def using(result: TextResult) -> None:
    """Use a result as text and as data."""
    assert_type(str(result), str)
    assert_type(result.text, str)
    assert_type(result.model, str)
    assert_type(result.finish_reason, str | None)
    assert_type(result.usage, Usage)
    assert_type(result.usage.output_tokens, int | None)
    assert_type(result.timings, Timings)
    assert_type(result.seed, int | None)
    assert_type(result.cached, bool)
    assert_type(result.request_id, str)
    assert_type(result.tokens, pd.DataFrame)
    assert_type(result.to_frame(), pd.DataFrame)
    assert_type(result.headers["x-request-id"], str)
    result.text = "other"  # type: ignore[misc]
    result.txt  # type: ignore[attr-defined]  # noqa: B018


def failing() -> None:
    """Catch errors by class, and read what they hold."""
    try:
        reading()
    except errors.ModelLoadingError as error:
        assert_type(error.estimated_time, float | None)
    except errors.ApiError as error:
        assert_type(error.status, int)
        assert_type(error.request_id, str)
    except errors.StreamInterruptedError as error:
        assert_type(error.hint, str)
    except (ValueError, OSError, errors.InferError):
        pass


def below(chunks: Iterable[bytes]) -> None:
    """Use what lies one level down."""
    for event in sse.events(chunks):
        assert_type(event, sse.Event)
        assert_type(event.data, str)
    assert_type(templates.llama2_chat([{"role": "user", "content": "a"}]), str)
    assert_type(interpolate("{{ a }}", {"a": 1}), str)
    sse.events("text")  # type: ignore[arg-type]
    templates.llama2_chat("text")  # type: ignore[arg-type]
