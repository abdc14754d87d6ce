"""The same prompt under many settings: a grid of calls, and what came of each."""

from __future__ import annotations

import asyncio
import base64
import io
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbinfer.client import DEFAULT_MODEL, AsyncInferenceClient, InferenceClient
from nbinfer.errors import InferError, ParameterError
from nbinfer.params import Call, table
from nbinfer.records import ImageResult
from nbinfer.results import Result, Timings, frame_data
from nbinfer.runs.sheet import sheet
from nbinfer.services import locate
from nbinfer.tasks import TASKS

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 4
"""Calls to a server at the same time; embedded models take one after another."""
ANSWERS = ("image", "text", "error")
"""Columns that a reader looks for beside what was varied."""
MOST = 200
"""Runs in one sweep: more are hardly meant."""


@dataclass(frozen=True)
class Run:
    """One call: what it was asked with, and its result, or why there is none."""

    settings: Mapping[str, Any]
    result: Result | None = None
    error: InferError | None = None

    @property
    def label(self) -> str:
        """Return the settings in one line."""
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep(Result):
    """What came of one prompt under many settings, a run for each, in order; `varied` are the settings that differ."""

    runs: tuple[Run, ...] = ()
    varied: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Show what was varied, and the one-line account."""
        ways = " × ".join(f"{name} {', '.join(map(str, values))}" for name, values in self.varied.items())
        return f"<Sweep of {ways} ({self.footer})>"

    def __len__(self) -> int:
        """Return how many runs there are."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        """Yield the runs."""
        return iter(self.runs)

    @property
    def results(self) -> list[Result]:
        """Return the results of the runs that have one."""
        return [run.result for run in self.runs if run.result is not None]

    @property
    def amount(self) -> str:
        """Return how many runs there are, and how many failed."""
        failed = sum(run.error is not None for run in self.runs)
        return f"{len(self.runs)} runs" + (f", {failed} failed" if failed else "")

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each run: what was varied, then its result's own row; `error` where some have none."""
        import pandas as pd

        rows = [_row(run) for run in self.runs]
        frame = pd.DataFrame(rows)
        first = [name for name in (*self.varied, *ANSWERS) if name in frame]
        return frame[[*first, *(name for name in frame if name not in first)]]

    def grid(self) -> Any:
        """Return the images as one, of Pillow: a contact sheet with a row for each value of what was varied first."""
        images = {run.label: run.result.image for run in self.runs if isinstance(run.result, ImageResult)}
        if not images:
            raise ParameterError("there is no image among these results")
        rows = len(next(iter(self.varied.values()))) if len(self.varied) > 1 else 1
        return sheet([(run.label, images.get(run.label)) for run in self.runs], columns=-(-len(self.runs) // rows))

    def save(self, folder: str | Path) -> Path:
        """Write images as PNG files and the table as CSV, numbered on from what is there; return the folder."""
        place, frame = Path(folder).expanduser(), self.to_frame()
        place.mkdir(parents=True, exist_ok=True)
        table = place / f"{_next_number(place):03}-runs.csv"
        names = save_images(place, [(run.label, run.result) for run in self.runs])
        if any(names):
            frame["image"] = names
        frame.to_csv(table, index=False)
        return place


def sweep(
    inputs: Any,
    *,
    task: str = "text-generation",
    client: InferenceClient | None = None,
    at_once: int | None = None,
    **parameters: Any,
) -> Sweep:
    """Ask the same with each combination of settings; a parameter given as several values is varied.

    `sweep("A cat", task="text-to-image", seed=range(1, 5), guidance_scale=[2, 7])` makes eight images. `model` can be
    varied too. A run that fails is kept with its error, the others go on. At most `at_once` calls run at the same time,
    4 unless said otherwise, one on this machine's own models. Raises ParameterError when nothing is varied.
    """
    return Sweeping(inputs, task=task, client=client, at_once=at_once, **parameters).drain()


class Sweeping:
    """A sweep that runs: iterate it for the runs as they end; then, in `.result`, all of them in order.

    The calls are those of an async client, in a thread with an event loop of its own, so that `close()` hangs up all of
    them at once; what had come by then is kept.
    """

    def __init__(
        self,
        inputs: Any,
        *,
        task: str = "text-generation",
        client: InferenceClient | None = None,
        at_once: int | None = None,
        **parameters: Any,
    ) -> None:
        asker = client or InferenceClient()
        self.varied, self._fixed = _split(task, parameters)
        self._settings = [dict(zip(self.varied, values, strict=True)) for values in product(*self.varied.values())]
        if len(self._settings) > MOST:
            raise ParameterError(f"these settings make {len(self._settings):,} runs; {MOST} is the most")
        self._models = self.varied.get("model", (self._fixed.get("model") or asker.model or DEFAULT_MODEL,))
        own = all(locate(str(model), task=TASKS[task].done_as or task)[0].name == "local" for model in self._models)
        self._at_once = at_once or (1 if own else AT_ONCE)
        self._client = AsyncInferenceClient.like(asker)
        # Checked before anything is sent.
        self._streams = [self._client.stream(task, inputs, **self._fixed, **one) for one in self._settings]
        self._runs: dict[int, Run] = {}
        self._ended: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._all: asyncio.Future[list[None]]
        self._began = time.monotonic()

    def __len__(self) -> int:
        """Return how many runs there are to be."""
        return len(self._streams)

    def __iter__(self) -> Iterator[Run]:
        """Start, and yield each run when it ends."""
        thread = threading.Thread(target=lambda: asyncio.run(self._perform()), daemon=True)
        thread.start()
        self._begun.wait()
        try:
            while (number := self._ended.get()) is not None:
                yield self._runs[number]
        finally:
            self.close()
            thread.join()

    def close(self) -> None:
        """Hang up; what arrived is in `.result`."""
        if self._begun.is_set():
            with suppress(RuntimeError):  # The loop is gone: all runs have ended.
                self._loop.call_soon_threadsafe(self._all.cancel)

    def drain(self) -> Sweep:
        """Run to the end and return the result."""
        for _ in self:
            pass
        return self.result

    @property
    def result(self) -> Sweep:
        """Return the runs that there are, in order; those that were not begun are left out."""
        runs = tuple(self._runs[number] for number in sorted(self._runs))
        timings = Timings(None, time.monotonic() - self._began)
        model = ", ".join(map(str, self._models))
        return Sweep(runs=runs, varied=self.varied, parameters=self._fixed, model=model, timings=timings)

    async def _perform(self) -> None:
        places = asyncio.Semaphore(self._at_once)
        runs = [self._run(number, places) for number in range(len(self))]
        self._loop, self._all = asyncio.get_running_loop(), asyncio.gather(*runs)
        self._begun.set()
        try:
            with suppress(asyncio.CancelledError):
                await self._all
        finally:
            await self._client.close()
            self._ended.put(None)

    async def _run(self, number: int, places: asyncio.Semaphore) -> None:
        settings, stream = self._settings[number], self._streams[number]
        async with places:
            try:
                self._runs[number] = Run(settings, await stream.drain())
            except InferError as error:
                self._runs[number] = Run(settings, error.partial, error)
            except asyncio.CancelledError:
                self._runs[number] = Run(settings, stream.result)
                raise
            self._ended.put(number)


def _split(task: str, parameters: Mapping[str, Any]) -> tuple[dict[str, tuple[Any, ...]], dict[str, Any]]:
    """Return what is varied, name → values, and what is the same in all runs."""
    rows = {**table(TASKS[task].parameters), **table(Call)} if task in TASKS else {}
    lists = {name for name, row in rows.items() if row.type not in {int, float, str, bool}}
    varied = {name: tuple(given) for name, given in parameters.items() if name not in lists and _is_several(given)}
    empty = [name for name, values in varied.items() if not values]
    if empty or not varied:
        hint = "For example seed=[1, 2, 3]."
        raise ParameterError(f"`{empty[0]}` has no values" if empty else "nothing is varied", hint=hint)
    return varied, {name: value for name, value in parameters.items() if name not in varied}


def _is_several(given: Any) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def _row(run: Run) -> dict[str, Any]:
    own = {} if run.result is None else run.result.to_frame().iloc[0].to_dict()
    failed = {} if run.error is None else {"error": str(run.error)}
    return {**{str(name): value for name, value in own.items()}, **run.settings, **failed}


def save_images(folder: str | Path, results: Sequence[tuple[str, Result | None]]) -> list[str]:
    """Write images as PNG files, each named by a number that is still free and its label; return the names."""
    place = Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    first, names = _next_number(place), []
    for number, (label, result) in enumerate(results, first):
        name = ""
        if isinstance(result, ImageResult) and result.image is not None:
            words = re.sub(r"[^\w.-]+", "-", label).strip("-")
            name = f"{number:03}-{words[:80]}.png"
            result.save(place / name)
        names.append(name)
    return names


def _next_number(folder: Path) -> int:
    numbers = [int(found[1]) for path in folder.iterdir() if (found := re.match(r"(\d+)-", path.name))]
    return max(numbers, default=0) + 1


def _shown(found: Sweep) -> dict[str, Any]:
    if not any(isinstance(run.result, ImageResult) for run in found.runs):
        return _side_by_side(found)
    file = io.BytesIO()
    found.grid().save(file, "PNG")
    return {"text/plain": repr(found), "image/png": base64.b64encode(file.getvalue()).decode()}


def _side_by_side(found: Sweep) -> dict[str, Any]:
    """Show texts whole, each beside its settings; what has none as its table."""
    frame = found.to_frame()
    told = [name for name in (*found.varied, *ANSWERS) if name in frame]
    if len(told) == len(found.varied):
        return frame_data(frame)
    rows = frame[told].fillna("").astype(str)
    look = {"text-align": "left", "vertical-align": "top", "white-space": "pre-wrap"}
    styled = rows.style.format(escape="html").set_properties(None, **look).hide(axis="index").set_uuid("runs")
    page = f"{styled.to_html()}<sub>{escape(found.footer)}</sub>"
    return {"text/plain": rows.to_string(index=False), "text/html": page}


Sweep.forms = {"grid": _shown, "df": lambda found: frame_data(found.to_frame()), "none": lambda _: {}}
