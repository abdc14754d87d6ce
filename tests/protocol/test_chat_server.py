"""The OpenAI-style routes of the look-alike, seen through raw HTTP and through huggingface_hub's client."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from .tgi import ANSWER, RANDOM_SEED, Server, pieces
from .wire import wire
from .wire.forms import FORMS

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "Tell me a story."}]
TGI = [name for name, form in FORMS.items() if form.tgi]
OTHERS = [name for name, form in FORMS.items() if not form.tgi]
PROMPT_TOKENS = 1 + len(pieces("<|user|>\nTell me a story.</s>\n<|assistant|>\n"))
TOKENS = len(pieces(ANSWER))

PARAMETERS = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer", "minimum": 2}}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "legs": {"type": "integer"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
TIDES = {"type": "function", "function": {"name": "tides", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "tides"}}

BAD_TYPE = "Failed to deserialize the JSON body into the target type: "
GRAMMARS = "`json`, `json_object`, `regex`, `json_schema`"
EXCLUSIVE = {"error": "Tool error: Grammar and tools are mutually exclusive", "error_type": "tool_error"}


@pytest.fixture(scope="module")
def connections(tgi_session: Server) -> Iterator[httpx.Client]:
    """Keep connections open from test to test."""
    with httpx.Client(base_url=tgi_session.url, timeout=5) as client:
        yield client


@pytest.fixture
def http(tgi: Server, connections: httpx.Client) -> httpx.Client:
    """Speak plain HTTP to a server that has forgotten all other tests."""
    assert not tgi.requests
    return connections


@pytest.fixture
def hub(tgi: Server) -> Iterator[InferenceClient]:
    """Speak to the server as huggingface_hub does."""
    with InferenceClient(model=tgi.url, token="hf_test", timeout=5) as client:
        yield client


def asked(**fields: Any) -> dict[str, Any]:
    """Return a chat request."""
    return {"messages": MESSAGES} | fields


def events(answer: httpx.Response) -> list[Any]:
    """Return the events of a stream, its end as text."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    found = [event.removeprefix("data:").strip() for event in answer.text.split("\n\n")[:-1]]
    return [event if event == "[DONE]" else json.loads(event) for event in found]


def chunks(http: httpx.Client, path: str = CHAT, **fields: Any) -> list[Any]:
    """Return the chunks of a stream without its end."""
    body = asked(**fields) if path == CHAT else fields
    return [event for event in events(http.post(path, json=body | {"stream": True})) if event != "[DONE]"]


