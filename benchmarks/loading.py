"""What `%load_ext nbinfer` adds to a kernel, beside importing huggingface_hub's client, in one run.

    python benchmarks/loading.py

Each measure has a kernel of its own; an audit hook counts sockets.
"""

from __future__ import annotations

import statistics

from jupyter_client.manager import start_new_kernel

ROUNDS = 5
HUB = "from huggingface_hub import InferenceClient"
OURS = "get_ipython().run_line_magic('load_ext', 'nbinfer')"
GATE = 1 / 3

MEASURE = """
import sys, time
sockets = []
sys.addaudithook(lambda event, args: sockets.append(event) if event.startswith("socket.") else None)
known = len(sys.modules)
began = time.perf_counter()
{what}
seconds = time.perf_counter() - began
print(seconds * 1e3, len(sys.modules) - known, len([s for s in sockets if s in ("socket.__new__", "socket.connect")]))
"""


def measure(what: str) -> list[float]:
    """Return milliseconds, modules and sockets that one statement costs in a fresh kernel."""
    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--log-level=ERROR"])
    try:
        printed: list[str] = []
        client.execute_interactive(
            MEASURE.format(what=what), output_hook=lambda message: printed.append(message["content"].get("text", ""))
        )
        return [float(word) for word in "".join(printed).split()]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main() -> None:
    """Measure and print."""
    found: dict[str, list[list[float]]] = {HUB: [], OURS: []}
    for _ in range(ROUNDS):
        for what, rows in found.items():
            rows.append(measure(what))
    medians = {what: [statistics.median(column) for column in zip(*rows, strict=True)] for what, rows in found.items()}
    print(f"{'':36}{'ms':>8}{'modules':>9}{'sockets':>9}")
    for name, what in (("import InferenceClient (hub)", HUB), ("%load_ext nbinfer", OURS)):
        milliseconds, modules, sockets = medians[what]
        print(f"{name:36}{milliseconds:8.1f}{modules:9.0f}{sockets:9.0f}")
    ratio = medians[OURS][0] / medians[HUB][0]
    missed = ratio > GATE or medians[OURS][2] > 0
    print(f"{'ratio':36}{ratio:8.2f}   gate {GATE:.2f}, no socket{'  MISSED' if missed else ''}")


if __name__ == "__main__":
    main()
