"""Trains the model: Muon for the matrices of the layers, AdamW for the rest."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training import meanings, tokenizer
from training.corpus import PAD, READ
from training.model import Llama, Shape


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    tokens: int = 124_000_000
    batch_tokens: int = 4096
    matrix_rate: float = 0.01
    embedding_rate: float = 0.01
    norm_rate: float = 0.001
    warmup_steps: int = 40
    long_from: float = 0.8
    minutes: float | None = None
    checkpoint_steps: int = 100
    seed: int = 1

    def rate(self, progress: float, step: int) -> float:
        """Return the factor of the learning rate: a short rise, then level, then a long fall to 0."""
        return min(1.0, (step + 1) / self.warmup_steps) * min(1.0, (1 - progress) / 0.6)


def orthogonal(update: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of a batch of matrices close to 1 (Newton-Schulz)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = update.shape[-2] > update.shape[-1]
    x = update.bfloat16()
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).float()


class Muon:
    """Momentum whose update is made orthogonal, for matrices of the same shape at once."""

    def __init__(self, parameters: list[nn.Parameter], momentum: float = 0.95) -> None:
        self.momentum = momentum
        self.groups: dict[torch.Size, list[nn.Parameter]] = {}
        for parameter in parameters:
            self.groups.setdefault(parameter.shape, []).append(parameter)
        self.buffers = {shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters along their gradients and clear these."""
        for shape, group in self.groups.items():
            gradient = torch.stack([parameter.grad for parameter in group])
            buffer = self.buffers[shape].lerp_(gradient, 1 - self.momentum)
            update = orthogonal(gradient.lerp(buffer, self.momentum))
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(group, update, strict=True):
                parameter.sub_(change, alpha=rate * scale)
                parameter.grad = None


def losses(
    model: nn.Module, reader: meanings.Reader, rows: Tensor, vectors: Tensor, numbers: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean loss of the next tokens, what is only read and padding left out, and the errors of meanings."""
    tokens = rows % READ
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, read = model(tokens[:, :-1])
    targets = torch.where(rows < READ, tokens, PAD)[:, 1:].flatten()
    loss = functional.cross_entropy(logits.float().flatten(0, 1), targets, ignore_index=PAD)
    return loss, *meanings.errors(reader, read, vectors, numbers)


class Feed:
    """Hand out batches of rows in a shuffled order, again from the start when all are used."""

    def __init__(self, path: Path, batch_tokens: int, seed: int) -> None:
        self.rows = np.load(path)
        self.size = max(1, batch_tokens // (self.rows.shape[1] - 1))
        self.order = np.random.default_rng(seed).permutation(len(self.rows))
        self.place = 0

    def next(self) -> Tensor:
        """Return the next batch."""
        if self.place + self.size > len(self.order):
            self.place = 0
        chosen = self.order[self.place : self.place + self.size]
        self.place += self.size
        return torch.from_numpy(self.rows[chosen].astype(np.int64))


@dataclass
class Done:
    """What has been trained so far."""

    steps: int = 0
    tokens: int = 0
    minutes: float = 0.0
    loss: float = 0.0
    meaning: float = 0.0
    number: float = 0.0

    def __str__(self) -> str:
        told = f"loss {self.loss:.3f} meaning {self.meaning:.3f} number {self.number:.3f} minutes {self.minutes:.1f}"
        return f"step {self.steps} tokens {self.tokens / 1e6:.2f}M {told}"


class Optimizer:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""

    def __init__(self, model: Llama, reader: meanings.Reader, plan: Plan) -> None:
        named = list(model.named_parameters())
        self.plan = plan
        matrices = [value for name, value in named if value.ndim == 2 and "embed" not in name]
        self.muon = Muon([*matrices, *reader.parameters()])
        embedding = [value for name, value in named if "embed" in name]
        norms = [value for _, value in named if value.ndim == 1]
        groups = [{"params": embedding, "top": plan.embedding_rate}, {"params": norms, "top": plan.norm_rate}]
        self.adam = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, factor: float) -> None:
        """Move all parameters by the gradients, at the plan's rates times a factor."""
        self.muon.step(self.plan.matrix_rate * factor)
        for group in self.adam.param_groups:
            group["lr"] = group["top"] * factor
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)


class Trainer:
    """A model with its optimizer and what has been done."""

    def __init__(self, folder: Path, plan: Plan, *, resume: bool = False) -> None:
        torch.manual_seed(plan.seed)
        self.folder, self.plan, self.model, self.done = folder, plan, Llama(Shape()), Done()
        self.reader = meanings.Reader(Shape.hidden_size)
        self.meanings = meanings.Meanings(tokenizer.load(folder / "tokenizer.json"))
        if resume:
            self.model.load_state_dict(torch.load(folder / "checkpoint.pt"))
            if (folder / "reader.pt").exists():
                self.reader.load_state_dict(torch.load(folder / "reader.pt"))
            self.done = Done(**json.loads((folder / "training.json").read_text(encoding="utf-8")))
        self.optimizer = Optimizer(self.model, self.reader, plan)
        # Sizes are fixed, because kernels for any size are a third slower at length 512.
        self.loss = torch.compile(losses, dynamic=False)
        self.first, self.start = self.done.steps, time.monotonic() - 60 * self.done.minutes

    @property
    def progress(self) -> float:
        """How much of the plan is done, 0 to 1."""
        done, plan = self.done, self.plan
        return max(done.tokens / plan.tokens, done.minutes / plan.minutes if plan.minutes else 0.0)

    def step(self, rows: Tensor) -> None:
        """Learn from one batch."""
        wanted = self.meanings.targets((rows % READ)[:, :-1].numpy())
        loss, meaning, number = self.loss(self.model, self.reader, rows, wanted.vectors, wanted.numbers)
        (loss + meanings.SHARE * meaning + meanings.ANSWER_SHARE * number).backward()
        done, new = self.done, self.done.steps - self.first
        self.optimizer.step(self.plan.rate(self.progress, new))
        done.steps, done.tokens = done.steps + 1, done.tokens + rows[:, 1:].numel()
        done.minutes = (time.monotonic() - self.start) / 60
        for name, value in (("loss", loss), ("meaning", meaning), ("number", number)):
            before = getattr(done, name)
            setattr(done, name, before + (value.item() - before) / min(new + 1, 50))
        if done.steps % 20 == 0:
            print(done, flush=True)
        if done.steps % self.plan.checkpoint_steps == 0:
            self.save()

    def save(self) -> None:
        """Write a checkpoint; a reader never sees half of it."""
        path = self.folder / "checkpoint.pt"
        torch.save(self.reader.state_dict(), self.folder / "reader.pt")
        torch.save(self.model.state_dict(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
        (self.folder / "training.json").write_text(json.dumps(asdict(self.done)) + "\n", encoding="utf-8")


def train(folder: Path, plan: Plan, *, resume: bool = False) -> Llama:
    """Train on the packed rows in folder and keep checkpoints there."""
    trainer = Trainer(folder, plan, resume=resume)
    seed = plan.seed + trainer.done.steps
    short, long = (Feed(folder / f"{name}.npy", plan.batch_tokens, seed) for name in ("short", "long"))
    while trainer.progress < 1:
        trainer.step((short if trainer.progress < plan.long_from else long).next())
    trainer.save()
    return trainer.model
