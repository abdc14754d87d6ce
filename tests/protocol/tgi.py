"""A look-alike of text-generation-inference 3.3: its routes, words and quirks over a story that never changes."""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .chat import CHAT, TOKENIZE, ChatRoutes
from .wire.replies import JSON, Answer, Drop, Recorded, Reply, Stream, sse
from .wire.requests import InvalidError, Limits, Parameters, Wanted, complaints, example, json_schema, stream_complaints
from .wire.serde import RefusedError
from .wire.serving import ScriptedServer
from .wire.tokens import EOS, Generation, offsets, pieces, token, top

__all__ = [
    "ANSWER",
    "RANDOM_SEED",
    "Drop",
    "Limits",
    "Model",
    "Recorded",
    "Reply",
    "Server",
    "Stream",
    "burst",
    "pieces",
    "token",
    "token_event",
]

ANSWER = (
    'Once upon a time, a small robot lived in a café by the sea. It asked every guest: "What is 2 + 2?"\n'
    "Nobody knew, so it counted the waves instead, one by one, until the evening came. "
    "Then a gull 🐦 landed on the table, looked at the cups, and said: four. The end."
)
RANDOM_SEED = 18435558523380366744

OPEN_ROUTES = ("/", "/health", "/ping", "/info", "/v1/models")
SERVERLESS = re.compile(r"(/hf-inference)?/models/.+")


def token_event(
    index: int, text: str, *, generated_text: str | None = None, details: Mapping[str, JSON] | None = None
) -> dict[str, JSON]:
    """Return one event of a native stream."""
    return {"index": index, "token": token(text), "generated_text": generated_text, "details": details}


def burst(count: int, *, block: int = 64) -> Stream:
    """Return a stream of ready-made events that is written `block` events at a time."""
    words = [f" word{index}" for index in range(1, count + 1)]
    events = [sse(token_event(index, word)) for index, word in enumerate(words, start=1)]
    events[-1] = sse(token_event(count, words[-1], generated_text="".join(words)))
    return Stream([b"".join(events[start : start + block]) for start in range(0, count, block)])


def sampled(parameters: Parameters) -> bool:
    """Tell whether the model draws, by the rule of the model server rather than that of the router."""
    neutral = {"temperature": 1, "top_k": 0, "top_p": 1, "typical_p": 1}
    return parameters["do_sample"] or any(parameters[name] not in (None, value) for name, value in neutral.items())


def finish_reason(count: int, limit: int, last: Mapping[str, JSON], text: str, stop: Iterable[str]) -> str | None:
    """Return why a run ends at this token, if it does: the count comes first, then the end token, then stop texts."""
    if count >= limit:
        return "length"
    if last["special"]:
        return "eos_token"
    return "stop_sequence" if any(re.search(re.escape(end) + "$", text[-300:]) for end in stop) else None


def tokens_of(answer: str | Sequence[str], rank: int) -> Iterator[Mapping[str, JSON]]:
    """Yield the tokens of an answer, and that of the end."""
    for word in pieces(answer) if isinstance(answer, str) else answer:
        yield token(word, rank=rank)
    yield EOS


