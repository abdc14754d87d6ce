"""Look-alikes of text-embeddings-inference, and of Hugging Face's front end for embeddings and small classic tasks."""

import base64
import hashlib
import itertools
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from .wire.replies import JSON, Answer, Recorded, Reply
from .wire.serde import RefusedError, check, read_json, shape_error, span, type_error
from .wire.serving import ScriptedServer
from .wire.tokens import BOS, EOS, offsets, pieces, token

__all__ = ["DIMENSIONS", "TASKS", "FrontEnd", "Model", "Serverless", "Tei", "cosine", "flac", "jpeg", "meaning", "png"]

Array = np.ndarray[Any, np.dtype[Any]]

DIMENSIONS = 16
VOCABULARY = 32_000
CONTEXT = 512
NEARNESS = 5.0
SHA = "5f0b02c75b57c5855da9ae460ce51323ea669d8a"

# Vectors: near for texts that share words, the same from run to run.


def vector(word: str) -> Array:
    """Return the vector of a token; those of the control tokens cancel out, so a mean points where the words do."""
    if word == EOS["text"]:
        return -vector(BOS["text"])
    digest = hashlib.shake_256(word.strip().lower().encode()).digest(4 * DIMENSIONS)
    return (np.frombuffer(digest, "<u4") / 2**29 - 4).astype(np.float32)


def framed(words: Sequence[str]) -> list[str]:
    """Put control tokens around tokens."""
    return [BOS["text"], *words, EOS["text"]]


def pooled(words: Sequence[str]) -> Array:
    """Return the mean of the vectors of tokens."""
    return np.stack([vector(word) for word in words]).mean(axis=0)


def meaning(text: str) -> Array:
    """Return the vector of a whole text."""
    return pooled(framed(pieces(text)))


def unit(row: Array) -> Array:
    """Scale a vector to length one."""
    length = np.linalg.norm(row)
    return row / length if length else row


