"""How many bytes of notebook messages a streamed answer costs, per byte of text.

    python benchmarks/display.py

A server writes 20,000 tokens at 1,000 a second; a real kernel runs one `%%infer` cell; every message it publishes is
counted. For comparison, the same text shown by updating one Markdown display at the same rate, which is what most
tools do, is computed from the same run.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from multiprocessing.connection import Connection

from jupyter_client.manager import start_new_kernel

TOKENS = 20_000
PER_SECOND = 1_000
BYTES_GATE = 8.0
UPDATES_GATE = 20.0
WORDS = (
    "the",
    "a",
    "small",
    "robot",
    "counted",
    "waves",
    "by",
    "sea",
    "while",
    "every",
    "guest",
    "asked",
    "what",
    "is",
)


def pieces() -> list[str]:
    """Return the tokens of a Markdown answer: paragraphs, headings, lists and code."""
    rng = random.Random(1)
    made: list[str] = []
    while len(made) < TOKENS:
        kind = rng.random()
        if kind < 0.1:
            made += ["##", " A", " heading", "\n\n"]
        elif kind < 0.2:
            made += [word for _ in range(5) for word in ["-", *(f" {rng.choice(WORDS)}" for _ in range(8)), "\n"]] + [
                "\n"
            ]
        elif kind < 0.3:
            made += ["```python\n", *(f"x{n} = {n}\n" for n in range(12)), "```\n\n"]
        else:
            made += [f" {rng.choice(WORDS)}" for _ in range(rng.randint(40, 120))] + [".\n\n"]
    return made[:TOKENS]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    made, began = pieces(), time.monotonic()
    for index, text in enumerate(made, start=1):
        token = {"id": 1, "text": text, "logprob": -1.0, "special": False}
        end = {"generated_text": "".join(made)} if index == TOKENS else {}
        writer.write(f"data: {json.dumps({'index': index, 'token': token, **end})}\n\n".encode())
        if (early := began + index / PER_SECOND - time.monotonic()) > 0.002:
            await writer.drain()
            await asyncio.sleep(early)
    await writer.drain()
    writer.close()


def _serve(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def main() -> None:
    """Measure and print."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--log-level=ERROR"])
    shown: list[tuple[float, str, int]] = []

    def count(message: dict) -> None:  # type: ignore[type-arg]
        if message["msg_type"] in {"display_data", "update_display_data", "clear_output", "execute_result"}:
            content = json.dumps(message["content"], ensure_ascii=False).encode()
            shown.append((time.monotonic(), message["msg_type"], len(content)))

    try:
        client.execute_interactive("%load_ext nbinfer", timeout=60)
        cell = f"%%infer -m http://127.0.0.1:{ours.recv()} --max-new-tokens {TOKENS} -o r\nHello"
        client.execute_interactive(cell, output_hook=count, timeout=300)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        server.kill()
    text = len("".join(pieces()).encode())
    seconds = shown[-1][0] - shown[0][0]
    sent = sum(size for _, _, size in shown)
    blocks = sum(kind == "display_data" for _, kind, _ in shown)
    rate = (len(shown) - blocks) / seconds
    naive = sum(2 * text * n / (20 * seconds) for n in range(int(20 * seconds)))
    print(f"text {text:,} bytes in {seconds:.1f} s; {len(shown)} messages, {blocks} blocks")
    for what, value, gate in (
        ("bytes sent per byte of text", sent / text, BYTES_GATE),
        ("updates a second", rate, UPDATES_GATE),
    ):
        print(f"{what:28}{value:6.1f}   gate {gate}{'  MISSED' if value > gate else ''}")
    print(f"one display updated as often {naive / text:6.1f}")


if __name__ == "__main__":
    main()
