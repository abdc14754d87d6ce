"""Writes a trained model as int8 files, and reads them back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.model import Llama
from training.tokenizer import EOS, EOT


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a matrix to int8 with one float16 scale per output row."""
    scale = (weight.abs().amax(dim=1) / 127).clamp(min=1e-6).half()
    rounded = (weight / scale.float()[:, None]).round().clamp(-127, 127)
    return rounded.to(torch.int8), scale


def export(model: Llama, tokenizer_json: Path, folder: Path) -> int:
    """Write model.safetensors, config.json and tokenizer.json and returns their size in bytes."""
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        weight = value.detach().float()
        if weight.ndim == 2:
            tensors[name], tensors[f"{name}.scale"] = quantize(weight)
        else:
            tensors[name] = weight.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = json.dumps(model.shape.config([EOS, EOT]), indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")
    shutil.copyfile(tokenizer_json, folder / "tokenizer.json")
    return sum((folder / name).stat().st_size for name in ("model.safetensors", "config.json", "tokenizer.json"))
