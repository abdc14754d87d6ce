"""What a streamed token costs, and how long the first one takes: nbinfer beside huggingface_hub, in one run.

    python benchmarks/streaming.py

A server in a process of its own replays text-generation-inference's events as fast as it can, each event in an HTTP
chunk of its own. Only the ratios mean anything; the gates are those of the documentation's page on speed.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

TOKENS = 10_000
ROUNDS = 7
EVENTS_PER_WRITE = 64


def _event(index: int, *, last: bool) -> bytes:
    end = (
        '"tok tok","details":{"finish_reason":"length","generated_tokens":9,"seed":null}'
        if last
        else 'null,"details":null'
    )
    data = (
        f'data: {{"index":{index},"token":{{"id":{index % 32000},"text":" tok","logprob":-0.8125,"special":false}},'
        f'"generated_text":{end}}}\n\n'
    ).encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line.split(b":")[1])
                for line in request.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            body = await reader.readexactly(length)
            count = TOKENS if b"burst" in body else 1
            writer.write(head)
            events = [_event(n, last=n == count) for n in range(1, count + 1)]
            for start in range(0, count, EVENTS_PER_WRITE):
                writer.write(b"".join(events[start : start + EVENTS_PER_WRITE]))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _serve(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, limit=2**20)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def hub(url: str) -> Any:
    """Return huggingface_hub's client."""
    from huggingface_hub import InferenceClient

    return InferenceClient(url)


def hub_cold(url: str) -> Any:
    """Return huggingface_hub's client without the connections that its clients share."""
    from huggingface_hub import close_session

    close_session()
    return hub(url)


def nbinfer(url: str) -> Any:
    """Return nbinfer's client."""
    from nbinfer import InferenceClient

    return InferenceClient(url)


def burst(client: Any) -> float:
    """Return microseconds of CPU per token, typed token objects out."""
    began = time.process_time()
    count = sum(1 for chunk in client.text_generation("burst", stream=True, details=True) if chunk.token.text)
    assert count == TOKENS
    return (time.process_time() - began) / count * 1e6


def first(client: Any) -> float:
    """Return microseconds from the call to the first text."""
    began = time.perf_counter()
    for _ in client.text_generation("first", stream=True):
        seconds = time.perf_counter() - began
    return seconds * 1e6


def median(
    measure: Callable[[Any], float], make: Callable[[Callable[[str], Any]], Any], *, rounds: int = ROUNDS
) -> dict[str, float]:
    """Interleave both clients for some rounds and return each one's median."""
    found: dict[str, list[float]] = {"hub": [], "nbinfer": []}
    for _ in range(rounds + 1):
        for name, kind in (("hub", hub), ("nbinfer", nbinfer)):
            found[name].append(measure(make(kind)))
    return {name: statistics.median(values[1:]) for name, values in found.items()}


def table(rows: Iterable[tuple[str, dict[str, float], float]]) -> None:
    """Print each measure with its ratio and gate."""
    print(f"{'':38}{'huggingface_hub':>16}{'nbinfer':>10}{'ratio':>8}{'gate':>7}")
    for what, found, gate in rows:
        ratio = found["nbinfer"] / found["hub"]
        verdict = "" if ratio <= gate else "  MISSED"
        print(f"{what:38}{found['hub']:16.1f}{found['nbinfer']:10.1f}{ratio:8.2f}{gate:7.2f}{verdict}")


def main() -> None:
    """Measure and print."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    kept = {kind: kind(url) for kind in (hub, nbinfer)}
    for kind in kept.values():
        burst(kind)
    gc.freeze()
    table(
        [
            ("CPU per token of a burst, µs", median(burst, kept.__getitem__), 0.25),
            (
                "first token, new client (http), µs",
                median(first, lambda kind: (hub_cold if kind is hub else kind)(url)),
                0.2,
            ),
            ("first token, warm connection, µs", median(first, kept.__getitem__, rounds=200), 1.0),
        ]
    )
    server.kill()


if __name__ == "__main__":
    main()
