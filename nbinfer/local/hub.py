"""Models in ONNX form from the Hugging Face hub or a folder: which files they have, what they can do, loading them.

A folder and a repository have the same layout, that of transformers.js and optimum: config.json, tokenizer.json and
the graph, in `onnx/` or beside them. What is in huggingface_hub's cache is used without asking the hub for news;
what is not is fetched, the graph last, so that a graph in the cache has all it needs beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nbinfer.errors import InferError, ModelNotFoundError, UnsupportedTaskError
from nbinfer.hub import TIMEOUT, fetched, hub_errors
from nbinfer.local import onnx
from nbinfer.local.text import TextModel
from nbinfer.local.vocabulary import read_json

Model = TextModel | onnx.Embedder | onnx.SparseEncoder | onnx.Reranker

VARIANTS = ("quantized", "int8", "uint8", "q4", "", "fp16", "q4f16", "bnb4")
"""Which of several graphs of a decoder is taken, the first that is there: small and fast on a CPU first.

A name may end in one of them, `org/name:q4`, and `:fp32` is the graph without a suffix.
"""

EXACT = ("", "fp16", *(variant for variant in VARIANTS if variant not in {"", "fp16"}))
"""The same for all other models: numbers are compared and stored, and 8 bits move a vector by a cosine of 0.96."""

DECODERS = ("CausalLM", "LMHeadModel")
"""How the architectures of decoders end."""

STEMS = ("decoder_model_merged", "model", "decoder_model")
FOLDERS = ("onnx/", "")

NEEDED = ("config.json", "tokenizer.json")
BESIDE = (
    *NEEDED,
    "1_Pooling/config.json",
    "README.md",
    "chat_template.jinja",
    "chat_template.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""What is read beside the graph, where it is there."""


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """A folder that holds a model in ONNX form, and which of its graphs is meant."""

    name: str
    folder: Path
    graph: Path

    @property
    def config(self) -> Mapping[str, Any]:
        """What config.json says."""
        config: Mapping[str, Any] = read_json(self.folder / "config.json")
        return config


@dataclass(frozen=True, kw_only=True)
class CachedModel:
    """A model of the hub's cache that can be loaded; `size` is in bytes, `licence` as its card says or empty."""

    name: str
    task: str
    size: int
    licence: str
    folder: Path


def load(name: str, task: str | None = None, *, threads: int | None = None) -> Model:
    """Load a model from a folder or the hub: `/folder`, `org/name`, with `:q4` and the like to name a graph.

    UnsupportedTaskError where it does another task than is asked for. `threads` is the number of physical cores that
    the process may use, if not given.
    """
    onnx.runtime()
    files = find(name)
    graph = onnx.Graph(files.graph, threads=threads)
    try:
        found = task_of(files, graph)
        if task not in {None, found}:
            raise UnsupportedTaskError(f"{files.name} is a model for {found}, not for {task}")
        if found == "text-generation":
            return TextModel(files.folder, name=files.name, engine=onnx.Decoder(graph, files.folder))
        return _ENCODERS[found](graph, files.folder, name=files.name)
    except BaseException:
        graph.close()
        raise


def find(name: str) -> ModelFiles:
    """Return the files of a model: those of a folder, of the hub's cache, or fetched from the hub."""
    place, variant = _split(name)
    folder = Path(place).expanduser()
    if folder.is_dir():
        graph = pick(_listed(folder), variant, name=name, exact=_exact(folder))
        return ModelFiles(name=name, folder=folder, graph=folder / graph)
    if folder.is_file() or place.startswith(("/", ".", "~")) or folder.is_absolute() or place.count("/") > 1:
        wrong = "is a file" if folder.is_file() else "is not there"
        raise ModelNotFoundError(f"{place} {wrong}", hint="Give the folder that holds config.json and the ONNX file.")
    return _in_cache(place, variant, name=name) or _fetched(place, variant, name=name)


def pick(paths: Collection[str], variant: str | None = None, *, name: str, exact: bool = False) -> str:
    """Return which of the files of a folder or repository is the graph; ModelNotFoundError where none can be used.

    `exact` prefers the graph with the most bits.
    """
    if any(PurePosixPath(path).name.startswith("encoder_model") for path in paths):
        raise UnsupportedTaskError(f"{name} is an encoder with a decoder; nbinfer runs decoders and encoders alone")
    variants = (EXACT if exact else VARIANTS) if variant is None else (variant,)
    suffixes = [f"_{word}" if word else "" for word in variants]
    graphs = (f"{folder}{stem}{suffix}.onnx" for suffix in suffixes for folder in FOLDERS for stem in STEMS)
    graph = next((path for path in graphs if path in paths), None)
    missing = [path for path in NEEDED if path not in paths]
    if graph is None:
        missing.append("onnx/model.onnx" if variant is None else f"ONNX file of the variant {variant or 'fp32'}")
    if graph is None or missing:
        raise ModelNotFoundError(f"{name} has no {' and no '.join(missing)}", hint=_advice(name, paths))
    return graph


