"""What the embedded encoders cost, and embeddings beside model2vec's own `encode` on the same table, in one run.

    python -m pip install model2vec
    python benchmarks/encoders.py

Both read the same 20,000 short sentences on one thread, in turn. Ratios are of CPU time, so that other programs on
the machine count for little.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

# Before numpy and the tokenizer are imported, which read them then.
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from nbinfer import local
from nbinfer.local.encoders import Embedder, Reranker, SparseEncoder

COUNT = 20_000
ROUNDS = 5
FOLDER = Path(local.__file__).parent / "weights" / "embed"
BOOKS = Path(__file__).parent.parent / "training" / "corpus"

COLD = """
import psutil, time
import nbinfer, numpy
process = psutil.Process()
before = process.memory_info().rss
began = time.perf_counter()
from pathlib import Path
from nbinfer import local
from nbinfer.local import encoders
encoder = encoders.{kind}(Path(local.__file__).parent / "weights" / "embed", name="")
encoder.{call}
print((time.perf_counter() - began) * 1e3, (process.memory_info().rss - before) / 2**20)
"""
CALLS = {
    "Embedder": 'embed(["Once upon a time"])',
    "SparseEncoder": 'weigh(["Once upon a time"])',
    "Reranker": 'score("Once upon a time", ["There was a cat."])',
}


def sentences() -> list[str]:
    """Return short sentences of the books."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(BOOKS.glob("*.txt")))
    found = (" ".join(part.split()) for text in texts for part in re.split(r"(?<=[.!?;:,])\s", text))
    return list(islice((sentence for sentence in found if 4 <= len(sentence.split()) <= 20), COUNT))


def reference() -> Any:
    """Return model2vec's model of our table in the precision that it ships in, None if it is not installed."""
    try:
        from model2vec import StaticModel
    except ImportError:
        return None
    stored = load_file(FOLDER / "model.safetensors")
    vectors = stored["embeddings"] * stored["embeddings.scale"].astype(np.float32)[:, None]
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    return StaticModel(vectors.astype(np.float16), tokenizer, normalize=True)


def seconds(work: Callable[[], object]) -> float:
    """Return seconds of CPU."""
    began = time.process_time()
    work()
    return time.process_time() - began


def cold(kind: str) -> tuple[float, float]:
    """Return milliseconds from import to the first answer, and megabytes, in processes of their own."""
    code = COLD.format(kind=kind, call=CALLS[kind])
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    milliseconds, megabytes = zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    return min(milliseconds), statistics.median(megabytes)


def line(what: str, value: float, *, at_least: float | None = None) -> None:
    """Print one measure with its gate."""
    gate = "" if at_least is None else f">= {at_least:g}"
    print(f"{what:52}{value:10.2f}{gate:>10}{'  MISSED' if at_least is not None and value < at_least else ''}")


def beside(embedder: Embedder, texts: list[str]) -> None:
    """Compare with model2vec, if it is there."""
    model = reference()
    if model is None:
        print("model2vec is not installed: no comparison (pip install model2vec)")
        return
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: embedder.embed(texts)))
        theirs.append(seconds(lambda: model.encode(texts, use_multiprocessing=False)))
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    line("model2vec, texts per second of CPU", len(texts) / statistics.median(theirs))
    line("  ratio of our speed to model2vec's", statistics.median(ratios), at_least=0.5)
    cosines = np.vecdot(embedder.embed(texts), model.encode(texts, use_multiprocessing=False).astype(np.float32))
    line("  smallest cosine with model2vec's vectors", float(cosines.min()), at_least=0.99)


def main() -> None:
    """Measure and print."""
    texts = sentences()
    embedder, sparse, reranker = Embedder(FOLDER, name=""), SparseEncoder(FOLDER, name=""), Reranker(FOLDER, name="")
    embedder.embed(texts[:100])
    print(f"{len(texts)} sentences, {sum(map(embedder.count, texts)) / len(texts):.1f} pieces each")
    own = statistics.median(seconds(lambda: embedder.embed(texts)) for _ in range(ROUNDS))
    line("embeddings, texts per second of CPU", len(texts) / own)
    beside(embedder, texts)
    few = texts[:2000]
    line("sparse, new words, texts per second of CPU", len(few) / seconds(lambda: sparse.weigh(few)))
    line("sparse, known words, texts per second of CPU", len(few) / seconds(lambda: sparse.weigh(few)))
    ranking = seconds(lambda: reranker.score("Who was afraid of the dark wood?", few))
    line("rerank, texts per second of CPU", len(few) / ranking)
    for kind in CALLS:
        milliseconds, megabytes = cold(kind)
        line(f"{kind}: first answer, import and weights, ms", milliseconds)
        line(f"{kind}: memory, import and weights, MB", megabytes)


if __name__ == "__main__":
    main()
