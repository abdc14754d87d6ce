"""Text generation by a model that runs here: one call in, TGI's stream of chunks out.

What is checked, where it stops and what is reported follow text-generation-inference 3.3, its router and its model
side. Two things are better: a stop text is found wherever token borders fall, and logprobs are the model's own,
before penalties and filters.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nbinfer.errors import ParameterError
from nbinfer.local.model import Llama
from nbinfer.local.sampling import Sampler, highest, log_softmax
from nbinfer.local.vocabulary import Vocabulary
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS, Limits, sampling
from nbinfer.results import Chunk, Details, Sequence, Token
from nbinfer.templates import templates_of

UNSUPPORTED = ("grammar", "watermark", "adapter_id")


class Engine(Protocol):
    """What computes logits: the embedded Llama in numpy, or an ONNX file."""

    context: int
    """How many tokens prompt and answer may have together."""
    vocabulary: int
    """How many logits there are."""
    ends: frozenset[int]
    """The tokens that end an answer."""

    def cache(self, capacity: int) -> Any:
        """Return what one generation keeps, for so many tokens; setting its `length` back forgets the rest."""

    def forward(self, tokens: int | list[int], cache: Any, *, every: bool = False) -> NDArray[np.float32]:
        """Read one token or several; return the logits after the last, or with `every` a row of them for each."""

    def close(self) -> None:
        """Give back the memory of the weights."""


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A call that has been checked: what to read, how much to write, and how."""

    prompt: str
    tokens: list[int]
    max_new_tokens: int
    parameters: Mapping[str, Any]

    def seed(self) -> int | None:
        """Return what starts the random numbers of a run: the caller's seed, a new one, or None without sampling."""
        if not sampling(self.parameters):
            return None
        given = self.parameters.get("seed")
        return secrets.randbits(64) if given is None else int(given)


class TextModel:
    """A language model from a folder of weights and tokenizer files; threads may share it.

    `engine` runs the weights, if it is not an embedded model. `chat_template` is the Jinja text that makes a prompt of
    messages, None where the folder has none; `special_tokens` are what a template may name, such as bos_token.
    """

    def __init__(self, folder: Path, *, name: str, engine: Engine | None = None) -> None:
        self.name = name
        self._model: Engine = engine or Llama(folder)
        self._vocabulary = Vocabulary(folder / "tokenizer.json")
        templates, self.special_tokens = templates_of(folder)
        self.chat_template = templates.get("default", next(iter(templates.values()), None))
        self.limits = Limits(
            max_best_of=8,
            max_stop_sequences=16,
            max_top_n_tokens=20,
            max_input_tokens=self._model.context - 1,
            max_total_tokens=self._model.context,
        )

    def count(self, text: str) -> int:
        """Return how many tokens a text is, with the begin token."""
        return len(self._encoded(text))

    def close(self) -> None:
        """Give back the memory of the weights; the model cannot be used any more."""
        self._model.close()

    def generate(self, prompt: str, parameters: Mapping[str, Any]) -> Iterator[Chunk]:
        """Generate: a chunk for each token, the last one with the whole text and its details.

        `parameters` are those of TGI, with types and ranges checked. What only the model can know is checked here,
        before the first chunk: ParameterError has the server's words. `Chunk.text` is left empty.
        """
        return self._chunks(self._checked(prompt, parameters))

    def _encoded(self, text: str) -> list[int]:
        try:
            return self._vocabulary.encode(text)
        except ValueError as error:
            raise ParameterError(f"tokenizer error {error}") from None

    def _checked(self, prompt: str, parameters: Mapping[str, Any]) -> _Call:
        """Check in the order of TGI's router and stop at the first failure, as it does."""
        total, most = self._model.context, self._model.context - 1
        truncate, new = parameters.get("truncate"), parameters.get("max_new_tokens")
        if not prompt:
            raise ParameterError("`inputs` cannot be empty")
        if truncate is not None and not 0 < truncate <= most:
            raise ParameterError(f"`truncate` must be strictly positive and less than {most}. Given: {truncate}")
        tokens = self._encoded(prompt)
        tokens = tokens[-truncate:] if truncate else tokens
        room = total - len(tokens)
        hint = _shorter(new or DEFAULT_MAX_NEW_TOKENS, room=room, total=total)
        if new is not None and new > room:
            given = f"{len(tokens)} `inputs` tokens and {new} `max_new_tokens`"
            raise ParameterError(f"`inputs` tokens + `max_new_tokens` must be <= {total}. Given: {given}", hint=hint)
        if len(tokens) > most:
            raise ParameterError(f"`inputs` must have less than {most} tokens. Given: {len(tokens)}", hint=hint)
        for name in UNSUPPORTED:
            if parameters.get(name):
                raise ParameterError(f"{name} is not supported")
        new = min(DEFAULT_MAX_NEW_TOKENS, room) if new is None else new
        return _Call(prompt=prompt, tokens=tokens, max_new_tokens=new, parameters=parameters)

    def _chunks(self, call: _Call) -> Iterator[Chunk]:
        """Read the prompt once, then generate as often as `best_of` says."""
        cache = self._model.cache(len(call.tokens) + call.max_new_tokens)
        prefill: list[Token] = []
        if call.parameters.get("decoder_input_details"):
            logits = self._model.forward(call.tokens, cache, every=True)
            prefill, logits = self._prefill(call.tokens, logits[:-1]), logits[-1]
        else:
            logits = self._model.forward(call.tokens, cache)
        best_of = call.parameters.get("best_of") or 1
        if best_of == 1:
            yield from self._run(call, cache, logits, prefill=prefill)
        else:
            yield from _best([list(self._run(call, cache, logits, prefill=prefill)) for _ in range(best_of)])

    def _run(self, call: _Call, cache: Any, logits: NDArray[Any], *, prefill: list[Token]) -> Iterator[Chunk]:
        """Generate from the end of the prompt until something says stop."""
        cache.length, seed, top = len(call.tokens), call.seed(), call.parameters.get("top_n_tokens") or 0
        sampler = Sampler(call.parameters, tokens=call.tokens, vocabulary=self._model.vocabulary, seed=seed)
        ending = _Ending(call.max_new_tokens, ends=self._model.ends, stop=call.parameters.get("stop", ()))
        decoder = self._vocabulary.decoder(first=False)
        details = Details(seed=seed, input_length=cache.length, prefill=prefill, top_tokens=[] if top else None)
        while True:
            chosen = sampler.choose(logits)
            logprobs = log_softmax(logits)
            token = self._token(chosen, decoder.add(chosen), logprobs)
            details.tokens.append(token)
            chunk = Chunk(token=token, index=len(details.tokens))
            if details.top_tokens is not None:
                chunk.top_tokens = [self._token(n, self._vocabulary.text(n), logprobs) for n in highest(logprobs, top)]
                details.top_tokens.append(chunk.top_tokens)
            if reason := ending.reason(chosen, token.text):
                token.text += "" if token.special else decoder.end()
                yield _last(chunk, details, reason, lead=call.prompt if call.parameters.get("return_full_text") else "")
                return
            yield chunk
            logits = self._model.forward(chosen, cache)

    def _token(self, token: int, text: str, logprobs: NDArray[Any]) -> Token:
        token = int(token)
        return Token(id=token, text=text, logprob=float(logprobs[token]), special=self._vocabulary.special(token))

    def _prefill(self, tokens: list[int], logits: NDArray[Any]) -> list[Token]:
        """Return the prompt's tokens, each with its logprob after those before it; the first one has none."""
        decoder = self._vocabulary.decoder()
        logprobs = log_softmax(logits)[np.arange(len(logits)), tokens[1:]].tolist()
        return [
            Token(id=token, text=decoder.add(token), logprob=logprob, special=self._vocabulary.special(token))
            for token, logprob in zip(tokens, [None, *logprobs], strict=True)
        ]


