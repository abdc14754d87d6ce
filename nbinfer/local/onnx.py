"""Models in ONNX form on onnxruntime: decoders, sentence encoders, SPLADE and cross-encoders.

The only module that imports onnxruntime, when the first model is opened. From 1.29 on it reports how it is used;
the variable that forbids this is set before the import, which is the only moment when it counts.

What to feed is read off the graph: optimum, transformers.js and onnxruntime-genai name the same inputs. The same
tokens give the same numbers whatever the number of threads, and a text the same vector whatever its neighbours.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nbinfer.errors import InferError, MissingExtraError, ParameterError, UnsupportedTaskError, nearest
from nbinfer.local.vocabulary import damaged, read_json, read_tokenizer

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
"""What onnxruntime calls the types of inputs → numpy's types."""

INPUTS = ("input_ids", "attention_mask", "position_ids", "token_type_ids", "use_cache_branch")
LAST_ONLY = ("num_logits_to_keep", "logits_to_keep")
"""How some decoders ask for how many positions logits are wanted; 0 is all."""

CONTEXTS = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len", "seq_length")
DEFAULT_CONTEXT = 2048

BLOCK = 512
"""How many tokens of a prompt are read at once; most graphs compute logits for each of them."""

IN_PLACE = b"GroupQueryAttention"
"""The operator that writes new keys and values behind the old ones, if both have the same memory."""

ALONE = b"DynamicQuantizeLinear"
"""The operator that scales activations to 8 bits by the largest of all that is read together."""

HEAD = 2**24
"""So many bytes of a file hold its operators; weights come after them."""

UNLIMITED = 10**6
"""Tokenizers write numbers beyond this where nobody set a limit."""

POOLED, HIDDEN = ("sentence_embedding",), ("last_hidden_state", "token_embeddings")

E5 = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
"""What E5 models were trained to read in front of a text, which their files do not say."""


def runtime() -> Any:
    """Return onnxruntime, which sends nothing anywhere unless the user has set its variable otherwise."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        hint = "pip install 'nbinfer[onnx]'"
        raise MissingExtraError(f"models in ONNX form need onnxruntime: {error}", hint=hint) from None


def cores() -> int:
    """Return how many physical cores this process may use; two threads of one core share what matrices need."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    siblings = {_text(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"), cpu) for cpu in allowed}
    quota, _, period = _text(Path("/sys/fs/cgroup/cpu.max"), "max").partition(" ")
    limit = int(quota) // int(period or 100_000) if quota.isdecimal() else len(siblings)
    return max(1, min(len(siblings), limit))


