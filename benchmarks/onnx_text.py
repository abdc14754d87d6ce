"""How fast the embedded weights are in ONNX form at 8 bits, beside the numpy engine and llama.cpp, in one run.

    pip install nbinfer[onnx] onnx onnx-ir          # and gguf llama-cpp-python, for the comparison with llama.cpp
    python benchmarks/onnx_text.py

All run in one thread and feed the likeliest token back. "Bare" is the forward pass and nothing else; "text" is the
whole way to a stream of tokens with logprobs. Ratios are of CPU time, medians of rounds that take turns, so that other
programs on the machine count for little. llama.cpp computes the same weights at 8 bits (q8_0), bare.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nbinfer import local
from nbinfer.local import hub, onnx
from nbinfer.local.text import TextModel

TOKENS = 200
ROUNDS = 7
PROMPT = "Once upon a time"
FOLDER = Path(local.__file__).parent / "weights" / "text"
AT_LEAST = 1.0

Run = Callable[[], int]


def quantised(folder: Path) -> Path:
    """Write the embedded weights as a repository with a graph whose matrices have 8 bits in blocks of 32."""
    # The tests know how to write a Llama as a graph.
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))
    made = importlib.import_module("onnx_models")
    quantizer = importlib.import_module("onnxruntime.quantization.matmul_nbits_quantizer").MatMulNBitsQuantizer
    made.write_decoder(FOLDER, folder, grouped=True)
    graph = made.onnx.load(folder / "onnx" / "model.onnx")
    work = quantizer(graph, bits=8, block_size=32, is_symmetric=True, accuracy_level=4)
    work.process()
    work.model.save_model_to_file(str(folder / "onnx" / "model_int8.onnx"))
    return folder


def bare(model: TextModel) -> Run:
    """Return the loop over an engine's forward pass."""
    engine = model._model  # noqa: SLF001 - the engine is what is measured
    prompt = model._vocabulary.encode(PROMPT)  # noqa: SLF001 - as above

    def run() -> int:
        cache = engine.cache(len(prompt) + TOKENS)
        logits = engine.forward(prompt, cache)
        for _ in range(TOKENS - 1):
            logits = engine.forward(int(logits.argmax()), cache)
        return TOKENS

    return run


def text(model: TextModel) -> Run:
    """Return what a user asks for: a stream of tokens with texts and logprobs."""
    return lambda: sum(1 for _ in model.generate(PROMPT, {"max_new_tokens": TOKENS}))


def llama_cpp(folder: Path, prompt: list[int]) -> Run:
    """Return the loop over llama.cpp's decoding, through its own functions."""
    llama = importlib.import_module("llama_cpp")
    path = folder / "q8_0.gguf"
    _write_gguf(path)
    model = llama.Llama(str(path), n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False)
    context, width = model._ctx.ctx, model.n_vocab()  # noqa: SLF001 - the functions below want it

    def read(tokens: list[int]) -> int:
        array = (llama.llama_token * len(tokens))(*tokens)
        if llama.llama_decode(context, llama.llama_batch_get_one(array, len(tokens))):
            sys.exit("llama.cpp could not decode")
        logits = np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (width,))
        return int(logits.argmax())

    def run() -> int:
        model._ctx.kv_cache_clear()  # noqa: SLF001 - as above
        token = read(prompt)
        for _ in range(TOKENS - 1):
            token = read([token])
        return TOKENS

    return run


def _write_gguf(path: Path) -> None:
    """Write the embedded weights for llama.cpp, matrices as q8_0."""
    gguf, made = importlib.import_module("gguf"), importlib.import_module("onnx_models")
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    written = json.loads((FOLDER / "tokenizer.json").read_text("utf-8"))
    tokens = sorted(written["model"]["vocab"], key=written["model"]["vocab"].get)
    special = {row["content"] for row in written["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in written["model"]["merges"]])
    for name, weights in made.weights_of(FOLDER).items():
        rows = {"q_proj": heads, "k_proj": groups}.get(name.split(".")[-2])
        tensor = _paired(weights, rows) if rows else weights
        kind = gguf.GGMLQuantizationType.Q8_0 if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(_named(name), gguf.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _named(name: str) -> str:
    """Return what llama.cpp calls a tensor."""
    parts = {
        "embed_tokens": "token_embd",
        "norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "o_proj": "attn_output",
        **{f"{part}_proj": f"attn_{part}" for part in "qkv"},
        **{f"{part}_proj": f"ffn_{part}" for part in ("gate", "up", "down")},
    }
    words = name.split(".")
    layer = f"blk.{words[2]}." if words[1] == "layers" else ""
    return f"{layer}{parts[words[-2]]}.weight"


def _paired(matrix: Any, heads: int) -> Any:
    """Bring the two halves of each head together in pairs, as llama.cpp turns them."""
    halves = matrix.reshape(heads, 2, -1, matrix.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(matrix.shape))


def speeds(runs: dict[str, Run]) -> dict[str, list[float]]:
    """Return tokens per second of CPU for each, one number a round; each round runs all."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            count = run()
            found[name].append(count / (time.process_time() - began))
    return found


def main() -> None:
    """Measure and print."""
    if missing := [name for name in ("onnxruntime", "onnx", "onnx_ir") if importlib.util.find_spec(name) is None]:
        print(f"left out: {', '.join(missing)} not installed")
        return
    logging.disable(logging.INFO)
    onnx.runtime()
    with tempfile.TemporaryDirectory() as temporary:
        folder = quantised(Path(temporary))
        numpy = TextModel(FOLDER, name="numpy")
        int8 = hub.load(f"{folder}:int8", task="text-generation", threads=1)
        full = hub.load(f"{folder}:fp32", task="text-generation", threads=1)
        runs = {
            "numpy, bare": bare(numpy),
            "onnx fp32, bare": bare(full),
            "onnx 8 bit, bare": bare(int8),
            "numpy, text": text(numpy),
            "onnx 8 bit, text": text(int8),
        }
        if importlib.util.find_spec("llama_cpp") and importlib.util.find_spec("gguf"):
            runs["llama.cpp q8_0, bare"] = llama_cpp(folder, numpy._vocabulary.encode(PROMPT))  # noqa: SLF001 - as above
        found = speeds(runs)
        for name, rates in found.items():
            print(f"{name + ', tokens per second of CPU':56}{statistics.median(rates):8.0f}")
        against = {"numpy, bare": "onnx 8 bit, bare", "numpy, text": "onnx 8 bit, text"}
        for other, own in against.items():
            shares = [a / b for a, b in zip(found[own], found[other], strict=True)]
            print(f"{f'ratio of {own} to {other}':56}{statistics.median(shares):8.2f}")
        for own in ("onnx 8 bit, bare", "onnx 8 bit, text"):
            if other := found.get("llama.cpp q8_0, bare"):
                share = statistics.median(a / b for a, b in zip(found[own], other, strict=True))
                missed = "  MISSED" if share < AT_LEAST else ""
                print(f"{f'ratio of {own} to llama.cpp q8_0, bare':56}{share:8.2f}  >= {AT_LEAST:g}{missed}")


if __name__ == "__main__":
    main()
