"""The OpenAI-style routes of the look-alike: chat and completions, in the habits of the server that is asked for."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .wire.chat import BOS, Asked, read_chat, read_completion, read_openai, turned_down
from .wire.forms import FORMS, ChatForm, Tokens
from .wire.replies import JSON, Answer, Recorded, Reply, Stream, encoded
from .wire.requests import InvalidError, Wanted, complaints, example
from .wire.tokens import Generation, offsets

if TYPE_CHECKING:
    from .tgi import Model

CHAT, COMPLETIONS, TOKENIZE = "/v1/chat/completions", "/v1/completions", "/chat_tokenize"
CREATED = 1741372335
POLICIES = ("", "fastest", "cheapest", "preferred")
FAILURE = "Request failed during generation: Server error: CUDA out of memory."
NO_SUFFIX = "Suffix is not supported and can be achieved by preprocessing the prompt."


def failure(words: str, error: str, error_type: str) -> dict[str, JSON]:
    """Return the event that says, in the old words or in those of TGI 3, why a stream ends."""
    if words == "old":
        return {"error": error, "error_type": error_type}
    return {"error": {"message": error, "http_status_code": 422}}


def visible(run: Generation, stop: Sequence[str]) -> Generation:
    """Return a run as servers other than TGI end it: without the end token, and before the first stop text."""
    tokens = [token for token in run.tokens if not token["special"]]
    ends = [end for text in stop if (end := run.text.find(text)) >= 0]
    if not ends:
        return replace(run, tokens=tokens)
    end = min(ends)
    starts = itertools.accumulate((len(token["text"]) for token in tokens), initial=0)
    kept = [
        dict(token) | {"text": token["text"][: end - start]}
        for start, token in zip(starts, tokens, strict=False)
        if start < end
    ]
    return replace(run, text=run.text[:end], finish_reason="stop_sequence", tokens=kept)


def ranked(run: Generation, *, leaks: bool) -> list[dict[str, JSON]]:
    """Return the tokens of a run with those that could have come instead; special ones show only where text leaks."""
    rows = []
    for token, others in itertools.zip_longest(run.tokens, run.top_tokens[: len(run.tokens)], fillvalue=()):
        shown = "" if token["special"] and not leaks else token["text"]
        rows.append(dict(token) | {"text": shown, "token": token["text"], "others": others})
    return rows


def logprobs(tokens: Tokens) -> dict[str, JSON]:
    """Return how likely tokens were."""
    return {
        "content": [
            {
                "token": token["token"],
                "logprob": token["logprob"],
                "top_logprobs": [{"token": other["text"], "logprob": other["logprob"]} for other in token["others"]],
            }
            for token in tokens
        ]
    }


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return what an answer has cost."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


@dataclass(frozen=True)
class Choice:
    """One run among those that answer a request, and the tool that it calls, if it does."""

    index: int
    run: Generation
    tool: str | None = None


@dataclass(frozen=True)
class Part:
    """What one chunk says of one choice."""

    choice: Choice
    said: Mapping[str, JSON]
    tokens: Tokens = ()
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Told:
    """What answers a request, in the words of a form and with the choices in the order in which they come."""

    form: ChatForm
    model: str
    choices: Sequence[Choice]
    prompt_tokens: int
    logprobs: bool = False
    usage_asked: bool = False

    def whole(self) -> dict[str, JSON]:
        """Return the answer in one piece."""
        choices = [self._choice(choice) for choice in self.choices]
        return self._head(self.form.whole) | {"choices": choices, "usage": self._usage()}

    def events(self, broken: str | None = None) -> list[Mapping[str, JSON]]:
        """Return the chunks of the answer; `broken` is the words in which it fails after its third piece."""
        turns = itertools.zip_longest(*map(self._parts, self.choices))
        parts = [part for turn in turns for part in turn if part is not None]
        if broken:
            places = [place for place, part in enumerate(parts, start=1) if part.tokens]
            parts = parts[: places[2]] if len(places) > 2 else parts
        spent = itertools.accumulate(len(part.tokens) for part in parts)
        last = None if broken else parts[-1]
        events = [self._chunk(part, so_far, last=part is last) for part, so_far in zip(parts, spent, strict=True)]
        if broken:
            return [*events, failure(broken, FAILURE, "generation")]
        if self.form.usage == "asked" and self.usage_asked:
            events.append(self._head(self.form.chunk) | {"choices": [], "usage": self._usage()})
        return events

    def _head(self, kind: str) -> dict[str, JSON]:
        return {
            "object": kind,
            "id": self.form.id,
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": self.form.fingerprint,
        }

    def _usage(self) -> dict[str, int]:
        return usage(self.prompt_tokens, sum(len(choice.run.tokens) for choice in self.choices))

    def _choice(self, choice: Choice) -> dict[str, JSON]:
        written = self._call(choice) if choice.tool else self.form.written(choice.run.text)
        likely = logprobs(ranked(choice.run, leaks=False)) if self.logprobs else None
        reason = self._reason(choice, self.form.reasons)
        return {"index": choice.index} | written | {"logprobs": likely, "finish_reason": reason}

    def _call(self, choice: Choice) -> dict[str, JSON]:
        calls = [{"id": self.form.call_id, "type": "function", "function": self._function(choice)}]
        message = {"role": "assistant"} if self.form.tgi else {"role": "assistant", "content": None}
        return {"message": message | {"tool_calls": calls}}

    def _function(self, choice: Choice) -> dict[str, JSON]:
        if not self.form.tgi:
            return {"name": choice.tool, "arguments": choice.run.text}
        # TGI has read the arguments, and writes them anew.
        arguments = json.loads(choice.run.text)
        if self.form.call_as_text:
            arguments = encoded(arguments).decode()
        return {"description": None, "name": choice.tool, "arguments": arguments}

    def _reason(self, choice: Choice, reasons: Mapping[str, str]) -> str:
        reason = choice.run.finish_reason
        return self.form.call_reason if choice.tool and reason != "length" else reasons.get(reason, reason)

    def _chunk(self, part: Part, spent: int, *, last: bool) -> dict[str, JSON]:
        likely = logprobs(part.tokens) if self.logprobs and part.tokens else None
        reason = self.form.unfinished if part.reason is None else {"finish_reason": part.reason}
        choice = {"index": part.choice.index} | dict(part.said) | {"logprobs": likely} | dict(reason)
        return self._head(self.form.chunk) | {"choices": [choice]} | self._usage_of(part, spent, last=last)

    def _usage_of(self, part: Part, spent: int, *, last: bool) -> dict[str, JSON]:
        run = part.choice.run
        match self.form.usage:
            case "asked":
                return {"usage": None}
            case "always":
                return {"usage": usage(self.prompt_tokens, spent)}
            case "each" if part.reason is not None:
                return {"usage": usage(len(run.prompt), len(run.tokens))}
            case "end" if last:
                return {"usage": self._usage()}
        return {}

    def _parts(self, choice: Choice) -> list[Part]:
        tokens = ranked(choice.run, leaks=self.form.leaks)
        return self._called(choice, tokens) if choice.tool else self._said(choice, tokens)

    def _said(self, choice: Choice, tokens: Tokens) -> list[Part]:
        form = self.form
        opening = [] if form.opening is None else [Part(choice, form.opening)]
        parts = [Part(choice, form.said(group), group) for group in form.parts(tokens)]
        return self._ended(choice, opening + parts, closing=form.closing)

    def _called(self, choice: Choice, tokens: Tokens) -> list[Part]:
        form = self.form
        pieces: list[Tokens] = [[token] for token in tokens if not token["special"]]
        if not form.tgi:
            pieces.insert(0, ())
        names = itertools.chain([choice.tool], itertools.repeat(None))
        parts = [
            Part(choice, form.called(name, "".join(token["text"] for token in piece)), piece)
            for name, piece in zip(names, pieces, strict=False)
        ]
        if form.call_closing or choice.run.finish_reason == "length":
            return self._ended(choice, parts, closing=form.call_closing)
        return parts

    def _ended(self, choice: Choice, parts: list[Part], *, closing: bool) -> list[Part]:
        form = self.form
        reasons = form.reasons if form.reasons_in_streams is None else form.reasons_in_streams
        reason = self._reason(choice, reasons)
        if closing:
            return [*parts, Part(choice, form.said(None), reason=reason)]
        return [*parts[:-1], replace(parts[-1], reason=reason)]


class ChatRoutes:
    """The OpenAI-style routes of a model."""

    def __init__(self, model: "Model") -> None:
        self.model = model
        self.form = FORMS[model.chat_form]

    def routes(self) -> dict[str, Callable[[Recorded], Answer]]:
        """Return what answers at which path."""
        return {
            CHAT: self._routed if self.model.router else self.chat,
            COMPLETIONS: self._completions,
            TOKENIZE: self._tokenize,
        }

    def models(self) -> dict[str, JSON]:
        """Tell what is served, and by whom if this is the router."""
        ids = self.model.models if self.model.router and self.model.models else [self.model.info()["model_id"]]
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": name} for name in ids]
        if self.model.router:
            rows = [row | {"providers": [{"provider": self.form.provider, "status": "live"}]} for row in rows]
        return {"object": "list", "data": rows}

    def chat(self, request: Recorded) -> Reply | Stream:
        """Answer a chat request."""
        asked = read_chat(request) if self.form.tgi else read_openai(request, "messages")
        tool = self._tool(asked)
        wanted = self._wanted(asked, self._templated(asked))
        answer = self._rest(asked, asked.continued()) if tool is None else self._arguments(tool)
        count = 1 if self.form.tgi else asked.given.get("n", 1)

        def told() -> Told:
            runs = [self._run(asked, wanted, rank, answer) for rank in range(count)]
            return Told(
                form=self.form,
                model=self._name(asked),
                choices=[Choice(index, run, tool and tool["name"]) for index, run in enumerate(runs)],
                prompt_tokens=len(wanted.prompt()),
                logprobs=asked.given.get("logprobs", False),
                usage_asked=asked.given.get("stream_options", {}).get("include_usage", False),
            )

        return self._streamed([wanted], told) if wanted.stream else self._whole([wanted], told())

    def _routed(self, request: Recorded) -> Reply | Stream:
        """Answer a chat request as HF's router, which looks for a provider of the model and says which it took."""
        model = request.body.get("model") if isinstance(request.body, dict) else None
        name, _, provider = str(model or "").partition(":")
        if self.model.models is not None and name not in self.model.models:
            message = f"The requested model '{name}' is not supported by any provider you have enabled."
            error = {"message": message, "type": "invalid_request_error", "param": "model"}
            return Reply(400, json={"error": error | {"code": "model_not_supported"}}, headers=self.model.front())
        taken = self.form.provider if provider in POLICIES else provider
        answer = self.chat(request)
        return replace(answer, headers=dict(answer.headers) | self.model.front() | {"x-inference-provider": taken})

    def _completions(self, request: Recorded) -> Reply | Stream:
        """Answer a completions request; the answers to several prompts come last prompt first."""
        form = self.form.of_text()
        asked = read_completion(request) if form.tgi else read_openai(request, "prompt")
        if form.tgi:
            self._check_completion(asked)
        wanted = [self._wanted(asked, prompt) for prompt in asked.prompts]
        count = 1 if form.tgi else asked.given.get("n", 1)

        def told() -> Told:
            runs = [
                self._run(asked, one, rank, self._rest(asked, one.inputs)) for one in wanted for rank in range(count)
            ]
            return Told(
                form=form,
                model=self.model.info()["model_id"] if form.tgi else self._name(asked),
                choices=[Choice(index, run) for index, run in enumerate(runs)][::-1],
                prompt_tokens=sum(len(one.prompt()) for one in wanted),
            )

        return self._streamed(wanted, told) if wanted[0].stream else self._whole(wanted, told())

    def _tokenize(self, request: Recorded) -> Reply:
        """Show what the template makes of a chat, as text and as tokens."""
        asked = read_chat(request)
        self._tool(asked)
        text, ahead = self._templated(asked), len(BOS)
        first, *rows = offsets(text)
        moved = [row | {"start": row["start"] + ahead, "stop": row["stop"] + ahead} for row in rows]
        tokens = [first | {"text": BOS, "stop": ahead}, *moved]
        return Reply(json={"tokenize_response": tokens, "templated_text": BOS + text})

    def _tool(self, asked: Asked) -> Mapping[str, JSON] | None:
        if self.form.tgi and asked.grammar is not None and "tools" in asked.given:
            raise turned_down("Tool error: Grammar and tools are mutually exclusive", "tool_error")
        return asked.tool()

    def _templated(self, asked: Asked) -> str:
        if not self.model.template:
            raise turned_down("Template error: template not found", "template_error")
        return asked.templated()

    def _check_completion(self, asked: Asked) -> None:
        most = self.model.info()["max_client_batch_size"]
        if "suffix" in asked.given:
            raise turned_down(NO_SUFFIX, "suffix not supported")
        if len(asked.prompts) > most:
            message = f"Number of prompts exceeds the maximum allowed batch size of {most}"
            raise turned_down(message, "batch size exceeded")

    def _wanted(self, asked: Asked, inputs: str) -> Wanted:
        parameters = asked.parameters(self.form.max_tokens)
        # Only TGI looks for stop texts while it runs; what the others say is cut afterwards.
        own = {} if self.form.tgi else {"stop": []}
        return Wanted(inputs, dict(parameters) | own, asked.given.get("stream", False))

    def _arguments(self, tool: Mapping[str, JSON]) -> str:
        return json.dumps(example(tool.get("parameters", tool.get("arguments", {}))), ensure_ascii=False)

    def _rest(self, asked: Asked, begun: str) -> str | None:
        """Return the rest of the story, if it was begun."""
        answer = self.model.answer
        fits = begun and asked.grammar is None and isinstance(answer, str) and answer.startswith(begun)
        return answer[len(begun) :] if fits else None

    def _run(self, asked: Asked, wanted: Wanted, rank: int, answer: str | None) -> Generation:
        if not self.form.tgi:
            return visible(self.model.run(wanted, rank, answer), asked.stop)
        self.model.validate(complaints(wanted, self.model.limits))
        return self.model.run(wanted, rank, answer)

    def _name(self, asked: Asked) -> str:
        """Return the model that an answer names: what was asked for, unless that is whatever is there."""
        name = asked.given.get("model", "tgi")
        if name == "tgi":
            return self.model.info()["model_id"]
        return name.partition(":")[0] if self.model.router else name

    def _whole(self, wanted: Sequence[Wanted], told: Told) -> Reply:
        if not self.form.tgi:
            return Reply(json=told.whole())
        runs = [choice.run for choice in sorted(told.choices, key=lambda choice: choice.index)]
        if told.choices[0].tool and runs[0].finish_reason != "eos_token":
            raise turned_down(f"Tool error: Failed to parse generated text: {cut_off(runs[0].text)}", "tool_error")
        rows = [self.model.headers(one) | self.model.timings(run) for one, run in zip(wanted, runs, strict=True)]
        return Reply(json=told.whole(), headers=added(rows))

    def _streamed(self, wanted: Sequence[Wanted], told: Callable[[], Told]) -> Stream:
        form, done = self.form, [b"data: [DONE]\n\n"] if self.form.done else []
        try:
            events = told().events(self.model.chat_error)
        except InvalidError as error:
            events = [failure(self.model.chat_error or form.errors, **error.error)]
        headers = added([self.model.headers(one) for one in wanted]) if form.tgi else {}
        return Stream([*events, *done], prefix=form.prefix, headers=headers)


def added(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the headers of several runs as those of one: numbers are added up."""
    numbers = [name for name, value in rows[0].items() if value.isdigit()]
    return dict(rows[0]) | {name: str(sum(int(row[name]) for row in rows)) for name in numbers}


def cut_off(text: str) -> str:
    """Say as serde does that JSON ends too early."""
    return f"EOF while parsing an object at line 1 column {len(text)} {json.dumps(text, ensure_ascii=False)}"