class Graph:
    """An ONNX file that has been opened; threads may run it at the same time."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._ort = runtime()
        self._errors = _errors(self._ort)
        self.path = path
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        # Errors are raised; a second copy on stderr helps nobody.
        options.log_severity_level = 4
        try:
            self._session = self._ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise self._unreadable(error) from None
        self.inputs: dict[str, Any] = {row.name: row for row in self._session.get_inputs()}
        self.outputs: dict[str, Any] = {row.name: row for row in self._session.get_outputs()}

    def takes(self, known: Sequence[str]) -> None:
        """Raise UnsupportedTaskError if there is an input that nobody here knows how to fill."""
        strange = [row for name, row in self.inputs.items() if name not in known or row.type not in TYPES]
        if strange:
            named = ", ".join(f"{row.name} {row.type}" for row in strange[:3])
            raise UnsupportedTaskError(f"{self.path.name} needs inputs that nbinfer cannot fill: {named}")

    def array(self, name: str, values: Any) -> NDArray[Any]:
        """Return values as an array of the type that an input has."""
        return np.ascontiguousarray(values, TYPES[self.inputs[name].type])

    def value(self, array: NDArray[Any]) -> Any:
        """Return an array as onnxruntime's own kind of value, which shares its memory."""
        return self._ort.OrtValue.ortvalue_from_numpy(array)

    def run(self, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute outputs from arrays."""
        values = self.run_values(outputs, {name: self.value(array) for name, array in feed.items()})
        return [value.numpy() for value in values]

    def run_values(self, outputs: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        """Compute outputs from onnxruntime's values, as such values."""
        session = self._opened()
        try:
            values: list[Any] = session.run_with_ort_values(outputs, feed)
        except self._errors as error:
            raise self._failed(error) from None
        return values

    def binding(self) -> Any:
        """Return an empty set of places that inputs are read from and outputs written to."""
        return self._opened().io_binding()

    def run_binding(self, binding: Any) -> None:
        """Compute what a binding says."""
        try:
            self._opened().run_with_iobinding(binding)
        except self._errors as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Give back the memory; a run that is under way ends first."""
        self._session = None
        _trim()

    def _opened(self) -> Any:
        # A local reference keeps the session alive while another thread closes the graph.
        session = self._session
        if session is None:
            raise InferError(f"{self.path.name} has been closed", hint="Load the model again.")
        return session

    def _unreadable(self, error: Exception) -> InferError:
        if isinstance(error, self._ort.capi.onnxruntime_pybind11_state.NotImplemented):
            version = self._ort.__version__
            return UnsupportedTaskError(f"{self.path.name} needs an operator that onnxruntime {version} does not have")
        weights = sorted(self.path.parent.glob(f"{self.path.name}?*"))
        return damaged(self.path, _reason(error), beside=weights)

    def _failed(self, error: Exception) -> InferError:
        return InferError(f"onnxruntime could not run {self.path.name}: {_reason(error)}")


class Cache:
    """Keys and values of what one generation has read so far; setting `length` back forgets the rest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self.tokens: list[int] = []
        """All that was read, for graphs that keep nothing themselves."""
        self.values: dict[str, Any] = {}
        """Name of an input → keys or values, for graphs that return them with the new ones appended."""
        self.held = 0
        """How many positions `values` hold."""
        self.binding: Any = None
        """For graphs that write into the same memory."""


class Decoder:
    """A language model whose graph returns logits; threads may share it, each generation has a cache of its own.

    Keys and values have the shape [1, heads, positions, head size], in the type that the graph's inputs have.
    """

    def __init__(self, graph: Graph, folder: Path) -> None:
        config = read_json(folder / "config.json")
        config = config.get("text_config", config)
        self._graph = graph
        self._past = _paired(graph)
        graph.takes((*INPUTS, *LAST_ONLY, *(past for past, _ in self._past)))
        if "logits" not in graph.outputs:
            raise UnsupportedTaskError(f"{graph.path.name} returns no logits, so it is no decoder")
        self._outputs = ["logits", *(present for _, present in self._past)]
        self._shapes = {past: _cache_shape(graph, past, config) for past, _ in self._past}
        self.context: int = next((config[name] for name in CONTEXTS if config.get(name)), DEFAULT_CONTEXT)
        width = graph.outputs["logits"].shape[-1]
        self.vocabulary: int = width if isinstance(width, int) else config.get("vocab_size") or 0
        self.ends = _ends(config, read_json(folder / "generation_config.json"))
        self._block = self.context if "use_cache_branch" in graph.inputs else BLOCK
        self._in_place = self._works_in_place()

    def cache(self, capacity: int) -> Cache:
        """Return an empty cache with room for this many tokens."""
        cache = Cache(capacity)
        if self._in_place:
            self._bind(cache)
        return cache

    def forward(self, tokens: int | Sequence[int], cache: Cache, *, every: bool = False) -> Floats:
        """Read one token or several; return the logits after the last, or with `every` a row of them for each."""
        given = [tokens] if isinstance(tokens, int) else list(tokens)
        blocks = [given[start : start + self._block] for start in range(0, len(given), self._block)]
        if every:
            return np.concatenate([self._rows(block, cache) for block in blocks])
        *_, logits = (self._read(block, cache, every=False) for block in blocks)
        last: Floats = logits[-1]
        return last

    def close(self) -> None:
        """Give back the memory of the weights."""
        self._graph.close()

    def _rows(self, tokens: list[int], cache: Cache) -> Floats:
        """Return logits for each token, one by one where the graph returns the last position only."""
        start = cache.length
        logits = self._read(tokens, cache, every=True)
        if len(logits) < len(tokens):
            cache.length = start
            logits = np.concatenate([self._read([token], cache, every=True) for token in tokens])
        return logits

    def _read(self, tokens: list[int], cache: Cache, *, every: bool) -> Floats:
        """Read tokens after those in the cache; return the rows of logits that the graph gives for them."""
        start, end = cache.length, cache.length + len(tokens)
        if not self._past:
            cache.tokens[start:] = tokens
            feed = self._feed(cache.tokens, 0, every=every)
            (logits,) = self._graph.run(self._outputs, feed)
        elif cache.binding is not None:
            logits = self._written(self._feed(tokens, start, every=every), cache)
        else:
            logits = self._appended(self._feed(tokens, start, every=every), cache, end)
        cache.length = end
        # A copy: the memory belongs to the next run. 16-bit logits would tie.
        return np.array(logits[0, -len(tokens) if every else -1 :], np.float32)

    def _feed(self, tokens: list[int], start: int, *, every: bool) -> dict[str, NDArray[Any]]:
        """Return all inputs but the cache for tokens that come after `start` others."""
        ids = np.array([tokens], np.int64)
        feed = _feed(self._graph, ids, np.ones((1, start + ids.shape[1]), np.int64))
        for name in LAST_ONLY:
            if name in self._graph.inputs:
                rank = len(self._graph.inputs[name].shape)
                feed[name] = self._graph.array(name, np.full((1,) * rank, 0 if every else 1)).reshape((1,) * rank)
        return feed

    def _appended(self, feed: dict[str, NDArray[Any]], cache: Cache, end: int) -> NDArray[Any]:
        """Run a graph that returns old and new keys and values together."""
        values = {name: self._graph.value(array) for name, array in feed.items()}
        value, *present = self._graph.run_values(self._outputs, values | self._before(cache))
        cache.values = {past: value for (past, _), value in zip(self._past, present, strict=True)}
        cache.held = end
        logits: NDArray[Any] = value.numpy()
        return logits

    def _before(self, cache: Cache) -> dict[str, Any]:
        """Return the keys and values of the first `cache.length` positions."""
        if not cache.length:
            return {past: self._graph.value(self._room(past, 0)) for past, _ in self._past}
        if cache.length == cache.held:
            return cache.values
        cut = partial(np.take, indices=np.arange(cache.length), axis=2)
        return {past: self._graph.value(cut(value.numpy())) for past, value in cache.values.items()}

    def _room(self, past: str, positions: int) -> NDArray[Any]:
        heads, size = self._shapes[past]
        return np.zeros((1, heads, positions, size), TYPES[self._graph.inputs[past].type])

    def _bind(self, cache: Cache) -> None:
        """Give a cache memory that the graph reads old keys and values from and writes new ones to."""
        cache.binding = self._graph.binding()
        for past, present in self._past:
            value = self._graph.value(self._room(past, cache.capacity))
            cache.values[past] = value
            cache.binding.bind_ortvalue_input(past, value)
            cache.binding.bind_ortvalue_output(present, value)

    def _written(self, feed: dict[str, NDArray[Any]], cache: Cache) -> NDArray[Any]:
        """Run a graph that writes keys and values in place."""
        for name, array in feed.items():
            cache.binding.bind_cpu_input(name, array)
        cache.binding.bind_output("logits")
        self._graph.run_binding(cache.binding)
        logits: NDArray[Any] = cache.binding.get_outputs_as_ortvaluevector()[len(self._past)].numpy()
        return logits

    def _works_in_place(self) -> bool:
        """Say whether two tokens give the same logits with shared memory as without.

        That a graph can is written nowhere that its session shows, so that it is tried where the operator occurs.
        """
        if not self._past or not _contains(self._graph.path, IN_PLACE):
            return False
        try:
            shared, apart = Cache(4), Cache(4)
            self._bind(shared)
            for token in (0, 1):
                logits = self._read([token], shared, every=False)
                if not np.allclose(logits, self._read([token], apart, every=False), rtol=1e-3, atol=1e-3):
                    return False
        except InferError:
            return False
        return True


class _Encoder:
    """What the encoders share: a graph, its tokenizer, and batches of texts of like length."""

    batch: ClassVar[int] = 64
    """How many texts a caller should ask for at once: one who leaves waits for no more than these."""

    together = 4096
    """How many tokens, padding included, are read at once, unless a text's neighbours would change its numbers."""

    def __init__(self, graph: Graph, folder: Path, *, name: str) -> None:
        self.name = name
        self._graph, self._folder = graph, folder
        self._config = read_json(folder / "config.json")
        self._tokenizer = read_tokenizer(folder / "tokenizer.json")
        padding = self._tokenizer.padding or {}
        self._pad: int = padding.get("pad_id", self._config.get("pad_token_id") or 0)
        self._tokenizer.no_padding()
        self.context = _longest(folder, self._config)
        """How many tokens of a text are read, those that begin and end it included."""
        self._tokenizer.enable_truncation(self.context)
        self._past = [past for past, _ in _paired(graph)]
        graph.takes((*INPUTS, *self._past))
        self._most = 0 if _contains(graph.path, ALONE) else self.together
        sentence = read_json(folder / "sentence_bert_config.json")
        self._lower = bool(sentence.get("do_lower_case"))

    def count(self, text: str) -> int:
        """Return how many tokens a text is, those that begin and end it included, before it is cut."""
        cut = self._encoded(text)
        around: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        return around + sum(len(part.ids) - around for part in (cut, *cut.overflowing))

    def close(self) -> None:
        """Give back the memory of the weights."""
        self._graph.close()

    def _encoded(self, *texts: str) -> Any:
        """Return the tokens of a text or a pair, no more than the model reads; of a pair, the longer text is cut."""
        try:
            for text in texts:
                text.encode()
        except UnicodeEncodeError as error:
            raise ParameterError(f"tokenizer error {error}") from None
        return self._tokenizer.encode(*(text.lower() if self._lower else text for text in texts))

    def _run(self, encodings: Sequence[Any], output: str) -> Iterator[tuple[list[int], Floats, NDArray[np.bool_]]]:
        """Yield an output for a batch at a time: which texts, the array, and where it stands for tokens."""
        for places in _batches([len(encoding.ids) for encoding in encodings], self._most):
            batch = [encodings[place] for place in places]
            mask = _padded([encoding.attention_mask for encoding in batch], 0)
            ids = _padded([encoding.ids for encoding in batch], self._pad)
            feed = _feed(self._graph, ids, mask, _padded([encoding.type_ids for encoding in batch], 0))
            for past in self._past:
                heads, size = _cache_shape(self._graph, past, self._config)
                feed[past] = self._graph.array(past, np.zeros((len(batch), heads, 0, size)))
            (array,) = self._graph.run([output], feed)
            yield places, array.astype(np.float32), mask.astype(bool)


class Embedder(_Encoder):
    """A sentence encoder: texts in, vectors out; threads may share it.

    Pooling and prompts are those of the files that sentence-transformers writes; without them the mean over all
    tokens, or the last token of a decoder, and E5's prompts for a model that is called so.
    """

    def __init__(self, graph: Graph, folder: Path, *, name: str) -> None:
        super().__init__(graph, folder, name=name)
        names = [name for name in (*POOLED, *HIDDEN) if name in graph.outputs]
        self._output = names[0] if names else next(iter(graph.outputs))
        self._pooled = self._output in POOLED
        self._pool = [] if self._pooled else _pooling(folder, self._config)
        written = read_json(folder / "config_sentence_transformers.json")
        self.prompts: dict[str, str] = written.get("prompts") or (
            E5 if _is_e5(name) or _is_e5(str(self._config.get("_name_or_path"))) else {}
        )
        """Name → what is put in front of a text."""
        self._default: str | None = written.get("default_prompt_name")

    def embed(self, texts: Sequence[str], *, normalize: bool = True, prompt_name: str | None = None) -> Floats:
        """Return a row for each text, of length 1 unless `normalize` is off; [texts, dimensions].

        `prompt_name` is one of `prompts`, the model's own default if None; ParameterError for another.
        """
        lead = self._lead(prompt_name)
        encodings = [self._encoded(lead + text) for text in texts]
        width = self._graph.outputs[self._output].shape[-1]
        rows = np.zeros((len(texts), width if isinstance(width, int) else 0), np.float32)
        for places, hidden, mask in self._run(encodings, self._output):
            vectors = hidden if self._pooled else np.concatenate([POOLS[name](hidden, mask) for name in self._pool], 1)
            if vectors.shape[1] != rows.shape[1]:
                rows = np.zeros((len(texts), vectors.shape[1]), np.float32)
            rows[places] = vectors
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) if normalize else rows

    def _lead(self, name: str | None) -> str:
        name = self._default if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise ParameterError(f"this model has no prompt called `{name}`", hint=nearest(name, self.prompts))
        return self.prompts[name]