def cosine(one: Array, other: Array) -> float:
    """Return the cosine of the angle between two vectors, 0 where one has no length."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0


def sigmoid(logits: Array) -> Array:
    """Squeeze each logit between 0 and 1."""
    return 1 / (1 + np.exp(-logits))


def softmax(logits: Array) -> Array:
    """Turn logits into shares of 1."""
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def numbers(array: Array) -> JSON:
    """Return nested lists of numbers, each the shortest that reads back as the same f32, as serde writes them."""
    return [numbers(row) for row in array] if array.ndim else float(str(np.float32(array)))


def kept(words: Sequence[str], count: int, direction: str) -> Sequence[str]:
    """Cut tokens off on the right or on the left until `count` are left."""
    return words[:count] if direction.lower() == "right" else words[max(len(words) - count, 0) :]


TONES = dict.fromkeys(("good", "great", "happy", "like", "love"), 1.0)
TONES |= dict.fromkeys(("awful", "bad", "hate", "sad", "terrible"), -1.0)


def tone(words: Sequence[str]) -> Array:
    """Return the logits of NEGATIVE and POSITIVE; without a word of either kind, POSITIVE is a little ahead."""
    mood = 0.25 + sum(TONES.get(word.strip().lower(), 0.0) for word in words)
    return np.array([-mood, mood], np.float32)


# Files: small and real, since clients tell kinds by their first bytes and decode them.


def png(levels: Array) -> bytes:
    """Return a grey picture made of squares of eight by eight pixels."""
    pixels = np.kron(levels, np.ones((8, 8), np.uint8)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(levels: Array) -> bytes:
    """Return a grey picture made of squares of eight by eight pixels.

    Each square is one block that has only its mean, in steps of one level, so that two tiny code tables do: four bits
    for how many bits the step from the last block has, one bit for the end of the block.
    """
    bits = []
    for step in np.diff(levels.astype(int).ravel(), prepend=128).tolist():
        size = abs(step).bit_length()
        bits.append(f"{size:04b}" + (f"{step if step > 0 else step + 2**size - 1:0{size}b}" if size else "") + "0")
    code = "".join(bits)
    code += "1" * (-len(code) % 8)
    scan = int(code, 2).to_bytes(len(code) // 8, "big").replace(b"\xff", b"\xff\0")
    height, width = (8 * count for count in levels.shape)
    segments = (
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        (0xDB, b"\0" + b"\x08" * 64),
        (0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)),
        (0xC4, b"\x00" + bytes([0, 0, 0, 12, *[0] * 12, *range(12)])),
        (0xC4, b"\x10" + bytes([1, *[0] * 15, 0])),
        (0xDA, b"\1\1\0\0\x3f\0"),
    )
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def _checksum(data: bytes, width: int, polynomial: int) -> bytes:
    remainder = 0
    for byte in data:
        remainder ^= byte << (width - 8)
        for _ in range(8):
            remainder = (remainder << 1) ^ (polynomial if remainder >> (width - 1) else 0)
            remainder &= (1 << width) - 1
    return remainder.to_bytes(width // 8, "big")


def flac(levels: Sequence[int]) -> bytes:
    """Return a sound of one channel at 16 kHz that holds each of at most 128 levels for a quarter of a second."""
    block, rate = 4096, 16_000
    frames = []
    for number, level in enumerate(levels[:128]):
        head = bytes([0xFF, 0xF8, 0xC5, 0x08, number])
        frame = head + _checksum(head, 8, 0x07) + b"\0" + struct.pack(">h", level)
        frames.append(frame + _checksum(frame, 16, 0x8005))
    size = rate << 44 | 15 << 36 | block * len(frames)
    about = struct.pack(">HH", block, block) + bytes(6) + size.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80" + len(about).to_bytes(3, "big") + about + b"".join(frames)


# TEI's requests, as serde reads them.

REQUIRED = object()


@dataclass(frozen=True)
class Struct:
    """A struct of TEI: its name in Rust and its fields."""

    name: str
    fields: Mapping[str, "Field"]


@dataclass(frozen=True)
class Field:
    """A field: a kind of `serde.check`, `[string]`, an untagged enum, variants or a struct; None makes it optional."""

    kind: str | Struct | tuple[str, ...]
    default: JSON = REQUIRED


def _is_ids(value: JSON) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**32 for item in value)


def _is_text_or_ids(value: JSON) -> bool:
    return isinstance(value, str) or _is_ids(value)


def _is_list_of(fits: Callable[[JSON], bool], value: JSON) -> bool:
    return isinstance(value, list) and all(fits(item) for item in value)


UNTAGGED: dict[str, Callable[[JSON], bool]] = {
    "Input": lambda value: _is_text_or_ids(value) or _is_list_of(_is_text_or_ids, value),
    "InputIds": lambda value: _is_ids(value) or _is_list_of(_is_ids, value),
    "TokenizeInput": lambda value: isinstance(value, str) or _is_list_of(lambda item: isinstance(item, str), value),
}
PAIRS = (
    "a string, a pair of strings [string, string] or a batch of mixed strings and pairs "
    "[[string], [string, string], ...]"
)

CUT = {"truncate": Field("a boolean", None), "truncation_direction": Field(("Left", "Right"), "Right")}
PROMPT = {"prompt_name": Field("a string", None)}
NORMALIZE = {"normalize": Field("a boolean", default=True)}
DIMENSION = {"dimensions": Field("usize", None)}
RAW = {"raw_scores": Field("a boolean", default=False)}
INPUTS = {"inputs": Field("Input")}

EMBED = Struct("EmbedRequest", INPUTS | CUT | PROMPT | NORMALIZE | DIMENSION)
EMBED_ALL = Struct("EmbedAllRequest", INPUTS | CUT | PROMPT)
EMBED_SPARSE = Struct("EmbedSparseRequest", INPUTS | CUT | PROMPT)
PREDICT = Struct("PredictRequest", {"inputs": Field("PredictInput")} | CUT | RAW)
RERANK = Struct(
    "RerankRequest",
    {"query": Field("a string"), "texts": Field("[string]")}
    | CUT
    | RAW
    | {"return_text": Field("a boolean", default=False)},
)
SIMILARITY = Struct(
    "SimilarityRequest",
    {
        "inputs": Field(
            Struct("SimilarityInput", {"source_sentence": Field("a string"), "sentences": Field("[string]")})
        ),
        "parameters": Field(Struct("SimilarityParameters", CUT | PROMPT), None),
    },
)
OPENAI = Struct(
    "OpenAICompatRequest",
    {
        "input": Field("Input"),
        "model": Field("a string", None),
        "user": Field("a string", None),
        "encoding_format": Field(("float", "base64"), "float"),
    }
    | DIMENSION,
)
TOKENIZE = Struct(
    "TokenizeRequest",
    {"inputs": Field("TokenizeInput"), "add_special_tokens": Field("a boolean", default=True)} | PROMPT,
)
DECODE = Struct("DecodeRequest", {"ids": Field("InputIds"), "skip_special_tokens": Field("a boolean", default=True)})

Wanted = Mapping[str, JSON]


def read(text: str, value: JSON, wanted: Struct, path: tuple[str, ...] = ()) -> dict[str, JSON]:
    """Read a struct as serde does; absent fields get their default, unknown ones are ignored."""
    check(text, path, value, f"struct {wanted.name}")
    filled = {}
    for name, row in wanted.fields.items():
        if name not in value and row.default is REQUIRED:
            raise shape_error(text, path, f"missing field `{name}`", span(text, path)[1])
        given = value.get(name, row.default)
        absent = name not in value or given is row.default is None
        filled[name] = given if absent else _read_field(text, given, row.kind, (*path, name))
    return filled


def _read_field(text: str, value: JSON, kind: str | Struct | tuple[str, ...], path: tuple[str, ...]) -> JSON:
    if isinstance(kind, Struct):
        return read(text, value, kind, path)
    if isinstance(kind, tuple):
        _check_variant(text, value, kind, path)
    elif kind == "[string]":
        check(text, path, value, "a sequence")
        for index, item in enumerate(value):
            check(text, (*path, f"[{index}]"), item, "a string")
    elif kind == "PredictInput":
        _check_pairs(text, value, path)
    elif kind not in UNTAGGED:
        check(text, path, value, kind)
    elif not UNTAGGED[kind](value):
        why = f"data did not match any variant of untagged enum {kind}"
        raise shape_error(text, path, why, span(text, path)[1])
    return value


def _check_variant(text: str, value: JSON, variants: tuple[str, ...], path: tuple[str, ...]) -> None:
    start, end = span(text, path)
    if not isinstance(value, str):
        raise shape_error(text, path, "expected value", start + 1)
    if value not in variants:
        known = " or ".join(f"`{name}`" for name in variants)
        raise shape_error(text, path, f"unknown variant `{value}`, expected {known}", end)


def _check_pairs(text: str, value: JSON, path: tuple[str, ...]) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise type_error(text, path, value, PAIRS)
    if value and not isinstance(value[0], str | list):
        why = "data did not match any variant of untagged enum Internal"
        raise shape_error(text, path, why, span(text, path)[1])
    for row in value if value and isinstance(value[0], list) else [value]:
        check(text, path, row, "a sequence")
        if not 1 <= len(row) <= 2:
            raise shape_error(text, path, f"invalid length {len(row)}, expected {PAIRS}", span(text, path)[1])
        for item in row:
            check(text, path, item, "a string")


# TEI itself.

STATUSES = {"Empty": 400, "Validation": 422, "Tokenizer": 422, "Backend": 424, "Overloaded": 429, "Unhealthy": 503}
EMBEDS = ("embedding", "splade")
CLASSIFIES = ("reranker", "classifier")
LABELS = {"reranker": ("LABEL_0",), "classifier": ("NEGATIVE", "POSITIVE")}
ROOT = {"embedding": "/embed", "splade": "/embed_sparse", "reranker": "/rerank", "classifier": "/predict"}
WHOLE = {"truncate": None, "truncation_direction": "Right", "prompt_name": None, "dimensions": None}
CHARACTERS_PER_TOKEN = 250


class TeiError(Exception):
    """A refusal of TEI itself, with the type it names."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type, self.message = error_type, message

    @classmethod
    def invalid(cls, message: str, error_type: str = "Validation") -> "TeiError":
        """Say what validation found."""
        return cls(error_type, f"Input validation error: {message}")

    @classmethod
    def backend(cls, message: str) -> "TeiError":
        """Say what the model cannot do."""
        return cls("Backend", f"Backend error: {message}")


