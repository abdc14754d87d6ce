"""Writes a trained model as int8 files, and reads them back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.model import Llama, Shape
from training.tokenizer import EOS, EOT


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a matrix to int8 with one float16 scale per output row."""
    scale = (weight.abs().amax(dim=1) / 127).clamp(min=1e-6).half()
    rounded = (weight / scale.float()[:, None]).round().clamp(-127, 127)
    return rounded.to(torch.int8), scale


def export(build: Path, folder: Path) -> int:
    """Write model.safetensors, config.json and tokenizer.json and return their size in bytes."""
    model = Llama(Shape())
    model.load_state_dict(torch.load(build / "checkpoint.pt"))
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        weight = value.detach().float()
        if weight.ndim == 2:
            tensors[name], tensors[f"{name}.scale"] = quantize(weight)
        else:
            tensors[name] = weight.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    trained = (build / "training.json").read_text(encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", "training": trained})
    (folder / "model.safetensors").chmod(0o644)
    config = json.dumps(model.shape.config([EOS, EOT]), indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")
    shutil.copyfile(build / "tokenizer.json", folder / "tokenizer.json")
    return sum((folder / name).stat().st_size for name in ("model.safetensors", "config.json", "tokenizer.json"))


def restore(folder: Path, build: Path) -> None:
    """Make a checkpoint of exported weights, so that training can go on from them."""
    build.mkdir(exist_ok=True)
    with safe_open(folder / "model.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        (build / "training.json").write_text(file.metadata()["training"], encoding="utf-8")
    weights = {
        name: value.float() * stored[f"{name}.scale"].float()[:, None] if value.dtype == torch.int8 else value.float()
        for name, value in stored.items()
        if not name.endswith(".scale")
    }
    torch.save(weights, build / "checkpoint.pt")
    shutil.copyfile(folder / "tokenizer.json", build / "tokenizer.json")