class SparseEncoder(_Encoder):
    """A masked language model of SPLADE's kind: texts in, weighted tokens out; threads may share it."""

    together = 1024

    def __init__(self, graph: Graph, folder: Path, *, name: str) -> None:
        super().__init__(graph, folder, name=name)
        self._output = "logits" if "logits" in graph.outputs else next(iter(graph.outputs))
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = [token for token, text in added.items() if text.special]

    def weigh(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return for each text its tokens and their weights, the largest first, those above 0.

        The weight is the maximum over positions of log(1 + relu(logit)), https://arxiv.org/abs/2109.10086.
        """
        found: list[dict[str, float]] = [{} for _ in texts]
        for places, logits, mask in self._run([self._encoded(text) for text in texts], self._output):
            highest = np.where(mask[..., None], logits, 0).max(1) if logits.ndim == 3 else logits
            weights = np.log1p(np.maximum(highest, 0))
            weights[:, [token for token in self._specials if token < weights.shape[1]]] = 0
            for place, row in zip(places, weights, strict=True):
                tokens = np.flatnonzero(row)
                tokens = tokens[np.argsort(-row[tokens], kind="stable")]
                named = ((self._tokenizer.id_to_token(int(token)), float(row[token])) for token in tokens)
                found[place] = {name: weight for name, weight in named if name is not None}
        return found


class Reranker(_Encoder):
    """A cross-encoder: a query and texts in, a relevance for each out; threads may share it."""

    def __init__(self, graph: Graph, folder: Path, *, name: str) -> None:
        super().__init__(graph, folder, name=name)
        self._output = "logits" if "logits" in graph.outputs else next(iter(graph.outputs))
        classes = graph.outputs[self._output].shape[-1]
        if isinstance(classes, int) and classes > 2:
            raise UnsupportedTaskError(f"{name} sorts texts into {classes} classes; it ranks nothing")

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return a number from 0 to 1 for each text; [texts].

        The sigmoid of one logit; of two, the probability of the second.
        """
        scores = np.zeros(len(texts), np.float32)
        for places, logits, _ in self._run([self._encoded(query, text) for text in texts], self._output):
            logit = logits[:, -1] - logits[:, 0] if logits.shape[-1] == 2 else logits.reshape(-1)
            scores[places] = 0.5 * (1 + np.tanh(0.5 * logit))
        return scores


def _feed(graph: Graph, ids: Integers, mask: Integers, types: Integers | None = None) -> dict[str, NDArray[Any]]:
    """Return the inputs that a graph asks for: ids [batch, new], mask [batch, old and new]."""
    count = ids.shape[1]
    values: Mapping[str, Callable[[], Any]] = {
        "input_ids": lambda: ids,
        "attention_mask": lambda: mask,
        "position_ids": lambda: np.maximum(mask.cumsum(1) - 1, 0)[:, -count:],
        "token_type_ids": lambda: np.zeros_like(ids) if types is None else types,
        "use_cache_branch": lambda: [mask.shape[1] > count],
    }
    return {name: graph.array(name, value()) for name, value in values.items() if name in graph.inputs}


def _paired(graph: Graph) -> list[tuple[str, str]]:
    """Return the inputs for old keys and values, each with the output that holds them and the new ones.

    They are paired by what follows the first dot, `past_key_values.0.key` with `present.0.key`: their order may differ.
    """
    present = {name.partition(".")[2]: name for name in graph.outputs if name.startswith("present")}
    past = {name: name.partition(".")[2] for name in graph.inputs if name.startswith("past_key_values.")}
    return [(name, present[layer]) for name, layer in past.items() if layer in present]


def _cache_shape(graph: Graph, past: str, config: Mapping[str, Any]) -> tuple[int, int]:
    """Return heads and head size of keys and values, as the graph says or else the configuration."""
    shape = graph.inputs[past].shape
    if len(shape) != 4:
        raise UnsupportedTaskError(
            f"{graph.path.name} keeps {past} as {shape}; [batch, heads, positions, size] is known"
        )
    queries = config.get("num_attention_heads") or config.get("n_head") or 0
    heads = shape[1] if isinstance(shape[1], int) else config.get("num_key_value_heads") or queries
    size = shape[3] if isinstance(shape[3], int) else config.get("head_dim")
    return heads, size or (config.get("hidden_size") or config.get("n_embd") or 0) // max(queries, 1)


def _ends(*configs: Mapping[str, Any]) -> frozenset[int]:
    """Return the tokens that end an answer: one, several or none in each of the files."""
    given = [config.get("eos_token_id") for config in configs]
    return frozenset(token for ids in given if ids is not None for token in np.atleast_1d(ids).tolist())


def _longest(folder: Path, config: Mapping[str, Any]) -> int:
    """Return the smallest of the limits that the files name."""
    # RoBERTa numbers positions from the padding token's id on.
    offset = 2 if any(word in str(config.get("model_type")) for word in ("roberta", "camembert", "mpnet")) else 0
    limits = (
        read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        read_json(folder / "tokenizer_config.json").get("model_max_length"),
        (config.get("max_position_embeddings") or UNLIMITED) - offset,
    )
    return min((int(limit) for limit in limits if limit and 0 < limit < UNLIMITED), default=512)


def _batches(lengths: Sequence[int], together: int) -> Iterator[list[int]]:
    """Yield places of texts of like length, as many as make no more than `together` tokens, one at least."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > together:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _padded(rows: Sequence[Sequence[int]], value: int) -> Integers:
    """Return rows of numbers as one array, short ones filled up at the end."""
    array = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array


def _pooling(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return how the vectors of tokens become one, as sentence-transformers' modules say."""
    modules = read_json(folder / "modules.json", list)
    kinds = {module["type"].rpartition(".")[2]: folder / module["path"] / "config.json" for module in modules}
    if "Dense" in kinds:
        raise UnsupportedTaskError(f"{folder.name} has a Dense layer after pooling, which its ONNX file leaves out")
    if "Pooling" not in kinds:
        return ["lasttoken" if any("CausalLM" in name for name in config.get("architectures") or ()) else "mean_tokens"]
    written = read_json(kinds["Pooling"])
    modes = [name.removeprefix("pooling_mode_") for name, on in written.items() if on is True and "_mode_" in name]
    modes = modes or np.atleast_1d(written.get("pooling_mode") or "mean").tolist()
    strange = [mode for mode in modes if mode not in POOLS]
    if strange:
        raise UnsupportedTaskError(f"{folder.name} pools by {strange[0]}, which nbinfer does not know")
    return modes


def _mean(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:
    mean: Floats = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True).astype(np.float32)
    return mean


def _mean_of_root(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:
    mean: Floats = (hidden * mask[..., None]).sum(1) / np.sqrt(mask.sum(1, keepdims=True)).astype(np.float32)
    return mean


def _weighted_mean(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:
    weights = (mask * np.arange(1, mask.shape[1] + 1)).astype(np.float32)
    mean: Floats = (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdims=True)
    return mean


def _highest(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:
    highest: Floats = np.where(mask[..., None], hidden, -np.inf).max(1).astype(np.float32)
    return highest


def _first(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:  # noqa: ARG001 - all take both
    return hidden[:, 0]


def _last(hidden: Floats, mask: NDArray[np.bool_]) -> Floats:
    last: Floats = hidden[np.arange(len(hidden)), mask.sum(1) - 1]
    return last


POOLS = {
    "mean_tokens": _mean,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_of_root,
    "weightedmean_tokens": _weighted_mean,
    "weightedmean": _weighted_mean,
    "max_tokens": _highest,
    "max": _highest,
    "cls_token": _first,
    "cls": _first,
    "lasttoken": _last,
}
"""sentence-transformers' names → hidden states [batch, tokens, size] and mask [batch, tokens] to [batch, size]."""


def _is_e5(name: str) -> bool:
    """Say whether a repository or folder is called like one of the E5 models, which all read the same prompts."""
    words = PurePath(name).name.lower().replace("_", "-").split("-")
    return "e5" in words and "instruct" not in words


def _trim() -> None:
    """Return freed memory to the system, which glibc keeps for later otherwise."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


def _contains(path: Path, word: bytes) -> bool:
    with path.open("rb") as file:
        return word in file.read(HEAD)


def _errors(ort: Any) -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises: classes without a common root, RuntimeError and ValueError."""
    classes = vars(ort.capi.onnxruntime_pybind11_state).values()
    own = [error for error in classes if isinstance(error, type) and issubclass(error, Exception)]
    return (*own, RuntimeError, ValueError)


def _reason(error: Exception) -> str:
    """Return what onnxruntime says, without its codes."""
    return str(error).splitlines()[0].rpartition(" : ")[2]


def _text(path: Path, default: object) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(default)