@dataclass
class Model:
    """What is served; a test may change each attribute.

    `answer` is a text or its tokens; `prefill` says whether prompt tokens can be shown. The old dialect is that of
    TGI 1.3: streams without a blank after `data:` and without `index`, compute time in milliseconds.

    The chat routes have the habits of one server, a name in `wire.forms`; without a `template` they refuse, and
    `chat_error` breaks their streams after the third piece, in the words of "tgi-3" or in the "old" ones. As a
    `router` they look as HF's front end for providers does, and know only `models`, if these are given.
    """

    answer: str | Sequence[str] = ANSWER
    limits: Limits = field(default_factory=Limits)
    api_key: str | None = None
    prefill: bool = True
    old_dialect: bool = False
    chat_form: str = "tgi-3"
    template: bool = True
    chat_error: str | None = None
    router: bool = False
    models: Sequence[str] | None = None
    model_id: str = "nbinfer/story"
    cache: dict[tuple[str, bytes], Reply | Stream] = field(default_factory=dict)
    seeds: Iterator[int] = field(default_factory=lambda: itertools.count(RANDOM_SEED, -1), repr=False)
    request_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def reply(self, request: Recorded) -> Answer:
        """Answer a request as TGI does."""
        if request.method == "GET" and request.path in OPEN_ROUTES:
            return self._open(request.path)
        try:
            return self._post(request)
        except RefusedError as refusal:
            return refusal.reply
        except InvalidError as error:
            return Reply(422, json=error.error)

    def _open(self, path: str) -> Reply:
        told = {"/info": self.info, "/v1/models": ChatRoutes(self).models}
        return Reply(json=told[path]()) if path in told else Reply()

    def _post(self, request: Recorded) -> Answer:
        route = self._route(request.path)
        if route is None:
            return Reply(404)
        if request.method != "POST":
            return Reply(405, headers={"allow": "POST"})
        return route(request) if request.path == TOKENIZE or self._authorised(request) else Reply(401)

    def _route(self, path: str) -> Callable[[Recorded], Answer] | None:
        routes: dict[str, Callable[[Recorded], Answer]] = {
            "/": self._compat,
            "/generate": lambda request: self._whole(Wanted.read(request)),
            "/generate_stream": lambda request: self._stream(Wanted.read(request)),
            "/tokenize": lambda request: Reply(json=offsets(Wanted.read(request).inputs)),
            **ChatRoutes(self).routes(),
        }
        return self._serverless if SERVERLESS.fullmatch(path) else routes.get(path)

    def _authorised(self, request: Recorded) -> bool:
        expected = f"Bearer {self.api_key}".lower()
        return self.api_key is None or request.headers.get("authorization", "").lower() == expected

    def info(self) -> dict[str, JSON]:
        """Tell what is served, and the limits."""
        longest = "max_input_length" if self.old_dialect else "max_input_tokens"
        return {
            "model_id": self.model_id,
            "model_sha": "5f0b02c75b57c5855da9ae460ce51323ea669d8a",
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": 128,
            "max_best_of": self.limits.max_best_of,
            "max_stop_sequences": self.limits.max_stop_sequences,
            longest: self.limits.max_input_tokens,
            "max_total_tokens": self.limits.max_total_tokens,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": "1.3.4" if self.old_dialect else "3.3.6",
            "sha": "78922cee3ddd33f93ae389d21cf2bd7b4fdd96ea",
            "docker_label": "sha-78922ce",
        }

    def _compat(self, request: Recorded) -> Reply | Stream:
        wanted = Wanted.read(request, compat=True)
        if wanted.stream:
            return self._stream(wanted)
        whole = self._whole(wanted)
        return replace(whole, json=[whole.json])

    def front(self) -> dict[str, str]:
        """Return the headers that HF's front end adds to every answer."""
        return {"x-request-id": f"request-{next(self.request_ids)}", "x-sha": self.info()["model_sha"]}

    def _serverless(self, request: Recorded) -> Reply | Stream:
        """Answer as the compat or the chat route does behind HF's front end, which adds headers and keeps answers."""
        front = self.front()
        kept = (request.path, request.content)
        if kept in self.cache and request.headers.get("x-use-cache", "").lower() not in ("0", "false"):
            return replace(self.cache[kept], headers=front | {"x-compute-type": "cache"})
        answer = ChatRoutes(self).chat(request) if request.path.endswith(CHAT) else self._compat(request)
        answer = replace(answer, headers=dict(answer.headers) | front | {"x-compute-type": "gpu"})
        if isinstance(answer, Reply) or not any(b'"error"' in sse(event) for event in answer.events):
            self.cache[kept] = answer
        return answer

    def _whole(self, wanted: Wanted) -> Reply:
        self.validate(complaints(wanted, self.limits))
        parameters = wanted.parameters
        prompt = wanted.inputs if parameters["return_full_text"] else ""
        best, *others = [self.run(wanted, rank) for rank in range(parameters["best_of"] or 1)]
        body: dict[str, JSON] = {"generated_text": prompt + best.text}
        if parameters["details"] or parameters["decoder_input_details"]:
            shown = [{"generated_text": prompt + run.text} | self._details(run, parameters) for run in others]
            body["details"] = self._details(best, parameters, shown)
        return Reply(json=body, headers=self.headers(wanted) | self.timings(best))

    def _details(self, run: Generation, parameters: Parameters, others: Sequence[JSON] = ()) -> dict[str, JSON]:
        details: dict[str, JSON] = {
            "finish_reason": run.finish_reason,
            "generated_tokens": len(run.tokens),
            "seed": run.seed,
            "prefill": run.prompt if self.prefill and parameters["decoder_input_details"] else [],
            "tokens": run.tokens,
        }
        if others:
            details["best_of_sequences"] = others
        if run.top_tokens:
            details["top_tokens"] = run.top_tokens
        return details

    def headers(self, wanted: Wanted) -> dict[str, str]:
        """Tell what is known of a request before it is run."""
        return {
            "access-control-allow-origin": "*",
            "x-compute-type": "1-a10-g",
            "x-compute-characters": str(len(wanted.inputs)),
        }

    def timings(self, run: Generation) -> dict[str, str]:
        """Make up times: one millisecond each to check and to queue, ten for each token."""
        inference = 10 * len(run.tokens)
        total = inference + 2
        return {
            "x-compute-time": str(total) if self.old_dialect else str(total / 1000),
            "x-total-time": str(total),
            "x-validation-time": "1",
            "x-queue-time": "1",
            "x-inference-time": str(inference),
            "x-time-per-token": "10",
            "x-prompt-tokens": str(len(run.prompt)),
            "x-generated-tokens": str(len(run.tokens)),
        }

    def _stream(self, wanted: Wanted) -> Stream:
        try:
            self.validate(itertools.chain(stream_complaints(wanted), complaints(wanted, self.limits)))
            events = self._events(wanted)
        except InvalidError as error:
            events = [error.error]
        return Stream(events, prefix=b"data:" if self.old_dialect else b"data: ", headers=self.headers(wanted))

    def _events(self, wanted: Wanted) -> list[dict[str, JSON]]:
        run = self.run(wanted)
        events: list[dict[str, JSON]] = []
        for index, (last, top_tokens) in enumerate(itertools.zip_longest(run.tokens, run.top_tokens), start=1):
            numbered = {} if self.old_dialect else {"index": index}
            ranked = {"top_tokens": top_tokens} if top_tokens else {}
            events.append(numbered | {"token": last} | ranked | {"generated_text": None, "details": None})
        events[-1]["generated_text"] = (wanted.inputs if wanted.parameters["return_full_text"] else "") + run.text
        if wanted.parameters["details"]:
            details = {"finish_reason": run.finish_reason, "generated_tokens": len(run.tokens), "seed": run.seed}
            events[-1]["details"] = details | ({} if self.old_dialect else {"input_length": len(run.prompt)})
        return events

    def validate(self, found: Iterator[str]) -> None:
        """Refuse for the first reason there is."""
        if complaint := next(found, None):
            raise InvalidError(complaint)

    def run(self, wanted: Wanted, rank: int = 0, answer: str | Sequence[str] | None = None) -> Generation:
        """Generate, by default the answer; later ranks of best_of are less likely and from another seed."""
        parameters, prompt = wanted.parameters, wanted.prompt()
        limit = parameters["max_new_tokens"] or self.limits.max_total_tokens - len(prompt)
        tokens: list[Mapping[str, JSON]] = []
        text, reason = "", None
        story = tokens_of(self._answer(parameters["grammar"]) if answer is None else answer, rank)
        while reason is None:
            tokens.append(next(story))
            text += "" if tokens[-1]["special"] else tokens[-1]["text"]
            reason = finish_reason(len(tokens), limit, tokens[-1], text, parameters["stop"])
        seed = None
        if sampled(parameters):
            seed = next(self.seeds) if parameters["seed"] is None else parameters["seed"]
        count = parameters["top_n_tokens"] or 0
        return Generation(text, reason, seed, prompt, tokens, [top(last, count) for last in tokens] if count else [])

    def _answer(self, grammar: JSON) -> str | Sequence[str]:
        schema = json_schema(grammar)
        return self.answer if schema is None else json.dumps(example(schema), ensure_ascii=False)


class Server(ScriptedServer):
    """A TGI look-alike on a free port, in a thread; use it as a context manager.

    `model` is what answers unless a reply was scripted; its streams wait `pace` seconds before each event.
    """

    def clear(self) -> None:
        """Forget requests and scripts and go back to the usual behaviour."""
        super().clear()
        self.model = Model()
        self.pace = 0.0

    def answer(self, request: Recorded) -> Answer:
        """Answer as the model does."""
        answer = self.model.reply(request)
        return replace(answer, delay=self.pace) if isinstance(answer, Stream) else answer
