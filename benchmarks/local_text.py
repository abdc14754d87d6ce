"""What the embedded text model costs beside its bare arithmetic, how soon it begins and what it weighs, in one run.

    python benchmarks/local_text.py

The bare loop feeds the likeliest token back into the same forward pass, for as many tokens. Ratios are of CPU time,
so that other programs on the machine count for little; waiting times are the best of several, for the same reason.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nbinfer import InferenceClient, local
from nbinfer.local.model import Llama
from nbinfer.local.text import TextModel
from nbinfer.local.vocabulary import Vocabulary

TOKENS = 200
ROUNDS = 5
PROMPTS = ("Once upon a time", "One day, a girl named Lily went to the park with her dog.")
LONG = "Once upon a time there was a cat. " * 30
FOLDER = Path(local.__file__).parent / "weights" / "text"
LLAMA, VOCABULARY = Llama(FOLDER), Vocabulary(FOLDER / "tokenizer.json")

COLD = """
import psutil, time
import nbinfer
process = psutil.Process()
before = process.memory_info().rss
began = time.perf_counter()
from nbinfer import local
stream = local.load("text", "text-generation").generate("Once upon a time", {"max_new_tokens": 200})
next(stream)
seconds = time.perf_counter() - began
for _ in stream:
    pass
print(seconds * 1e3, (process.memory_info().rss - before) / 2**20)
"""


def model() -> TextModel:
    """Return the embedded model."""
    loaded: TextModel = local.load("text", "text-generation")
    return loaded


def bare(prompt: str, count: int) -> None:
    """Generate without any of what makes a product of it."""
    cache = LLAMA.cache(LLAMA.context)
    logits = LLAMA.forward(VOCABULARY.encode(prompt), cache)
    for _ in range(count - 1):
        logits = LLAMA.forward(int(logits.argmax()), cache)


def greedy(prompt: str) -> int:
    """Generate the likeliest tokens."""
    return sum(1 for _ in model().generate(prompt, {"max_new_tokens": TOKENS}))


def sampled(prompt: str) -> int:
    """Generate as the magic does without flags."""
    options = {"max_new_tokens": TOKENS, "temperature": 0.7, "top_k": 50, "top_p": 0.95, "seed": 1}
    return sum(1 for _ in model().generate(prompt, options))


def client(prompt: str) -> int:
    """Generate through the client, as sampled tokens with all details."""
    stream = InferenceClient("local").text_generation(
        prompt, stream=True, details=True, max_new_tokens=TOKENS, temperature=0.7, top_k=50, top_p=0.95, seed=1
    )
    return sum(1 for _ in stream)


def ratio(generate: Callable[[str], int]) -> tuple[float, float]:
    """Return tokens per second of CPU, and their ratio to the bare loop's."""
    speeds, ratios = [], []
    for _ in range(ROUNDS):
        for prompt in PROMPTS:
            began = time.process_time()
            count = generate(prompt)
            between = time.process_time()
            bare(prompt, count)
            ended = time.process_time()
            speeds.append(count / (between - began))
            ratios.append((ended - between) / (between - began))
    return statistics.median(speeds), statistics.median(ratios)


def first(prompt: str) -> float:
    """Return milliseconds to the first token, the best of several."""
    found = []
    for _ in range(10):
        began = time.perf_counter()
        next(model().generate(prompt, {"max_new_tokens": 2}))
        found.append(time.perf_counter() - began)
    return min(found) * 1e3


def cold() -> tuple[float, float]:
    """Return milliseconds from import to the first token and megabytes it all takes, in processes of their own."""
    runs = [subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True) for _ in range(5)]
    milliseconds, megabytes = zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    return min(milliseconds), statistics.median(megabytes)


def line(what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    """Print one measure with its gate."""
    gate = "" if at_least is None else f">= {at_least:g}"
    gate = gate if at_most is None else f"<= {at_most:g}"
    missed = (at_least is not None and value < at_least) or (at_most is not None and value > at_most)
    print(f"{what:52}{value:10.2f}{gate:>10}{'  MISSED' if missed else ''}")


def main() -> None:
    """Measure and print."""
    model()
    print(f"{'':52}{'':>10}{'gate':>10}")
    for what, generate in (("greedy", greedy), ("sampled", sampled), ("client, sampled", client)):
        speed, share = ratio(generate)
        line(f"tokens per second of CPU, {what}", speed)
        line(f"  ratio to the bare loop, {what}", share, at_least=0.7)
    line("first token, warm, ms", first(PROMPTS[1]), at_most=30)
    line(f"first token, warm, {local.load('text', 'text-generation').count(LONG)} tokens of prompt, ms", first(LONG))
    milliseconds, megabytes = cold()
    line("first token, imports and weights included, ms", milliseconds, at_most=500)
    line("memory, imports and weights included, MB", megabytes, at_most=120)


if __name__ == "__main__":
    main()
