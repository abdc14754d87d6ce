"""A real kernel, and what it says on its channels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

Message = dict[str, Any]
PATIENCE = 60


@dataclass
class Ran:
    """What one cell said."""

    messages: list[Message]
    times: list[float]

    def of(self, *kinds: str) -> list[Message]:
        """Return the contents of the messages of these kinds."""
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def stdout(self) -> str:
        """Return what was printed."""
        return "".join(content["text"] for content in self.of("stream") if content["name"] == "stdout")

    @property
    def error(self) -> list[str]:
        """Return the lines of the error, none if there was none."""
        return [line for content in self.of("error") for line in content["traceback"]]

    @property
    def markdown(self) -> list[str]:
        """Return the Markdown of each display and update, in their order."""
        shown = self.of("display_data", "update_display_data", "execute_result")
        return [content["data"]["text/markdown"] for content in shown if "text/markdown" in content["data"]]

    def outputs(self) -> list[Message]:
        """Return what a notebook would save: the outputs as they are in the end."""
        saved: list[tuple[str, Message]] = []
        clearing = False
        for message in self.messages:
            kind, content = message["msg_type"], message["content"]
            if kind == "clear_output":
                clearing = True
            elif kind == "update_display_data":
                name = content["transient"]["display_id"]
                saved = [(known, content if known == name else old) for known, old in saved]
            elif kind in {"display_data", "execute_result", "stream", "error"}:
                saved = [] if clearing else saved
                clearing = False
                saved.append((content.get("transient", {}).get("display_id", ""), content))
        return [content for _, content in saved]


class Kernel:
    """One kernel with nbinfer loaded."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, *, interrupt: Callable[[], bool] = lambda: False) -> Ran:
        """Run a cell to its end, interrupting it once when `interrupt` says so."""
        request = self.client.execute(code)
        ran, interrupted, deadline = Ran([], []), False, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not interrupted and interrupt():
                self.manager.interrupt_kernel()
                interrupted = True
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return ran
            ran.messages.append(message)
            ran.times.append(time.monotonic())
        raise TimeoutError(code)

    def complete(self, code: str, cursor: int | None = None) -> list[str]:
        """Ask for completions as a front end does."""
        reply = self.client.complete(code, cursor, reply=True, timeout=PATIENCE)
        return list(reply["content"]["matches"])


@pytest.fixture(scope="module")
def running() -> Iterator[Kernel]:
    """Start one kernel for a file of tests."""
    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--log-level=ERROR"])
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(running: Kernel) -> Kernel:
    """Return the kernel with a fresh namespace and nbinfer loaded."""
    assert not running.run("%reset -f\n%reload_ext nbinfer").error
    return running