def task_of(files: ModelFiles, graph: onnx.Graph | None = None) -> str:
    """Return the name of the task that a model does: what its graph returns decides, if that is known, else its files.

    UnsupportedTaskError for any other task.
    """
    architecture = next(iter(files.config.get("architectures") or ()), "")
    outputs = graph.outputs if graph else {}
    modules = read_json(files.folder / "modules.json", list)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if "SpladePooling" in kinds:
        return "sparse-embedding"
    if "Pooling" in kinds or any(name in outputs for name in (*onnx.POOLED, *onnx.HIDDEN)):
        return "text-embedding"
    endings = {
        "SequenceClassification": "rerank",
        "MaskedLM": "sparse-embedding",
        **dict.fromkeys(DECODERS, "text-generation"),
    }
    task = next((task for ending, task in endings.items() if architecture.endswith(ending)), "")
    if not task and architecture.endswith("Model"):
        task = "text-embedding"
    if not task or (graph and "logits" not in outputs):
        shown = f"{architecture or 'a model'} with the outputs {', '.join(outputs)}" if graph else architecture
        raise UnsupportedTaskError(
            f"{files.name} is {shown}; nbinfer runs models for {', '.join(('text-generation', *_ENCODERS))}"
        )
    return task


def cached() -> list[CachedModel]:
    """Return the models of the hub's cache that can be loaded here, by name; nothing is fetched."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    models = [repository for repository in repositories if repository.repo_type == "model"]
    found = (_cached(repository.repo_id, repository.size_on_disk) for repository in models)
    return sorted((model for model in found if model), key=lambda model: model.name)


def _cached(name: str, size: int) -> CachedModel | None:
    """Return what a listing says of a model, None where it cannot be used."""
    files = _in_cache(name, None, name=name)
    if files is None:
        return None
    try:
        task = task_of(files)
    except InferError:
        return None
    licence = _licence(files.folder / "README.md")
    return CachedModel(name=name, task=task, size=size, licence=licence, folder=files.folder)


def _licence(card: Path) -> str:
    """Return the licence that the head of a model card names; of the rest of its YAML nothing is asked."""
    if not card.is_file():
        return ""
    head = next(iter(card.read_text(encoding="utf-8", errors="replace").split("\n---")), "")
    found = re.search(r"^license:\s*(\S+)\s*$", head, re.MULTILINE)
    return found[1].strip("\"'") if found else ""


def _split(name: str) -> tuple[str, str | None]:
    """Return a name without the variant that it may end in, and that variant."""
    place, _, variant = name.rpartition(":")
    known = {word or "fp32": word for word in VARIANTS}
    return (place, known[variant]) if place and variant in known else (name, None)


def _listed(folder: Path) -> set[str]:
    """Return the files of a folder that count, as a repository would name them; a dangling link is no file."""
    places = (folder, folder / "onnx", folder / "1_Pooling")
    return {path.relative_to(folder).as_posix() for place in places for path in place.glob("*") if path.is_file()}


def _in_cache(repository: str, variant: str | None, *, name: str) -> ModelFiles | None:
    """Return the files of a repository that were fetched before, None where some are missing."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(repository, "config.json")
    except HFValidationError:
        raise ModelNotFoundError(f"`{name}` is no folder and no name of a hub repository") from None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        graph = pick(_listed(folder), variant, name=name, exact=_exact(folder))
    except InferError:
        return None
    return ModelFiles(name=name, folder=folder, graph=folder / graph)


def _fetched(repository: str, variant: str | None, *, name: str) -> ModelFiles:
    """Fetch what a model needs from the hub, with huggingface_hub's progress bars."""
    from huggingface_hub import HfApi

    with hub_errors(repository):
        rows = HfApi().model_info(repository, timeout=TIMEOUT).siblings or []
        paths = {row.rfilename for row in rows}
        decodes = "config.json" in paths and not _exact(fetched(repository, "config.json").parent)
        graph = pick(paths, variant, name=name, exact=not decodes)
        # Weights outside the graph: model.onnx_data, model.onnx_data_1, model.onnx.data.
        weights = sorted(path for path in paths if path.startswith((f"{graph}_data", f"{graph}.data")))
        for path in (*(path for path in BESIDE if path in paths), *weights, graph):
            file = fetched(repository, path)
    folder = file.parents[len(PurePosixPath(graph).parts) - 1]
    return ModelFiles(name=name, folder=folder, graph=file)


def _exact(folder: Path) -> bool:
    """Say whether a model is anything but a decoder, so that its numbers themselves are the answer."""
    architecture = next(iter(read_json(folder / "config.json").get("architectures") or ()), "")
    return not architecture.endswith(DECODERS)


def _advice(name: str, paths: Collection[str]) -> str:
    """Say where a model in ONNX form may be had instead."""
    elsewhere = sorted(path for path in paths if path.endswith(".onnx"))
    if elsewhere:
        shown = ", ".join(elsewhere[:4])
        return f"It has {shown}."
    if Path(name).expanduser().is_dir():
        return f"Export a model into it: optimum-cli export onnx -m org/name {name}"
    model = PurePosixPath(name).name
    return f"Look for onnx-community/{model}-ONNX on the hub,\nor export it: optimum-cli export onnx -m {name} folder"


_ENCODERS: Mapping[str, type[onnx.Embedder | onnx.SparseEncoder | onnx.Reranker]] = {
    "text-embedding": onnx.Embedder,
    "sparse-embedding": onnx.SparseEncoder,
    "rerank": onnx.Reranker,
}