def text(stream: list[Any], index: int = 0) -> str:
    """Return what a stream says in one choice."""
    choices = [choice for chunk in stream for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def reasons(stream: list[Any]) -> list[str]:
    """Return why choices end, in the order of a stream."""
    told = [choice.get("finish_reason") for chunk in stream for choice in chunk["choices"]]
    return [reason for reason in told if reason]


def choice_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the only choice of a whole answer."""
    assert answer.status_code == 200
    (choice,) = answer.json()["choices"]
    return choice


def arguments(stream: list[Any]) -> tuple[list[str], list[str]]:
    """Return the names and the pieces of the arguments that a stream tells of calls."""
    calls = [call["function"] for chunk in stream for call in chunk["choices"][0]["delta"].get("tool_calls") or ()]
    return [call["name"] for call in calls if call.get("name")], [call["arguments"] for call in calls]


# --- whole answers and streams of TGI


def test_the_body_is_what_serde_writes(http: httpx.Client) -> None:
    """The answer is compact JSON with TGI's keys in TGI's order, and its id is empty."""
    answer = http.post(CHAT, json=asked(max_tokens=2))
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (
        '{"object":"chat.completion","id":"","created":1741372335,"model":"nbinfer/story",'
        '"system_fingerprint":"3.3.6-sha-78922ce","choices":[{"index":0,"message":{"role":"assistant",'
        '"content":"Once upon"},"logprobs":null,"finish_reason":"length"}],'
        f'"usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":2,"total_tokens":{PROMPT_TOKENS + 2}}}}}'
    )


def test_a_stream_is_chunks_and_done(http: httpx.Client) -> None:
    """Each token is one chunk that names the role, the last one tells the reason, and [DONE] ends the stream."""
    answer = http.post(CHAT, json=asked(max_tokens=1, stream=True))
    assert answer.text == (
        'data: {"object":"chat.completion.chunk","id":"","created":1741372335,"model":"nbinfer/story",'
        '"system_fingerprint":"3.3.6-sha-78922ce","choices":[{"index":0,"delta":{"role":"assistant",'
        '"content":"Once"},"logprobs":null,"finish_reason":"length"}],"usage":null}\n\ndata: [DONE]\n\n'
    )


def test_the_end_token_is_an_empty_piece(http: httpx.Client) -> None:
    """The chunk of the end token says nothing but the reason."""
    *_, last = chunks(http)
    assert last["choices"][0] == {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "logprobs": None,
        "finish_reason": "stop",
    }


@pytest.mark.parametrize("include", [False, True])
def test_usage_comes_on_request(http: httpx.Client, *, include: bool) -> None:
    """A last chunk without choices tells the usage when it is asked for, and [DONE] still follows."""
    *_, last, done = events(http.post(CHAT, json=asked(stream=True, stream_options={"include_usage": include})))
    assert done == "[DONE]"
    assert (last["choices"] == []) is include
    expected = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": TOKENS + 1,
        "total_tokens": PROMPT_TOKENS + TOKENS + 1,
    }
    assert last["usage"] == (expected if include else None)


def test_the_headers_are_those_of_generate(http: httpx.Client) -> None:
    """Whole answers tell times and tokens, streams do not."""
    whole = http.post(CHAT, json=asked(max_tokens=3)).headers
    assert (whole["x-prompt-tokens"], whole["x-generated-tokens"]) == (str(PROMPT_TOKENS), "3")
    stream = http.post(CHAT, json=asked(stream=True)).headers
    assert stream["x-compute-type"] == whole["x-compute-type"] == "1-a10-g"
    assert not {"x-compute-time", "x-generated-tokens"} & set(stream)


@pytest.mark.parametrize(("model", "name"), [(None, "nbinfer/story"), ("tgi", "nbinfer/story"), ("dummy", "dummy")])
def test_the_model_is_what_was_asked_for(http: httpx.Client, model: str | None, name: str) -> None:
    """An answer names the model of the request, unless that asks for whatever is there."""
    assert http.post(CHAT, json=asked(model=model)).json()["model"] == name


# --- the habits of each server


FIRST_DELTAS = {
    "tgi-3": {"role": "assistant", "content": "Once"},
    "tgi-3.1": {"role": "assistant", "content": "Once"},
    "tgi-2": {"role": "assistant", "content": "Once"},
    "tgi-1.4": {"role": "assistant", "content": "Once"},
    "cerebras": {"role": "assistant"},
    "cohere": {"role": "assistant", "content": ""},
    "fireworks": {"role": "assistant"},
    "sambanova": {"role": "assistant", "content": ""},
    "together": {"token_id": 12851, "role": "assistant", "content": "Once", "tool_calls": None},
    "novita": {"role": "assistant", "content": ""},
}
FIRST_PIECES = {
    "fireworks": "Once upon a",
    "sambanova": "Once upon a time, a small robot lived in a café by the sea.",
}


@pytest.mark.parametrize("form", FORMS)
def test_how_a_stream_begins(tgi: Server, http: httpx.Client, form: str) -> None:
    """The first delta and the first piece of text are those of the table."""
    tgi.model.chat_form = form
    stream = chunks(http)
    deltas = [chunk["choices"][0]["delta"] for chunk in stream]
    assert deltas[0] == FIRST_DELTAS[form]
    assert next(delta["content"] for delta in deltas if delta.get("content")) == FIRST_PIECES.get(form, "Once")


@pytest.mark.parametrize("form", FORMS)
def test_what_a_stream_says(tgi: Server, http: httpx.Client, form: str) -> None:
    """The pieces join to the story, and only TGI 2 leaks the end token."""
    tgi.model.chat_form = form
    assert text(chunks(http)) == ANSWER + ("</s>" if form == "tgi-2" else "")
    assert choice_of(http.post(CHAT, json=asked()))["message"] == {"role": "assistant", "content": ANSWER}


@pytest.mark.parametrize("form", FORMS)
def test_how_a_stream_ends(tgi: Server, http: httpx.Client, form: str) -> None:
    """Old TGI spells the reason in its own way, and it and Cerebras never say [DONE]."""
    tgi.model.chat_form = form
    answer = http.post(CHAT, json=asked(stream=True))
    *found, last = events(answer)
    old = form in ("tgi-2", "tgi-1.4")
    assert (last == "[DONE]") is (not old and form != "cerebras")
    assert reasons([event for event in [*found, last] if event != "[DONE]"]) == ["eos_token" if old else "stop"]
    assert answer.text.startswith("data:{" if old else "data: {")


@pytest.mark.parametrize("form", FORMS)
def test_where_usage_comes(tgi: Server, http: httpx.Client, form: str) -> None:
    """Usage comes with the chunk that ends a stream, never, on every chunk, or on request only."""
    tgi.model.chat_form = form
    told = [bool(chunk.get("usage")) for chunk in chunks(http)]
    if form == "novita":
        assert all(told)
    else:
        at_end = form in ("cerebras", "cohere", "fireworks", "together")
        assert told == [False] * (len(told) - 1) + [at_end]
    assert http.post(CHAT, json=asked()).json()["usage"]["prompt_tokens"] == PROMPT_TOKENS


@pytest.mark.parametrize("form", FORMS)
def test_what_answers_are_called(tgi: Server, http: httpx.Client, form: str) -> None:
    """Old TGI calls chats text completions, and only providers give answers an id."""
    tgi.model.chat_form = form
    old = form in ("tgi-2", "tgi-1.4")
    whole, (chunk, *_) = http.post(CHAT, json=asked()).json(), chunks(http)
    assert whole["object"] == ("text_completion" if old else "chat.completion")
    assert chunk["object"] == ("text_completion" if old else "chat.completion.chunk")
    assert whole["id"] == chunk["id"] == ("" if form in TGI else "chatcmpl-5f0b02c75b57c585")


def test_cerebras_leaves_the_reason_away_until_the_end(tgi: Server, http: httpx.Client) -> None:
    """The key is only there in the last chunk, whose delta is empty."""
    tgi.model.chat_form = "cerebras"
    *rest, last = [chunk["choices"][0] for chunk in chunks(http)]
    assert not any("finish_reason" in choice for choice in rest)
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")


def test_sambanova_says_nothing_between_sentences(tgi: Server, http: httpx.Client) -> None:
    """A sentence comes whole, and empty chunks follow it."""
    tgi.model.chat_form, tgi.model.answer = "sambanova", "One. Two?"
    deltas = [chunk["choices"][0]["delta"].get("content") for chunk in chunks(http)]
    assert deltas == ["", "One.", "", " Two?", "", "", None]


def test_together_says_more(tgi: Server, http: httpx.Client) -> None:
    """Each choice also has a text and a seed, and each delta the id of its token."""
    tgi.model.chat_form = "together"
    first, *_, last = [chunk["choices"][0] for chunk in chunks(http)]
    assert (first["text"], first["seed"], last["text"]) == ("Once", None, "")
    assert last["delta"] == {"token_id": 2, "role": "assistant", "content": "", "tool_calls": None}


def test_novita_counts_as_it_goes(tgi: Server, http: httpx.Client) -> None:
    """The usage of a chunk is what the answer has cost so far."""
    tgi.model.chat_form = "novita"
    spent = [chunk["usage"]["completion_tokens"] for chunk in chunks(http, max_tokens=3)]
    assert spent == [0, 1, 2, 3, 3]


@pytest.mark.parametrize("form", FORMS)
def test_n_is_for_providers(tgi: Server, http: httpx.Client, form: str) -> None:
    """TGI ignores n, the others give as many choices and mix their chunks."""
    tgi.model.chat_form = form
    count = 1 if form in TGI else 2
    whole = http.post(CHAT, json=asked(n=2, max_tokens=5)).json()
    assert [choice["index"] for choice in whole["choices"]] == list(range(count))
    stream = chunks(http, n=2, max_tokens=5)
    assert [text(stream, index) for index in range(count)] == ["Once upon a time,"] * count
    assert [chunk["choices"][0]["index"] for chunk in stream[:4]] == ([0, 0, 0, 0] if form in TGI else [0, 1, 0, 1])
    assert len([chunk for chunk in stream if chunk.get("usage")]) <= 1 or form == "novita"


# --- parameters


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("form", ["tgi-3", "cohere"])
def test_the_length_has_two_names(tgi: Server, http: httpx.Client, form: str, name: str) -> None:
    """Either name limits the answer."""
    tgi.model.chat_form = form
    choice = choice_of(http.post(CHAT, json=asked(**{name: 3})))
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Once upon a", "length")


@pytest.mark.parametrize(("form", "count"), [("tgi-3", 150), ("tgi-2", 100), ("tgi-1.4", 100)])
def test_the_default_length(tgi: Server, http: httpx.Client, form: str, count: int) -> None:
    """Old TGI ends after a hundred tokens, new TGI goes on until the model or the context ends."""
    tgi.model.chat_form, tgi.model.answer = form, ["a"] * 149
    assert http.post(CHAT, json=asked()).json()["usage"]["completion_tokens"] == count


@pytest.mark.parametrize(
    ("form", "content"), [(form, "Once upon") for form in TGI] + [(form, "Once ") for form in OTHERS]
)
def test_stop_texts_stay_on_tgi_only(tgi: Server, http: httpx.Client, form: str, content: str) -> None:
    """TGI leaves the stop text where it is, the others end before it."""
    tgi.model.chat_form = form
    choice = choice_of(http.post(CHAT, json=asked(stop=["upon", "time"])))
    assert choice["message"]["content"] == content
    assert choice["finish_reason"] == ("stop_sequence" if form in TGI else "stop")
    assert text(chunks(http, stop=["upon", "time"])) == content


def test_providers_stop_inside_a_token(tgi: Server, http: httpx.Client) -> None:
    """A provider takes a plain string and finds it wherever it lies, TGI only where a token ends."""
    assert text(chunks(http, stop=["po"])) == ANSWER
    tgi.model.chat_form = "cohere"
    assert text(chunks(http, stop="po")) == "Once u"


@pytest.mark.parametrize(("fields", "drawn"), [({}, 1), ({"temperature": 0.7}, 1), ({"temperature": 0}, 0)])
def test_only_a_temperature_of_zero_is_greedy(http: httpx.Client, fields: dict[str, Any], drawn: int) -> None:
    """Chats draw a seed unless the temperature is zero."""
    http.post(CHAT, json=asked(**fields))
    native = http.post("/generate", json={"inputs": "a", "parameters": {"details": True, "do_sample": True}})
    assert native.json()["details"]["seed"] == RANDOM_SEED - drawn


@pytest.mark.parametrize("form", ["tgi-3", "cohere"])
def test_log_probabilities(tgi: Server, http: httpx.Client, form: str) -> None:
    """Each token comes with its log probability and with those of the alternatives that were asked for."""
    tgi.model.chat_form = form
    fields = {"logprobs": True, "top_logprobs": 2, "max_tokens": 2}
    rows = choice_of(http.post(CHAT, json=asked(**fields)))["logprobs"]["content"]
    assert rows[0] == {
        "token": "Once",
        "logprob": -0.8125,
        "top_logprobs": [{"token": "Once", "logprob": -0.8125}, {"token": " the", "logprob": -1.578125}],
    }
    streamed = [chunk["choices"][0]["logprobs"] for chunk in chunks(http, **fields)]
    assert [row for part in streamed if part for row in part["content"]] == rows
    assert choice_of(http.post(CHAT, json=asked()))["logprobs"] is None


# --- messages


def test_a_message_can_be_parts(http: httpx.Client) -> None:
    """Texts are joined, and images become links."""
    picture = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    parts = [{"type": "text", "text": "What is "}, picture, {"type": "text", "text": "?"}]
    shown = http.post("/chat_tokenize", json={"messages": [{"role": "user", "content": parts}]}).json()
    assert shown["templated_text"] == "<s><|user|>\nWhat is ![](https://a.b/c.png)?</s>\n<|assistant|>\n"


@pytest.mark.parametrize("form", ["tgi-3", "cohere"])
def test_the_answer_goes_on_where_the_assistant_stopped(tgi: Server, http: httpx.Client, form: str) -> None:
    """A last message by the assistant is continued, and only the rest comes back."""
    tgi.model.chat_form = form
    messages = [*MESSAGES, {"role": "assistant", "content": "Once upon a time"}]
    assert choice_of(http.post(CHAT, json={"messages": messages}))["message"]["content"] == ANSWER[16:]


def test_chat_tokenize_shows_the_template(http: httpx.Client) -> None:
    """The text and its tokens come back, and the control token in front is one of them."""
    shown = http.post("/chat_tokenize", json=asked()).json()
    assert list(shown) == ["tokenize_response", "templated_text"]
    assert shown["templated_text"] == "<s><|user|>\nTell me a story.</s>\n<|assistant|>\n"
    rows = shown["tokenize_response"]
    assert rows[0] == {"id": 1, "text": "<s>", "start": 0, "stop": 3}
    assert [shown["templated_text"][row["start"] : row["stop"]] for row in rows] == [row["text"] for row in rows]
    assert len(rows) == PROMPT_TOKENS


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_template_there_is_no_chat(tgi: Server, http: httpx.Client, *, stream: bool) -> None:
    """A model without a template refuses in ordinary JSON, also where a stream was asked for."""
    tgi.model.template = False
    answer = http.post(CHAT, json=asked(stream=stream))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")
    assert answer.json() == {"error": "Template error: template not found", "error_type": "template_error"}


# --- response_format


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json", "value": SCHEMA},
        {"type": "json_object", "value": json.dumps(SCHEMA)},
        {"type": "json_schema", "value": {"name": "animal", "schema": SCHEMA}},
    ],
)
def test_tgi_answers_its_own_response_format(http: httpx.Client, wanted: dict[str, Any]) -> None:
    """A schema as TGI wants it is answered by an example, whole and in a stream."""
    content = choice_of(http.post(CHAT, json=asked(response_format=wanted)))["message"]["content"]
    assert json.loads(content) == {"name": "robot", "legs": 1}
    assert text(chunks(http, response_format=wanted)) == content


@pytest.mark.parametrize("form", OTHERS)
def test_providers_answer_that_of_openai(tgi: Server, http: httpx.Client, form: str) -> None:
    """A schema as OpenAI wants it is answered by an example, and text by the story."""
    tgi.model.chat_form = form
    named = {"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA, "strict": True}}
    content = choice_of(http.post(CHAT, json=asked(response_format=named)))["message"]["content"]
    assert json.loads(content) == {"name": "robot", "legs": 1}
    loose = choice_of(http.post(CHAT, json=asked(response_format={"type": "json_object"})))["message"]["content"]
    assert isinstance(json.loads(loose), dict)
    assert text(chunks(http, response_format={"type": "text"})) == ANSWER


def test_an_example_follows_references(http: httpx.Client) -> None:
    """A schema may point to its definitions and leave a choice."""
    animal = {"type": "object", "properties": {"kind": {"const": "gull"}, "of": {"anyOf": [{"$ref": "#/$defs/Sea"}]}}}
    value = {"properties": {"animal": {"$ref": "#/$defs/Animal"}}, "$defs": {"Animal": animal, "Sea": {"enum": ["N"]}}}
    answer = http.post(CHAT, json=asked(response_format={"type": "json", "value": value}))
    assert json.loads(choice_of(answer)["message"]["content"]) == {"animal": {"kind": "gull", "of": "N"}}


@pytest.mark.parametrize(
    "wanted",
    [{"type": "json", "value": SCHEMA}, {"type": "json_object", "value": SCHEMA}, {"type": "regex", "value": "a+"}],
)
def test_providers_refuse_what_tgi_wants(tgi: Server, http: httpx.Client, wanted: dict[str, Any]) -> None:
    """TGI's spelling is a bad request elsewhere."""
    tgi.model.chat_form = "together"
    answer = http.post(CHAT, json=asked(response_format=wanted))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "response_format" in answer.json()["error"]["param"]


@pytest.mark.parametrize("tools", [[], [WEATHER]])
@pytest.mark.parametrize("stream", [False, True])
def test_tgi_takes_no_tools_with_a_format(http: httpx.Client, tools: list[Any], *, stream: bool) -> None:
    """A format and tools exclude each other, even if there are no tools."""
    wanted = {"type": "json", "value": SCHEMA}
    answer = http.post(CHAT, json=asked(response_format=wanted, tools=tools, stream=stream))
    assert (answer.status_code, answer.json()) == (422, EXCLUSIVE)


# --- tools


@pytest.mark.parametrize("form", FORMS)
def test_a_tool_is_called(tgi: Server, http: httpx.Client, form: str) -> None:
    """The first tool is called with an example of its parameters, which only old TGI gives as an object."""
    tgi.model.chat_form = form
    choice = choice_of(http.post(CHAT, json=asked(tools=[WEATHER, TIDES])))
    (call,) = choice["message"]["tool_calls"]
    old = form in ("tgi-2", "tgi-1.4")
    assert call["id"] == (0 if old else "0" if form in TGI else "call_1")
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    values = call["function"]["arguments"]
    assert (values if old else json.loads(values)) == {"place": "robot", "days": 2}
    assert choice["message"].get("content") is None


@pytest.mark.parametrize("form", FORMS)
def test_a_call_comes_in_pieces(tgi: Server, http: httpx.Client, form: str) -> None:
    """The name comes once, and the pieces of the arguments join to what a whole answer has."""
    tgi.model.chat_form = form
    stream = chunks(http, tools=[WEATHER])
    names, found = arguments(stream)
    assert (names, len(found) > 3) == (["weather"], True)
    assert json.loads("".join(found)) == {"place": "robot", "days": 2}
    assert text(stream) == ""


@pytest.mark.parametrize(
    ("form", "whole", "streamed"),
    [
        ("tgi-3", "tool_calls", ["tool_calls"]),
        ("tgi-3.1", "stop", []),
        ("tgi-2", "eos_token", ["eos_token"]),
        ("tgi-1.4", "eos_token", ["eos_token"]),
        *((form, "tool_calls", ["tool_calls"]) for form in OTHERS),
    ],
)
def test_why_a_call_ends(tgi: Server, http: httpx.Client, form: str, whole: str, streamed: list[str]) -> None:
    """The reason is the call, except where TGI was recorded: there it is that of any run, or none."""
    tgi.model.chat_form = form
    assert choice_of(http.post(CHAT, json=asked(tools=[WEATHER])))["finish_reason"] == whole
    assert reasons(chunks(http, tools=[WEATHER])) == streamed


@pytest.mark.parametrize(
    ("choice", "called"),
    [(None, "weather"), ("auto", "weather"), ("required", "weather"), ("none", None), (NAMED, "tides")],
)
@pytest.mark.parametrize("form", ["tgi-3", "cohere"])
def test_tools_can_be_chosen(tgi: Server, http: httpx.Client, form: str, choice: Any, called: str | None) -> None:
    """A named tool is called instead of the first, and none at all where that is wished."""
    tgi.model.chat_form = form
    message = choice_of(http.post(CHAT, json=asked(tools=[WEATHER, TIDES], tool_choice=choice)))["message"]
    assert [call["function"]["name"] for call in message.get("tool_calls", [])] == [called] * bool(called)
    assert message.get("content") == (None if called else ANSWER)


def test_tgi_takes_a_bare_name(http: httpx.Client) -> None:
    """A tool can be named as a plain string, and must be there."""
    message = choice_of(http.post(CHAT, json=asked(tools=[WEATHER, TIDES], tool_choice="tides")))["message"]
    assert message["tool_calls"][0]["function"] == {"description": None, "name": "tides", "arguments": "{}"}
    unknown = http.post(CHAT, json=asked(tools=[WEATHER], tool_choice="moon"))
    expected = {"error": "Tool error: Tool with name moon not found", "error_type": "tool_error"}
    assert (unknown.status_code, unknown.json()) == (422, expected)


def test_the_result_of_a_tool_is_answered_in_text(http: httpx.Client) -> None:
    """Once a tool has answered, the model does too, unless it must call again."""
    call = {"id": "0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "0", "content": "rain"}
    body = {"messages": [*MESSAGES, {"role": "assistant", "tool_calls": [call]}, result], "tools": [WEATHER]}
    assert choice_of(http.post(CHAT, json=body))["message"]["content"] == ANSWER
    assert "tool_calls" in choice_of(http.post(CHAT, json=body | {"tool_choice": "required"}))["message"]


def test_a_call_can_be_cut(tgi: Server, http: httpx.Client) -> None:
    """With too few tokens TGI cannot read the call, streams of it end early, and providers give what there is."""
    refused = http.post(CHAT, json=asked(tools=[WEATHER], max_tokens=4))
    assert (refused.status_code, refused.json()["error_type"]) == (422, "tool_error")
    assert refused.json()["error"].startswith("Tool error: Failed to parse generated text: EOF while parsing")
    stream = chunks(http, tools=[WEATHER], max_tokens=4)
    assert ("".join(arguments(stream)[1]), reasons(stream)) == ('{"place"', ["length"])
    tgi.model.chat_form = "cohere"
    choice = choice_of(http.post(CHAT, json=asked(tools=[WEATHER], max_tokens=4)))
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"place"'
    assert choice["finish_reason"] == "length"


# --- errors


FAILURE = "Request failed during generation: Server error: CUDA out of memory."
FAILURES = {
    "tgi-3": {"error": {"message": FAILURE, "http_status_code": 422}},
    "old": {"error": FAILURE, "error_type": "generation"},
}


@pytest.mark.parametrize(
    ("form", "words"), [("tgi-3", "tgi-3"), ("tgi-3", "old"), ("tgi-2", "old"), ("cohere", "tgi-3")]
)
def test_a_stream_can_fail_after_the_third_piece(tgi: Server, http: httpx.Client, form: str, words: str) -> None:
    """Three pieces come, then the error in the words that were set, then [DONE] where the server says it."""
    tgi.model.chat_form, tgi.model.chat_error = form, words
    found = events(http.post(CHAT, json=asked(stream=True)))
    assert ("[DONE]" in found) is (form != "tgi-2")
    *before, failure = [event for event in found if event != "[DONE]"]
    assert (text(before), failure) == ("Once upon a", FAILURES[words])
    assert not any(chunk.get("usage") for chunk in before)


INVALID = [
    ({"max_tokens": 0}, "`max_new_tokens` must be strictly positive"),
    ({"temperature": -1}, "`temperature` must be strictly positive"),
    ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
    ({"top_logprobs": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
    ({"presence_penalty": -2}, "`repetition_penalty` must be strictly positive"),
    ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
    (
        {"response_format": {"type": "json", "value": {"type": "object"}}},
        "grammar is not valid: Grammar must have a 'properties' field",
    ),
]


@pytest.mark.parametrize(("fields", "message"), INVALID)
def test_validation_is_that_of_generate(tgi: Server, http: httpx.Client, fields: dict[str, Any], message: str) -> None:
    """Whole answers are refused with 422, streams inside the stream, by new TGI in OpenAI's words."""
    error = f"Input validation error: {message}"
    whole = http.post(CHAT, json=asked(**fields))
    assert (whole.status_code, whole.json()) == (422, {"error": error, "error_type": "validation"})
    streamed = events(http.post(CHAT, json=asked(**fields, stream=True)))
    assert streamed == [{"error": {"message": error, "http_status_code": 422}}, "[DONE]"]
    tgi.model.chat_form = "tgi-1.4"
    assert events(http.post(CHAT, json=asked(**fields, stream=True))) == [{"error": error, "error_type": "validation"}]


MALFORMED = [
    ("{}", "missing field `messages` at line 1 column 2"),
    ('{"messages":"a"}', 'messages: invalid type: string "a", expected a sequence at line 1 column 15'),
    ('{"messages":[],"stop":"a"}', 'stop: invalid type: string "a", expected a sequence at line 1 column 25'),
    ('{"messages":[],"stream":null}', "stream: invalid type: null, expected a boolean at line 1 column 28"),
    (
        '{"messages":[],"max_tokens":-1}',
        "max_tokens: invalid value: integer `-1`, expected u32 at line 1 column 30",
    ),
    (
        '{"messages":[{"role":"a","content":"b"},{"content":"c"}]}',
        "messages[1]: missing field `role` at line 1 column 55",
    ),
    (
        '{"messages":[{"role":"user","content":[{"type":"audio"}]}]}',
        "messages[0]: data did not match any variant of untagged enum MessageBody at line 1 column 57",
    ),
    (
        '{"messages":[],"response_format":{"type":"json_schema","json_schema":{}}}',
        "response_format: missing field `value` at line 1 column 72",
    ),
    (
        '{"messages":[],"response_format":{"type":"text","value":1}}',
        f"response_format.type: unknown variant `text`, expected one of {GRAMMARS} at line 1 column 58",
    ),
    (
        '{"messages":[],"tools":[{"type":"function","function":{"name":"a"}}]}',
        "tools[0].function: missing field `arguments` at line 1 column 66",
    ),
    (
        '{"messages":[],"tool_choice":1}',
        "tool_choice: data did not match any variant of untagged enum ToolTypeDeserializer at line 1 column 30",
    ),
    (
        '{"messages":[],"max_tokens":1,"max_completion_tokens":2}',
        "duplicate field `max_tokens` at line 1 column 54",
    ),
]


@pytest.mark.parametrize(("body", "message"), MALFORMED)
def test_malformed_chats_are_refused_as_text(http: httpx.Client, body: str, message: str) -> None:
    """TGI refuses what has the wrong shape as text/plain, in serde's words, streams too."""
    for path in (CHAT, "/chat_tokenize", "/hf-inference/models/org/name/v1/chat/completions"):
        answer = http.post(path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.text) == (422, BAD_TYPE + message)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_null_and_unknown_fields_change_nothing(http: httpx.Client) -> None:
    """Optional fields may be null, and names that TGI does not know are ignored."""
    names = ("model", "stop", "max_tokens", "tools", "tool_choice", "response_format", "stream_options", "temperature")
    body = asked(**dict.fromkeys(names), top_k=-1, suffix="x", repetition_penalty=0, logit_bias=[0.5])
    assert choice_of(http.post(CHAT, json=body))["message"]["content"] == ANSWER


BAD_REQUESTS = [
    ({"messages": None}, "messages"),
    ({"messages": ["a"]}, "messages"),
    ({"temperature": 3}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"n": 0}, "n"),
    ({"stop": [1]}, "stop"),
    ({"tools": [{"name": "a"}]}, "tools"),
    ({"tools": [WEATHER], "tool_choice": "weather"}, "tool_choice"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format.json_schema.schema"),
]


@pytest.mark.parametrize(("fields", "name"), BAD_REQUESTS)
@pytest.mark.parametrize("stream", [False, True])
def test_providers_refuse_in_json(
    tgi: Server, http: httpx.Client, fields: dict[str, Any], name: str, *, stream: bool
) -> None:
    """A bad request is an object that names the parameter, before any stream begins."""
    tgi.model.chat_form = "together"
    answer = http.post(CHAT, json=asked(**fields) | {"stream": stream})
    assert answer.status_code == 400
    assert list(answer.json()["error"]) == ["message", "type", "param", "code"]
    assert answer.json()["error"]["param"] == name


@pytest.mark.parametrize("content", [b"hello", b"[]"])
def test_providers_refuse_what_is_no_object(tgi: Server, http: httpx.Client, content: bytes) -> None:
    """A body that is no JSON object is a bad request, too."""
    tgi.model.chat_form = "cohere"
    answer = http.post(CHAT, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, None)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_key_can_be_required(tgi: Server, http: httpx.Client, path: str) -> None:
    """Generating routes need the key, those that only show something do not."""
    tgi.model.api_key = "Secret"
    body = asked(prompt="a")
    refused = http.post(path, json=body)
    assert (refused.status_code, refused.content) == (401, b"")
    assert http.post(path, json=body, headers={"authorization": "Bearer Secret"}).status_code == 200
    assert http.get("/v1/models").status_code == http.post("/chat_tokenize", json=body).status_code == 200
    assert http.get(path).status_code == 405


# --- completions


def test_a_completion(http: httpx.Client) -> None:
    """A prompt is answered by its continuation as text."""
    answer = http.post(COMPLETIONS, json={"prompt": "Once upon", "max_tokens": 3, "model": "any"}).json()
    choice = {"index": 0, "text": " a time,", "logprobs": None, "finish_reason": "length"}
    assert (answer["object"], answer["model"], answer["choices"]) == ("text_completion", "nbinfer/story", [choice])
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    assert choice_of(http.post(COMPLETIONS, json={"prompt": "Once"}))["finish_reason"] == "stop"


@pytest.mark.parametrize("form", ["tgi-3", "cohere"])
def test_several_prompts_come_back_in_another_order(tgi: Server, http: httpx.Client, form: str) -> None:
    """Choices and chunks tell by their index which prompt they answer."""
    tgi.model.chat_form = form
    body = {"prompt": ["Once", "Once upon", "Tell me"], "max_tokens": 2}
    whole = http.post(COMPLETIONS, json=body)
    assert [choice["index"] for choice in whole.json()["choices"]] == [2, 1, 0]
    assert {choice["index"]: choice["text"] for choice in whole.json()["choices"]} == {
        0: " upon a",
        1: " a time",
        2: "Once upon",
    }
    assert whole.json()["usage"] == {"prompt_tokens": 8, "completion_tokens": 6, "total_tokens": 14}
    streamed = [chunk["choices"][0] for chunk in chunks(http, COMPLETIONS, **body)]
    assert [choice["index"] for choice in streamed[:4]] == [2, 1, 0, 2]
    assert "".join(choice["text"] for choice in streamed if choice["index"] == 1) == " a time"


def test_the_headers_of_several_prompts_are_added_up(http: httpx.Client) -> None:
    """Tokens and characters are those of all prompts."""
    headers = http.post(COMPLETIONS, json={"prompt": ["Once", "Once upon"], "max_tokens": 2}).headers
    assert (headers["x-prompt-tokens"], headers["x-generated-tokens"]) == ("5", "4")
    assert headers["x-compute-characters"] == "13"


def test_chunks_of_completions(http: httpx.Client) -> None:
    """The reason is empty until the end, which leaks the end token, spells the reason natively and tells the usage."""
    first, *_, last, done = events(http.post(COMPLETIONS, json={"prompt": "a", "stream": True}))
    assert first["choices"] == [{"index": 0, "text": "Once", "logprobs": None, "finish_reason": ""}]
    assert last["choices"] == [{"index": 0, "text": "</s>", "logprobs": None, "finish_reason": "eos_token"}]
    assert last["usage"] == {"prompt_tokens": 2, "completion_tokens": TOKENS + 1, "total_tokens": TOKENS + 3}
    assert ("usage" in first, done) == (False, "[DONE]")


@pytest.mark.parametrize(
    ("body", "sample"),
    [
        ({"prompt": "a", "suffix": "b"}, "tgi/suffix.json"),
        ({"prompt": ["a"] * 5}, "tgi/batch.json"),
    ],
)
def test_what_completions_refuse(tgi: Server, http: httpx.Client, body: dict[str, Any], sample: str) -> None:
    """TGI has no suffix and takes only so many prompts, the others take both."""
    answer = http.post(COMPLETIONS, json=body)
    assert (answer.status_code, answer.json()) == (422, json.loads(wire(sample)))
    tgi.model.chat_form = "fireworks"
    assert http.post(COMPLETIONS, json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "missing field `prompt` at line 1 column 2"),
        (
            '{"prompt":[]}',
            "prompt: Empty array detected. Do not use an empty array for the prompt. at line 1 column 12",
        ),
        (
            '{"prompt":1}',
            "prompt: data did not match any variant of untagged enum PromptDeserializer at line 1 column 11",
        ),
    ],
)
def test_malformed_completions_are_refused_as_text(http: httpx.Client, body: str, message: str) -> None:
    """A prompt must be a text or a list of some."""
    answer = http.post(COMPLETIONS, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.text) == (422, BAD_TYPE + message)


def test_providers_want_a_prompt(tgi: Server, http: httpx.Client) -> None:
    """Elsewhere a missing or wrong prompt is a bad request."""
    tgi.model.chat_form = "cohere"
    for body in ({}, {"prompt": [1]}):
        answer = http.post(COMPLETIONS, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


# --- in front of the server


def test_models_are_listed(tgi: Server, http: httpx.Client) -> None:
    """TGI lists its only model, the router all of them and who serves them."""
    row = {"id": "nbinfer/story", "object": "model", "created": 0, "owned_by": "nbinfer/story"}
    assert http.get("/v1/models").json() == {"object": "list", "data": [row]}
    tgi.model.router, tgi.model.models, tgi.model.chat_form = True, ("a/b", "c/d"), "novita"
    rows = http.get("/v1/models").json()["data"]
    assert [row["id"] for row in rows] == ["a/b", "c/d"]
    assert rows[0]["providers"] == [{"provider": "novita", "status": "live"}]


@pytest.mark.parametrize(
    ("model", "provider"),
    [("a/b", "fireworks-ai"), ("a/b:fastest", "fireworks-ai"), ("a/b:cheapest", "fireworks-ai"), ("a/b:groq", "groq")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_router_names_the_provider(
    tgi: Server, http: httpx.Client, model: str, provider: str, *, stream: bool
) -> None:
    """The suffix of a model chooses a provider, which a header names, and all that was sent is recorded."""
    tgi.model.router, tgi.model.models, tgi.model.chat_form = True, ("a/b",), "fireworks"
    body = asked(model=model, stream=stream)
    answer = http.post(CHAT, json=body, headers={"X-HF-Bill-To": "org"})
    assert answer.headers["x-inference-provider"] == provider
    assert answer.headers["x-request-id"] == "request-1"
    assert (events(answer)[0] if stream else answer.json())["model"] == "a/b"
    assert (tgi.requests[0].body["model"], tgi.requests[0].headers["x-hf-bill-to"]) == (model, "org")


def test_the_router_refuses_unknown_models(tgi: Server, http: httpx.Client) -> None:
    """A model that no provider has is a bad request, unless any will do."""
    tgi.model.router, tgi.model.models = True, ("a/b",)
    unknown = "meta-llama/Llama-2-70b-chat-hf"
    answer = http.post(CHAT, json=asked(model=f"{unknown}:together"))
    assert (answer.status_code, answer.json()) == (400, json.loads(wire("tgi/no_provider.json")))
    assert answer.headers["x-request-id"] == "request-1"
    tgi.model.models = None
    assert http.post(CHAT, json=asked(model=unknown)).json()["model"] == unknown


@pytest.mark.parametrize("path", ["/models/gpt2", "/hf-inference/models/org/name"])
@pytest.mark.parametrize("stream", [False, True])
def test_chat_behind_the_front_end(http: httpx.Client, path: str, *, stream: bool) -> None:
    """The front end of Hugging Face's own machines adds its headers and answers the same request from its cache."""
    fresh, cached = (http.post(path + CHAT, json=asked(stream=stream)) for _ in range(2))
    assert cached.content == fresh.content
    assert (fresh.headers["x-compute-type"], cached.headers["x-compute-type"]) == ("gpu", "cache")
    assert (fresh.headers["x-request-id"], cached.headers["x-request-id"]) == ("request-1", "request-2")
    if not stream:
        assert choice_of(fresh)["message"]["content"] == ANSWER


def test_streams_that_fail_are_not_cached(tgi: Server, http: httpx.Client) -> None:
    """An error in the middle of a stream is not kept."""
    tgi.model.chat_error = "tgi-3"
    answers = [http.post("/models/gpt2" + CHAT, json=asked(stream=True)) for _ in range(2)]
    assert [answer.headers["x-compute-type"] for answer in answers] == ["gpu", "gpu"]


# --- through huggingface_hub


def test_hub_gets_a_completion(tgi: Server, hub: InferenceClient) -> None:
    """Hub reads the message, the reason and the usage."""
    output = hub.chat_completion(MESSAGES, max_tokens=4)
    assert (output.choices[0].message.content, output.choices[0].finish_reason) == ("Once upon a time", "length")
    assert (output.usage.prompt_tokens, output.usage.completion_tokens) == (PROMPT_TOKENS, 4)
    assert (tgi.requests[0].path, tgi.requests[0].headers["authorization"]) == (CHAT, "Bearer hf_test")


def test_hub_gets_a_stream(hub: InferenceClient) -> None:
    """Hub reads the chunks to the end, and the one without choices."""
    *rest, last = hub.chat_completion(MESSAGES, stream=True, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content for chunk in rest) == ANSWER
    assert rest[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.completion_tokens) == ([], TOKENS + 1)


@pytest.mark.parametrize("form", ["tgi-3", "cerebras", "sambanova", "novita"])
def test_hub_gets_a_tool_call(tgi: Server, hub: InferenceClient, form: str) -> None:
    """Hub reads a call, whole and in pieces."""
    tgi.model.chat_form = form
    whole = hub.chat_completion(MESSAGES, tools=[WEATHER], tool_choice="auto").choices[0].message
    assert whole.tool_calls[0].function.name == "weather"
    assert json.loads(whole.tool_calls[0].function.arguments) == {"place": "robot", "days": 2}
    deltas = [chunk.choices[0].delta for chunk in hub.chat_completion(MESSAGES, tools=[WEATHER], stream=True)]
    calls = [delta.tool_calls[0].function for delta in deltas if delta.tool_calls]
    assert calls[0].name == "weather"
    assert json.loads("".join(call.arguments for call in calls)) == {"place": "robot", "days": 2}


def test_hub_writes_the_format_as_tgi_wants_it(tgi: Server, hub: InferenceClient) -> None:
    """Hub turns OpenAI's spelling into one that TGI answers."""
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA, "strict": True}}
    output = hub.chat_completion(MESSAGES, response_format=wanted)
    assert json.loads(output.choices[0].message.content) == {"name": "robot", "legs": 1}
    assert "value" in tgi.requests[0].body["response_format"]


def test_hub_raises_what_the_server_says(tgi: Server, hub: InferenceClient) -> None:
    """Hub's error has the words of a refusal."""
    tgi.model.template = False
    with pytest.raises(HfHubHTTPError, match="Template error: template not found"):
        hub.chat_completion(MESSAGES)