@dataclass(frozen=True)
class Encoding:
    """One input as tokens, of one text or of two; `special` says whether control tokens stand around them."""

    first: Sequence[str]
    second: Sequence[str] | None
    characters: int
    special: bool = True

    @property
    def controls(self) -> int:
        """Count the control tokens."""
        return self.special * (2 if self.second is None else 3)

    @property
    def words(self) -> Sequence[str]:
        """Return the tokens of the first text, control tokens included."""
        return framed(self.first) if self.special else self.first

    @property
    def count(self) -> int:
        """Count all tokens."""
        return len(self.first) + len(self.second or ()) + self.controls

    def cut(self, most: int, direction: str) -> "Encoding":
        """Keep `most` tokens, and cut the longer text first."""
        room = most - self.controls
        shorter = min(len(self.first), len(self.second or ()), room // 2)
        lengths = (room - shorter, shorter) if len(self.first) > len(self.second or ()) else (shorter, room - shorter)
        second = None if self.second is None else kept(self.second, lengths[1], direction)
        return replace(self, first=kept(self.first, lengths[0], direction), second=second)


@dataclass(frozen=True)
class Route:
    """What a route reads and which method of the model answers; OpenAI's routes have their own form of errors."""

    wanted: Struct
    answer: Callable[["Model", Wanted], Reply]
    openai: bool = False


@dataclass
class Model:
    """What TEI serves; a test may change each attribute.

    `kind` is one of `embedding`, `splade`, `reranker` and `classifier`; with `task` set to `sentence-similarity`, as
    the environment variable of that name does, `/` compares. `prompts` are texts to put in front, by name.
    `overloaded` and `healthy` switch refusals on. `statuses` tells the status of each type of error: with 413 for
    Validation the model speaks as versions up to 1.8 do.
    """

    kind: str = "embedding"
    task: str | None = None
    api_key: str | None = None
    max_input_length: int = CONTEXT
    max_client_batch_size: int = 32
    auto_truncate: bool = True
    prompts: dict[str, str] = field(default_factory=dict)
    overloaded: bool = False
    healthy: bool = True
    statuses: dict[str, int] = field(default_factory=STATUSES.copy)
    counts: Counter[str] = field(default_factory=Counter)
    vocabulary: dict[int, str] = field(
        default_factory=lambda: {row["id"]: row["text"] for row in (BOS, EOS)}, repr=False
    )

    def reply(self, request: Recorded) -> Reply:
        """Answer a request as TEI does."""
        answers: dict[str, Callable[[], Reply]] = {}
        if reading := READS.get(request.path):
            answers["GET"] = partial(reading, self)
        if route := ROUTES.get(self._root() if request.path in ("/", "/invocations") else request.path):
            answers["POST"] = partial(self._post, request, route)
        if not answers:
            return Reply(404)
        if request.method not in answers:
            return Reply(405, headers={"allow": ",".join(answers)})
        return answers[request.method]() if self._authorised(request) else Reply(401)

    def _root(self) -> str:
        return "/similarity" if self.task == "sentence-similarity" and self.kind in EMBEDS else ROOT[self.kind]

    def _authorised(self, request: Recorded) -> bool:
        is_open = request.method == "GET" and request.path != "/info"
        return is_open or self.api_key is None or request.headers.get("authorization") == f"Bearer {self.api_key}"

    def _post(self, request: Recorded, route: Route) -> Reply:
        try:
            text, body = read_json(request)
            return route.answer(self, read(text, body, route.wanted))
        except RefusedError as refusal:
            return refusal.reply
        except TeiError as error:
            return self._failure(error, openai=route.openai)

    def _failure(self, error: TeiError, *, openai: bool = False) -> Reply:
        status = self.statuses[error.error_type]
        native = {"error": error.message, "error_type": error.error_type}
        compatible = {"message": error.message, "code": status, "type": error.error_type}
        return Reply(status, json=compatible if openai else native)

    def health(self) -> Reply:
        """Say whether the model runs, without words if it does."""
        return Reply() if self.healthy else self._failure(TeiError("Unhealthy", "unhealthy"))

    def metrics(self) -> Reply:
        """Tell Prometheus how many requests there were."""
        lines = ["# TYPE te_request_count counter"]
        lines += [f'te_request_count{{method="{method}"}} {count}' for method, count in sorted(self.counts.items())]
        return Reply(text="\n".join([*lines, "", "# TYPE te_queue_size gauge", "te_queue_size 0", ""]))

    def info(self) -> Reply:
        """Tell what is served and within which limits."""
        labels = LABELS.get(self.kind, ())
        classes = {
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
        }
        pooling = {"pooling": "splade" if self.kind == "splade" else "mean"}
        body = {
            "model_id": f"nbinfer/{self.kind}",
            "model_sha": SHA,
            "model_dtype": "float32",
            "model_type": {"embedding": pooling} if self.kind in EMBEDS else {self.kind: classes},
            "max_concurrent_requests": 512,
            "max_input_length": self.max_input_length,
            "max_batch_tokens": 16384,
            "max_batch_requests": None,
            "max_client_batch_size": self.max_client_batch_size,
            "auto_truncate": self.auto_truncate,
            "tokenization_workers": 2,
            "version": "1.9.0",
            "sha": "d7af1fcc509902d8cc66cebf5a61c5e8e000e442",
            "docker_label": "sha-d7af1fc",
        }
        return Reply(json=body)

    def embed(self, wanted: Wanted) -> Reply:
        """Return a vector for each input."""
        rows, headers = self._vectors(wanted["inputs"], wanted)
        return Reply(json=[numbers(row) for row in rows], headers=headers)

    def embed_all(self, wanted: Wanted) -> Reply:
        """Return a vector for each token of each input."""
        if self.kind == "splade":
            raise TeiError.backend("`embed_all` is not available for SPLADE models")
        encodings = self._embeddable(wanted["inputs"], wanted)
        rows = [[numbers(vector(word)) for word in encoding.words] for encoding in encodings]
        return Reply(json=rows, headers=_timed(encodings))

    def embed_sparse(self, wanted: Wanted) -> Reply:
        """Return the weights of the words of each input, by their number in the vocabulary."""
        if self.kind != "splade":
            raise TeiError.backend("Model is not an embedding model with SPLADE pooling")
        encodings = self._embeddable(wanted["inputs"], wanted)
        rows = [self._weights(encoding) for encoding in encodings]
        body = [[{"index": index, "value": value} for index, value in sorted(row.items())] for row in rows]
        return Reply(json=body, headers=_timed(encodings))

    def predict(self, wanted: Wanted) -> Reply:
        """Return the labels of each input with their scores, the best first."""
        inputs = wanted["inputs"]
        single = isinstance(inputs, str) or isinstance(inputs[0], str)
        rows = [[inputs] if isinstance(inputs, str) else inputs] if single else inputs
        encodings = self._classifiable([tuple(row) for row in rows], wanted, single=single)
        predictions = [self._predictions(encoding, raw=wanted["raw_scores"]) for encoding in encodings]
        return Reply(json=predictions[0] if single else predictions, headers=_timed(encodings))

    def rerank(self, wanted: Wanted) -> Reply:
        """Return the texts in the order of how near they are to the query."""
        texts = wanted["texts"]
        if not texts:
            raise TeiError("Empty", "`texts` cannot be empty")
        if self.kind != "reranker":
            raise TeiError.backend("model is not a re-ranker model")
        encodings = self._classifiable([(wanted["query"], text) for text in texts], wanted, single=False)
        ranks = []
        for index, encoding in enumerate(encodings):
            (score,) = self._scores(encoding, raw=wanted["raw_scores"])
            text = {"text": texts[index]} if wanted["return_text"] else {}
            ranks.append({"index": index} | text | {"score": numbers(score)})
        # Sorted upwards and then turned round, so that equal scores change their order too.
        ranks.sort(key=lambda rank: rank["score"])
        return Reply(json=ranks[::-1], headers=_timed(encodings))

    def similarity(self, wanted: Wanted) -> Reply:
        """Return the cosine of one sentence with each of the others."""
        sentences = wanted["inputs"]["sentences"]
        if not sentences:
            raise TeiError("Empty", "`inputs.sentences` cannot be empty")
        options = WHOLE | {"normalize": False} | (wanted["parameters"] or {})
        (source, *others), headers = self._vectors([wanted["inputs"]["source_sentence"], *sentences], options)
        return Reply(json=[numbers(np.float32(cosine(source, row))) for row in others], headers=headers)

    def openai(self, wanted: Wanted) -> Reply:
        """Return embeddings in the form of OpenAI, always of length one."""
        options = WHOLE | {"normalize": True, "dimensions": wanted["dimensions"]}
        rows, headers = self._vectors(wanted["input"], options)
        shown = numbers if wanted["encoding_format"] == "float" else _base64
        data = [{"object": "embedding", "embedding": shown(row), "index": index} for index, row in enumerate(rows)]
        tokens = int(headers["x-compute-tokens"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        model = f"nbinfer/{self.kind}"
        return Reply(json={"object": "list", "data": data, "model": model, "usage": usage}, headers=headers)

    def tokenize(self, wanted: Wanted) -> Reply:
        """Return the tokens of each text, with their places in it."""
        inputs = wanted["inputs"]
        if inputs == []:
            raise TeiError("Empty", "`inputs` cannot be empty")
        texts = [inputs] if isinstance(inputs, str) else inputs
        self._check_batch(texts)
        if "" in texts:
            raise TeiError.invalid("`inputs` cannot be empty", "Empty")
        prompt = self._prompt(wanted["prompt_name"])
        return Reply(json=[self._tokens(prompt + text, special=wanted["add_special_tokens"]) for text in texts])

    def decode(self, wanted: Wanted) -> Reply:
        """Return the texts of tokens; one is known once a request has brought its text."""
        ids = wanted["ids"]
        rows = [ids] if _is_ids(ids) else ids
        self._check_batch(rows)
        if [] in rows:
            raise TeiError.invalid("`input_ids` cannot be empty", "Empty")
        controls = (BOS["id"], EOS["id"]) if wanted["skip_special_tokens"] else ()
        return Reply(json=["".join(self._known([number for number in row if number not in controls])) for row in rows])

    def _admit(self, items: Sequence[JSON], *, single: bool) -> None:
        self.counts["single" if single else "batch"] += 1
        self._check_batch(items)
        if self.overloaded:
            raise TeiError("Overloaded", "Model is overloaded")

    def _check_batch(self, items: Sequence[JSON]) -> None:
        if len(items) > (most := self.max_client_batch_size):
            raise TeiError("Validation", f"batch size {len(items)} > maximum allowed batch size {most}")

    def _vectors(self, inputs: JSON, wanted: Wanted) -> tuple[list[Array], dict[str, str]]:
        if self.kind == "splade" and wanted["normalize"]:
            raise TeiError.backend("`normalize` is not available for SPLADE models")
        dimensions = wanted["dimensions"]
        if dimensions == 0:
            raise TeiError.invalid("`dimensions` should be positive")
        encodings = self._embeddable(inputs, wanted)
        rows = [self._dense(encoding) for encoding in encodings]
        if dimensions is not None and dimensions > len(rows[0]):
            raise TeiError.invalid("`dimensions` should be smaller than the maximum embedding dimension.")
        rows = [row[:dimensions] for row in rows]
        return [unit(row) for row in rows] if wanted["normalize"] else rows, _timed(encodings)

    def _dense(self, encoding: Encoding) -> Array:
        if self.kind == "embedding":
            return pooled(encoding.words)
        row = np.zeros(VOCABULARY, np.float32)
        for index, value in self._weights(encoding).items():
            row[index] = value
        return row

    def _weights(self, encoding: Encoding) -> dict[int, float]:
        counted = Counter(self._number(word.strip().lower()) for word in encoding.first)
        return {index: numbers(np.log1p(np.float32(count))) for index, count in counted.items()}

    def _predictions(self, encoding: Encoding, *, raw: bool) -> list[dict[str, JSON]]:
        scores = self._scores(encoding, raw=raw)
        rows = [
            {"score": numbers(score), "label": label} for score, label in zip(scores, LABELS[self.kind], strict=True)
        ]
        return sorted(rows, key=lambda row: row["score"])[::-1]

    def _scores(self, encoding: Encoding, *, raw: bool) -> Array:
        if self.kind == "classifier":
            logits = tone([*encoding.first, *(encoding.second or ())])
            return logits if raw else softmax(logits)
        near = cosine(pooled(encoding.words), pooled(framed(encoding.second or ())))
        logits = np.array([NEARNESS * near], np.float32)
        return logits if raw else sigmoid(logits)

    def _embeddable(self, inputs: JSON, wanted: Wanted) -> list[Encoding]:
        single = _is_text_or_ids(inputs)
        items = [inputs] if single else inputs
        self._admit(items, single=single)
        if self.kind not in EMBEDS:
            raise TeiError.backend("Model is not an embedding model")
        prompt = self._prompt(wanted["prompt_name"])
        return [self._encoded(item, wanted, prompt) for item in items]

    def _classifiable(self, items: Sequence[tuple[str, ...]], wanted: Wanted, *, single: bool) -> list[Encoding]:
        self._admit(items, single=single)
        if self.kind not in CLASSIFIES:
            raise TeiError.backend("Model is not a classifier model")
        return [self._encoded(item, wanted) for item in items]

    def _prompt(self, name: str | None) -> str:
        if name is None:
            return ""
        if not self.prompts:
            why = "but no prompts were found in the Sentence Transformers configuration"
            raise TeiError.invalid(f"`default-prompt-name` is set to `{name}` {why}")
        if name not in self.prompts:
            known = ", ".join(f'"{known}"' for known in self.prompts)
            why = f"but it was not found in the Sentence Transformers prompts. Available prompts: [{known}]"
            raise TeiError.invalid(f"`default-prompt-name` is set to `{name}` {why}")
        return self.prompts[name]

    def _encoded(self, item: JSON, wanted: Wanted, prompt: str = "") -> Encoding:
        """Turn a text, a pair of texts or the ids of tokens into tokens, not more of them than the model takes."""
        ids = isinstance(item, list)
        texts = item if isinstance(item, tuple) else ("".join(self._known(item)) if ids else item,)
        if not any(texts):
            raise TeiError.invalid("`inputs` cannot be empty", "Empty")
        truncate = self.auto_truncate if wanted["truncate"] is None else wanted["truncate"]
        most, characters = self.max_input_length, len(item) if ids else sum(map(len, texts))
        if characters > (limit := most * CHARACTERS_PER_TOKEN) and not truncate:
            raise TeiError.invalid(f"`inputs` must have less than {limit} characters. Given: {characters}")
        # Ids bring their own control tokens, unless a prompt makes them a text again.
        given = ids and not prompt
        words = [self._known(item)] if given else [self._words(text) for text in (prompt + texts[0], *texts[1:])]
        encoding = Encoding(words[0], words[1] if len(words) > 1 else None, characters, special=not given)
        if encoding.count > most and not truncate:
            raise TeiError.invalid(f"`inputs` must have less than {most} tokens. Given: {encoding.count}")
        return encoding.cut(most, wanted["truncation_direction"]) if encoding.count > most else encoding

    def _words(self, text: str) -> list[str]:
        words = pieces(text)
        for word in words:
            self._number(word)
        return words

    def _number(self, word: str) -> int:
        number = token(word)["id"]
        self.vocabulary[number] = word
        return number

    def _known(self, ids: Sequence[int]) -> list[str]:
        return [self.vocabulary.get(number, "<unk>") for number in ids]

    def _tokens(self, text: str, *, special: bool) -> list[dict[str, JSON]]:
        self._words(text)
        rows = [
            {"id": row["id"], "text": row["text"], "special": False, "start": row["start"], "stop": row["stop"]}
            for row in offsets(text)[1:]
        ]
        first, last = (
            {"id": row["id"], "text": row["text"], "special": True, "start": None, "stop": None} for row in (BOS, EOS)
        )
        return [first, *rows, last] if special else rows


def _base64(row: Array) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _timed(encodings: Sequence[Encoding]) -> dict[str, str]:
    """Make up times: one millisecond each to tokenize and to queue, one for each token."""
    tokens = sum(encoding.count for encoding in encodings)
    return {
        "x-compute-type": "gpu+optimized",
        "x-compute-time": str(tokens + 2),
        "x-compute-characters": str(sum(encoding.characters for encoding in encodings)),
        "x-compute-tokens": str(tokens),
        "x-total-time": str(tokens + 2),
        "x-tokenization-time": "1",
        "x-queue-time": "1",
        "x-inference-time": str(tokens),
    }


READS: dict[str, Callable[[Model], Reply]] = {
    "/": Model.health,
    "/health": Model.health,
    "/info": Model.info,
    "/metrics": Model.metrics,
    "/ping": Model.health,
}
ROUTES = {
    "/decode": Route(DECODE, Model.decode),
    "/embed": Route(EMBED, Model.embed),
    "/embed_all": Route(EMBED_ALL, Model.embed_all),
    "/embed_sparse": Route(EMBED_SPARSE, Model.embed_sparse),
    "/embeddings": Route(OPENAI, Model.openai, openai=True),
    "/predict": Route(PREDICT, Model.predict),
    "/rerank": Route(RERANK, Model.rerank),
    "/similarity": Route(SIMILARITY, Model.similarity),
    "/tokenize": Route(TOKENIZE, Model.tokenize),
    "/v1/embeddings": Route(OPENAI, Model.openai, openai=True),
}


class Tei(ScriptedServer):
    """A TEI look-alike on a free port, in a thread; use it as a context manager.

    `model` is what answers unless a reply was scripted.
    """

    def clear(self) -> None:
        """Forget requests and scripts and go back to the usual behaviour."""
        super().clear()
        self.model = Model()

    def answer(self, request: Recorded) -> Answer:
        """Answer as the model does."""
        return self.model.reply(request)


# Hugging Face's front end, with a small model behind it for each classic task.

IMAGE_FORMATS: dict[str, Callable[[Array], bytes]] = {"image/jpeg": jpeg, "image/png": png}
MASK = re.compile(r"\[MASK\]|<mask>")
WORD = re.compile(r"\w+")
NAME = re.compile(r"\b[A-Z]\w*(?: [A-Z]\w*)*")
NO_NAMES = frozenset(("A", "He", "I", "In", "It", "My", "She", "The", "We", "You"))
FILLERS = ("story", "robot", "table", "sea", "day")
FRENCH = {"hello": "bonjour", "my": "mon", "name": "nom", "is": "est", "the": "le", "robot": "robot", "world": "monde"}
THINGS = ("tabby cat", "tiger cat", "Egyptian cat", "lynx", "remote control")
HEARD = "A robot lived by the sea."
EMPTY_ANSWER = {"score": 0.0, "start": 0, "end": 0, "answer": ""}


class TaskError(Exception):
    """A refusal of the program that runs the model: status 400, the error a text."""


@dataclass(frozen=True)
class Medium:
    """A kind of file that comes as it is or as base64: how it begins, what is said of others, what is measured."""

    beginning: re.Pattern[bytes]
    refusal: str
    metrics: Mapping[str, str]


IMAGE = Medium(
    re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|BM|II\*\0|MM\0\*|RIFF....WEBP", re.DOTALL),
    "cannot identify image file <_io.BytesIO object at 0x7f3c2b1a4e50>",
    {"x-compute-images": "1"},
)
AUDIO = Medium(
    re.compile(rb"fLaC|OggS|ID3|\xff[\xf2\xf3\xfb]|\x1aE\xdf\xa3|RIFF....WAVE|....ftyp", re.DOTALL),
    "Malformed soundfile",
    {"x-compute-audio-length": "1.0"},
)


@dataclass(frozen=True)
class Asked:
    """A request to a model: inputs, parameters, options beside them, and the kinds of content the client likes."""

    inputs: JSON
    parameters: Mapping[str, JSON]
    options: Mapping[str, JSON]
    accept: Sequence[str]


def _fits_text(value: JSON) -> str | None:
    return None if isinstance(value, str) else "str type expected"


def _fits_texts(value: JSON) -> str | None:
    if isinstance(value, list):
        return "at least one input is required" if not value else next(filter(None, map(_fits_text, value)), None)
    return _fits_text(value)


def _fits_list(value: JSON) -> str | None:
    return _fits_texts(value) if isinstance(value, list) else "value is not a valid list"


def _fits_table(value: JSON) -> str | None:
    if not isinstance(value, dict):
        return "value is not a valid dict"
    if why := next(filter(None, map(_fits_list, value.values())), None):
        return why
    lengths = {len(column) for column in value.values()}
    return None if len(lengths) == 1 else "All rows in the table must be the same length"


def _fits_flag(value: JSON) -> str | None:
    return None if isinstance(value, bool) else "value could not be parsed to a boolean"


def _fits_count(value: JSON) -> str | None:
    if type(value) is not int:
        return "value is not a valid integer"
    return None if value > 0 else "ensure this value is greater than 0"


def _fits_number(value: JSON) -> str | None:
    return None if type(value) in (int, float) else "value is not a valid float"


def _fits_side(value: JSON) -> str | None:
    fits = isinstance(value, str) and value.lower() in ("left", "right")
    return None if fits else "value is not a valid enumeration member; permitted: 'Left', 'Right'"


FITS: dict[str, Callable[[JSON], str | None]] = {
    "count": _fits_count,
    "flag": _fits_flag,
    "list": _fits_list,
    "number": _fits_number,
    "side": _fits_side,
    "table": _fits_table,
    "text": _fits_text,
    "texts": _fits_texts,
}

Shape = str | Mapping[str, str]


def misfits(where: str, value: JSON, shape: Shape) -> Iterator[str]:
    """Yield what does not fit a kind, or the fields of an object."""
    if value is None:
        yield f"Error in `{where}`: field required"
    elif isinstance(shape, str):
        if why := FITS[shape](value):
            yield f"Error in `{where}`: {why}"
    elif not isinstance(value, dict):
        yield f"Error in `{where}`: value is not a valid dict"
    else:
        for name, part in shape.items():
            yield from misfits(f"{where}.{name}", value.get(name), part)


def _falling(rank: int) -> float:
    return round(0.9 / 2**rank, 4)


def _texts(inputs: JSON) -> list[str]:
    return [inputs] if isinstance(inputs, str) else inputs


def feature_extraction(front: "FrontEnd", asked: Asked) -> JSON:
    """Return a vector for each text, or one for each token of each text, one level less for a single text."""
    rows = [FEATURES[front.shape](front, text, asked.options) for text in _texts(asked.inputs)]
    return rows[0] if isinstance(asked.inputs, str) else rows


def _sentence_features(front: "FrontEnd", text: str, options: Mapping[str, JSON]) -> JSON:
    """Return one vector; the options are those of TEI."""
    if (name := options.get("prompt_name")) is not None and name not in front.prompts:
        raise TaskError(f"Prompt name '{name}' not found in the configured prompts dictionary.")
    words = pieces(front.prompts.get(name, "") + text)
    words = framed(kept(words, CONTEXT - 2, options.get("truncation_direction") or "Right"))
    row = pooled(words)[: options.get("dimensions")]
    return numbers(row if options.get("normalize") is False else unit(row))


def _token_features(front: "FrontEnd", text: str, options: Mapping[str, JSON]) -> JSON:
    """Return one vector for each token, in a list of one, as plain transformers models do, which know no options."""
    return [[numbers(vector(word)) for word in framed(pieces(text)[: CONTEXT - 2])]]


FEATURES: dict[str, Callable[["FrontEnd", str, Mapping[str, JSON]], JSON]] = {
    "sentence": _sentence_features,
    "tokens": _token_features,
}


def sentence_similarity(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the cosine of one sentence with each of the others."""
    source = meaning(asked.inputs["source_sentence"])
    return [numbers(np.float32(cosine(source, meaning(text)))) for text in asked.inputs["sentences"]]


def text_classification(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the labels of each text, the best first."""
    return [_labelled(LABELS["classifier"], softmax(tone(pieces(text))), asked) for text in _texts(asked.inputs)]


def _labelled(labels: Sequence[str], scores: Array, asked: Asked) -> list[dict[str, JSON]]:
    rows = [{"label": label, "score": numbers(score)} for label, score in zip(labels, scores, strict=True)]
    return sorted(rows, key=lambda row: -row["score"])[: asked.parameters.get("top_k")]


def zero_shot_classification(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the candidate labels, the nearest to the text first."""
    labels = asked.parameters["candidate_labels"]
    labels = [label.strip() for label in labels.split(",")] if isinstance(labels, str) else labels
    text = meaning(asked.inputs)
    logits = np.array([NEARNESS * cosine(text, meaning(label)) for label in labels], np.float32)
    rows = _labelled(labels, (sigmoid if asked.parameters.get("multi_label") else softmax)(logits), asked)
    if front.zero_shot == "rows":
        return rows
    columns = {"labels": [row["label"] for row in rows], "scores": [row["score"] for row in rows]}
    return {"sequence": asked.inputs} | columns


def token_classification(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the names in the text: places after `in`, `at` and `from`, persons elsewhere."""
    rows = []
    for found in NAME.finditer(asked.inputs):
        if found[0] not in NO_NAMES:
            group = "LOC" if re.search(r"\b(in|at|from) $", asked.inputs[: found.start()]) else "PER"
            place = {"word": found[0], "start": found.start(), "end": found.end()}
            rows.append({"entity_group": group, "score": _falling(0)} | place)
    return _by_word(asked.inputs, rows) if asked.parameters.get("aggregation_strategy") == "none" else rows


def _by_word(text: str, rows: Sequence[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    apart: list[dict[str, JSON]] = []
    for index, found in enumerate(WORD.finditer(text), start=1):
        for row in rows:
            if row["start"] <= found.start() < row["end"]:
                place = {"word": found[0], "start": found.start(), "end": found.end()}
                apart.append({"entity": f"I-{row['entity_group']}", "score": row["score"], "index": index} | place)
    return apart


def fill_mask(front: "FrontEnd", asked: Asked) -> JSON:
    """Return words for the mask, in a list for each mask if there are several."""
    text, masks = asked.inputs, list(MASK.finditer(asked.inputs))
    if not masks:
        raise TaskError("No mask_token ([MASK]) found on the input")
    words = (asked.parameters.get("targets") or FILLERS)[: asked.parameters.get("top_k", 5)]
    rows = [
        [
            {
                "score": _falling(rank),
                "token": token(word)["id"],
                "token_str": word,
                "sequence": text[: mask.start()] + word + text[mask.end() :],
            }
            for rank, word in enumerate(words)
        ]
        for mask in masks
    ]
    return rows[0] if len(rows) == 1 else rows


def summarization(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the first sentence of each text."""
    return [{"summary_text": re.split(r"(?<=[.!?])\s+", text.strip())[0]} for text in _texts(asked.inputs)]


def translation(front: "FrontEnd", asked: Asked) -> JSON:
    """Return each text with the few words that the model knows in French."""

    def french(found: re.Match[str]) -> str:
        word = FRENCH.get(found[0].lower(), found[0])
        return word.capitalize() if found[0][0].isupper() else word

    return [{"translation_text": WORD.sub(french, text)} for text in _texts(asked.inputs)]


def question_answering(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the names and numbers of the context that the question does not tell; a list if several are wanted."""
    told = {word.lower() for word in WORD.findall(asked.inputs["question"])}
    words = [word for word in WORD.finditer(asked.inputs["context"]) if word[0].lower() not in told]
    named = [word for word in words if word[0] not in NO_NAMES and (word[0][0].isupper() or word[0].isdigit())]
    rows: list[dict[str, JSON]] = [
        {"score": _falling(rank), "start": word.start(), "end": word.end(), "answer": word[0]}
        for rank, word in enumerate(named or words[-1:])
    ]
    count = asked.parameters.get("top_k", 1)
    return (rows or [EMPTY_ANSWER])[0] if count == 1 else rows[:count]


def table_question_answering(front: "FrontEnd", asked: Asked) -> JSON:
    """Return the cell of the row and the column that the query names; else of the first row, of the last column."""
    query, columns = asked.inputs["query"].lower(), list(asked.inputs["table"].items())
    cells = itertools.chain.from_iterable(enumerate(column) for _, column in columns)
    row = next((index for index, cell in cells if cell.lower() in query), 0)
    names = [index for index, (name, _) in enumerate(columns) if name.lower() in query]
    column = (names or [len(columns) - 1])[0]
    cell = columns[column][1][row]
    return {"answer": cell, "coordinates": [[row, column]], "cells": [cell], "aggregator": "NONE"}


def image_classification(front: "FrontEnd", asked: Asked) -> JSON:
    """Return what the image shows, which hangs on its bytes."""
    first = zlib.crc32(asked.inputs) % len(THINGS)
    things = THINGS[first:] + THINGS[:first]
    rows = [{"label": thing, "score": _falling(rank)} for rank, thing in enumerate(things)]
    return rows[: asked.parameters.get("top_k", 5)]


def object_detection(front: "FrontEnd", asked: Asked) -> JSON:
    """Return things with their places in the image."""
    rows = [
        {"score": _falling(rank), "label": label, "box": {"xmin": 8 * rank, "ymin": 8, "xmax": 32, "ymax": 40}}
        for rank, label in enumerate(("cat", "remote", "couch"))
    ]
    return [row for row in rows if row["score"] > asked.parameters.get("threshold", 0.5)]


def image_to_text(front: "FrontEnd", asked: Asked) -> JSON:
    """Return a caption, which hangs on the bytes of the image."""
    return [{"generated_text": f"a {THINGS[zlib.crc32(asked.inputs) % len(THINGS)]} on a table"}]


def automatic_speech_recognition(front: "FrontEnd", asked: Asked) -> JSON:
    """Return what was said, which is always the same."""
    wants_times = asked.parameters.get("return_timestamps")
    return {"text": HEARD} | ({"chunks": [{"text": HEARD, "timestamp": [0.0, 1.0]}]} if wants_times else {})


def text_to_speech(front: "FrontEnd", asked: Asked) -> Reply:
    """Return a sound that holds a level for each word."""
    levels = [zlib.crc32(word.encode()) % 2**14 for word in pieces(asked.inputs)]
    return Reply(body=flac(levels), headers={"content-type": "audio/flac"})


def text_to_image(front: "FrontEnd", asked: Asked) -> Reply:
    """Return an image that hangs on the prompt and the seed; without a seed it is another one each time."""
    width, height = (asked.parameters.get(name) or 64 for name in ("width", "height"))
    if width % 8 or height % 8:
        raise TaskError(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")
    seed = asked.parameters.get("seed")
    seed = next(front.seeds) if seed is None else seed
    return _painted(front, asked, f"{seed} {asked.inputs}".encode(), (height // 8, width // 8))


def image_to_image(front: "FrontEnd", asked: Asked) -> Reply:
    """Return an image that hangs on the one given and on the prompt."""
    return _painted(front, asked, f"{asked.parameters.get('prompt')} ".encode() + asked.inputs, (8, 8))


def _painted(front: "FrontEnd", asked: Asked, idea: bytes, shape: tuple[int, int]) -> Reply:
    levels = np.frombuffer(hashlib.shake_256(idea).digest(shape[0] * shape[1]), np.uint8).reshape(shape)
    wished = (kind for kind in asked.accept if kind in IMAGE_FORMATS)
    kind = front.image_format or next(wished, "image/jpeg")
    return Reply(body=IMAGE_FORMATS[kind](levels), headers={"content-type": kind})


@dataclass(frozen=True)
class Task:
    """A task: what its inputs look like, who answers, and which parameters and options are looked at, where given."""

    inputs: Shape | Medium
    answer: Callable[["FrontEnd", Asked], JSON]
    parameters: Mapping[str, str] = field(default_factory=dict)
    required: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def complaints(self, asked: Asked) -> Iterator[str]:
        """Yield what is wrong with a request."""
        if not isinstance(self.inputs, Medium):
            yield from misfits("inputs", asked.inputs, self.inputs)
        for name, kind in self.parameters.items():
            if name in self.required or asked.parameters.get(name) is not None:
                yield from misfits(f"parameters.{name}", asked.parameters.get(name), kind)
        for name, kind in self.options.items():
            if asked.options.get(name) is not None:
                yield from misfits(name, asked.options[name], kind)


TOP = {"top_k": "count"}
TEI_OPTIONS = {
    "normalize": "flag",
    "truncate": "flag",
    "truncation_direction": "side",
    "prompt_name": "text",
    "dimensions": "count",
}
TASKS = {
    "automatic-speech-recognition": Task(AUDIO, automatic_speech_recognition),
    "feature-extraction": Task("texts", feature_extraction, options=TEI_OPTIONS),
    "fill-mask": Task("text", fill_mask, TOP | {"targets": "list"}),
    "image-classification": Task(IMAGE, image_classification, TOP),
    "image-to-image": Task(IMAGE, image_to_image),
    "image-to-text": Task(IMAGE, image_to_text),
    "object-detection": Task(IMAGE, object_detection, {"threshold": "number"}),
    "question-answering": Task({"question": "text", "context": "text"}, question_answering, TOP),
    "sentence-similarity": Task({"source_sentence": "text", "sentences": "list"}, sentence_similarity),
    "summarization": Task("texts", summarization),
    "table-question-answering": Task({"query": "text", "table": "table"}, table_question_answering),
    "text-classification": Task("texts", text_classification, TOP),
    "text-to-image": Task("text", text_to_image, {"width": "count", "height": "count", "seed": "number"}),
    "text-to-speech": Task("text", text_to_speech),
    "token-classification": Task("text", token_classification),
    "translation": Task("texts", translation),
    "zero-shot-classification": Task(
        "text", zero_shot_classification, {"candidate_labels": "texts", "multi_label": "flag"}, ("candidate_labels",)
    ),
}
SEVERAL = ("feature-extraction", "sentence-similarity")
MODEL_PATHS = (
    re.compile(r"(?:/hf-inference)?/models/(?P<id>[^/]+(?:/(?!pipeline/)[^/]+)?)(?:/pipeline/(?P<task>[^/]+))?"),
    re.compile(r"/pipeline/(?P<task>[^/]+)/(?P<id>[^/]+(?:/[^/]+)?)"),
)
HUB_PATH = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)")


@dataclass
class FrontEnd:
    """What Hugging Face serves; a test may change each attribute.

    `tasks` tells the task of each model. `shape` is what feature extraction gives: `sentence`, one vector a text, or
    `tokens`, one a token. `zero_shot` is the form of its answers: `rows` of label and score, or `columns`, the older
    one. `image_format` is sent whatever `Accept` wishes; None obeys. The first `loading` requests that do not wait hear
    that the model is loading. `quota` is how many requests are answered before the rate limit. `providers` holds rows
    of who else serves a model, and `mapping` is the form of that table, `object` or `list`.
    """

    tasks: dict[str, str] = field(default_factory=lambda: {f"nbinfer/{task}": task for task in TASKS})
    shape: str = "sentence"
    prompts: dict[str, str] = field(default_factory=dict)
    zero_shot: str = "rows"
    image_format: str | None = "image/jpeg"
    api_key: str | None = None
    loading: int = 0
    estimated_time: float = 20.0
    quota: int | None = None
    pro: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    providers: dict[str, dict[str, Mapping[str, JSON]]] = field(default_factory=dict)
    mapping: str = "object"
    cache: dict[tuple[str, str, bytes], Reply] = field(default_factory=dict, repr=False)
    seeds: Iterator[int] = field(default_factory=itertools.count, repr=False)
    request_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def reply(self, request: Recorded) -> Reply:
        """Answer a request to a model, or one about a model."""
        if found := HUB_PATH.fullmatch(request.path):
            return self._hub(found["id"], request) if request.method == "GET" else Reply(405, headers={"allow": "GET"})
        found = next(filter(None, (path.fullmatch(request.path) for path in MODEL_PATHS)), None)
        if found is None:
            return Reply(404)
        if request.method != "POST":
            return Reply(405, headers={"allow": "POST"})
        front = {"x-request-id": f"request-{next(self.request_ids)}"}
        answer = next(self._refusals(found["id"], request), None) or self._model(found["id"], found["task"], request)
        return replace(answer, headers=dict(answer.headers) | front | self._limits())

    def _limits(self) -> dict[str, str]:
        if self.quota is None:
            return {}
        return {"ratelimit": f'"api";r={self.quota};t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}

    def _refusals(self, model: str, request: Recorded) -> Iterator[Reply]:
        """Yield why the front end does not ask the model at all."""
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            yield Reply(401, json={"error": "Invalid username or password."})
        if self.quota == 0:
            limit = {"error": "Rate limit reached. Please log in or use a HF access token"}
            yield Reply(429, json=limit, headers={"retry-after": "55"})
        if self.quota:
            self.quota -= 1
        if model not in self.tasks:
            yield Reply(404, json={"error": f"Model {model} does not exist"})
        if model in self.gated:
            why = f"Access to model {model} is restricted and you are not in the authorized list."
            text = f"{why} Visit https://huggingface.co/{model} to ask for access."
            yield Reply(403, json={"error": text}, headers={"x-error-code": "GatedRepo", "x-error-message": why})
        if model in self.pro:
            why = "Model requires a Pro subscription; check out hf.co/pricing to learn more."
            yield Reply(400, json={"error": f"{why} Make sure to include your HF token in your query."})

    def _model(self, model: str, pipeline: str | None, request: Recorded) -> Reply:
        """Answer from the cache, which stands before the model, or from the model once it is loaded."""
        own = self.tasks[model]
        task = pipeline or own
        if task not in TASKS or (task != own and not {task, own} <= set(SEVERAL)):
            return Reply(400, json={"error": f"Model {model} does not support task {task}"})
        key = (model, task, request.content)
        if key in self.cache and request.headers.get("x-use-cache", "").lower() not in ("0", "false"):
            kept_answer = self.cache[key]
            return replace(kept_answer, headers=dict(kept_answer.headers) | {"x-compute-type": "cache", "x-sha": SHA})
        if self._is_loading(request):
            late = {"error": f"Model {model} is currently loading", "estimated_time": self.estimated_time}
            return Reply(503, json=late)
        try:
            answer, metrics = self._computed(TASKS[task], request)
        except TaskError as error:
            return Reply(400, json={"error": str(error)})
        if answer.status == 200:
            self.cache[key] = answer
        times = {"x-compute-type": "cpu", "x-compute-time": "0.012", "x-sha": SHA}
        return replace(answer, headers=dict(answer.headers) | times | metrics)

    def _is_loading(self, request: Recorded) -> bool:
        if self.loading and request.headers.get("x-wait-for-model") != "true":
            self.loading -= 1
            return True
        self.loading = 0
        return False

    def _computed(self, task: Task, request: Recorded) -> tuple[Reply, Mapping[str, str]]:
        asked = _asked(task, request)
        if not isinstance(asked.parameters, dict):
            return Reply(400, json={"error": ["Error in `parameters`: value is not a valid dict"]}), {}
        if complaints := list(task.complaints(asked)):
            return Reply(400, json={"error": complaints}), {}
        answer = task.answer(self, asked)
        metrics = task.inputs.metrics if isinstance(task.inputs, Medium) else _characters(asked.inputs)
        return answer if isinstance(answer, Reply) else Reply(json=answer), metrics

    def _hub(self, model: str, request: Recorded) -> Reply:
        """Tell what the Hub knows of a model; with `expand` only what is asked for."""
        if model not in self.tasks:
            headers = {"x-error-code": "RepoNotFound", "x-error-message": "Repository not found"}
            return Reply(404, json={"error": "Repository not found"}, headers=headers)
        asked = parse_qs(request.query)
        wanted = [*asked.get("expand", []), *asked.get("expand[]", [])]
        names = {"_id": "65f0a1b2c3d4e5f601234567", "id": model}
        known = {
            "modelId": model,
            "sha": SHA,
            "private": False,
            "gated": "manual" if model in self.gated else False,
            "pipeline_tag": self.tasks[model],
            "tags": list(SEVERAL if self.tasks[model] in SEVERAL else (self.tasks[model],)),
            "inference": "warm",
            "inferenceProviderMapping": self._mapping(model),
        }
        if wanted:
            return Reply(json=names | {name: known[name] for name in wanted if name in known})
        return Reply(json=names | {name: row for name, row in known.items() if not name.startswith("inference")})

    def _mapping(self, model: str) -> JSON:
        own = {"status": "live", "providerId": model, "task": self.tasks[model]}
        rows = {"hf-inference": own} | self.providers.get(model, {})
        return rows if self.mapping == "object" else [{"provider": name, **row} for name, row in rows.items()]


def _asked(task: Task, request: Recorded) -> Asked:
    """Read a request: JSON with `inputs`, JSON that is the inputs, or anything else that is the inputs as it stands."""
    body = request.body
    accept = [kind.partition(";")[0].strip() for kind in request.headers.get("accept", "").split(",")]
    options = body if isinstance(body, dict) else {}
    inputs = options.get("inputs") if isinstance(body, dict) else body
    if isinstance(task.inputs, Medium):
        inputs = _file(task.inputs, inputs if isinstance(body, dict) else request.content)
    elif isinstance(body, bytes):
        inputs = body.decode(errors="replace")
    elif inputs is None and isinstance(task.inputs, dict):
        inputs = options
    parameters = options.get("parameters", {})
    if isinstance(parameters, dict):
        parameters = {name: value for name, value in parameters.items() if value is not None}
    return Asked(inputs, parameters, options, accept)


def _file(medium: Medium, given: JSON) -> bytes:
    try:
        content = given if isinstance(given, bytes) else base64.b64decode(given)
    except (TypeError, ValueError):
        content = b""
    if not medium.beginning.match(content):
        raise TaskError(medium.refusal)
    return content


def _characters(inputs: JSON) -> dict[str, str]:
    def count(value: JSON) -> int:
        if isinstance(value, str):
            return len(value)
        parts = value.values() if isinstance(value, dict) else value
        return sum(map(count, parts)) if isinstance(value, dict | list) else 0

    return {"x-compute-characters": str(count(inputs))}


class Serverless(ScriptedServer):
    """A look-alike of Hugging Face's front end on a free port, in a thread; use it as a context manager.

    `model` is what answers unless a reply was scripted.
    """

    def clear(self) -> None:
        """Forget requests and scripts and go back to the usual behaviour."""
        super().clear()
        self.model = FrontEnd()

    def answer(self, request: Recorded) -> Answer:
        """Answer as the front end does."""
        return self.model.reply(request)