class _Ending:
    """Says when a generation is over and why: the count goes before an end token, that before a stop text."""

    def __init__(self, most: int, *, ends: Collection[int], stop: Collection[str]) -> None:
        self._left, self._ends, self._stop = most, ends, stop
        self._overlap = max(map(len, stop), default=1) - 1
        self._tail = ""

    def reason(self, token: int, text: str) -> str:
        """Return TGI's finish reason after this token, empty while there is none."""
        self._left -= 1
        if self._left <= 0:
            return "length"
        if token in self._ends:
            return "eos_token"
        text = self._tail + text
        if any(stop in text for stop in self._stop):
            return "stop_sequence"
        self._tail = text[max(0, len(text) - self._overlap) :]
        return ""


def _last(chunk: Chunk, details: Details, reason: str, *, lead: str) -> Chunk:
    """Complete the last chunk: the text is that of all tokens but the control tokens, a stop text included."""
    details.finish_reason, details.generated_tokens = reason, len(details.tokens)
    chunk.generated_text = lead + "".join(token.text for token in details.tokens if not token.special)
    chunk.details = details
    return chunk


def _best(answers: list[list[Chunk]]) -> list[Chunk]:
    """Return the answer whose tokens have the highest mean logprob, with the others in its details."""
    winner = max(answers, key=lambda chunks: statistics.fmean(_logprobs(chunks)))
    if winner[-1].details:
        winner[-1].details.best_of_sequences = [_sequence(chunks[-1]) for chunks in answers if chunks is not winner]
    return winner


def _logprobs(chunks: list[Chunk]) -> Iterator[float]:
    return (chunk.token.logprob for chunk in chunks if chunk.token and chunk.token.logprob is not None)


def _sequence(last: Chunk) -> Sequence:
    details = last.details or Details()
    return Sequence(
        generated_text=last.generated_text or "",
        finish_reason=details.finish_reason,
        generated_tokens=details.generated_tokens,
        seed=details.seed,
        prefill=details.prefill,
        tokens=details.tokens,
        top_tokens=details.top_tokens or [],
    )


def _shorter(new: int, *, room: int, total: int) -> str:
    """Say how a prompt that leaves this much room can be made to fit."""
    ways = [f"truncate={total - new}, which keeps the end of the prompt"] if new < total else []
    ways += [f"max_new_tokens={room}"] if room > 0 else []
    half = total // 2
    return f"Use {', or '.join(ways) or f'truncate={half} with max_new_tokens={half}'}."
