"""`%%infer` and `%infer`: read the line, make the call, show it, keep it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

import nbinfer
from nbinfer.chats import ChatResult, Message
from nbinfer.errors import InferError, ParameterError, without_secrets
from nbinfer.notebook.arguments import OF_CALLS, Line, Several, flag_of, help_text, read
from nbinfer.notebook.display import Code, Live, Preview, live, shown
from nbinfer.params import table
from nbinfer.records import ImageResult
from nbinfer.results import Progress
from nbinfer.tasks import TASKS

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

    from nbinfer.client import InferenceClient
    from nbinfer.drivers import ResultStream
    from nbinfer.flows import Wait
    from nbinfer.results import Result

T = TypeVar("T")

UNSENT = {"dry_run", "as_code"}
"""Options of a cell that show the request and send nothing."""
ALONE = ("chat", "replace", "tee", *UNSENT)
"""Options of a cell that make no sense for several answers."""
LOCAL_SAMPLING = {"temperature": 0.7, "top_k": 50, "top_p": 0.95}
"""What a cell on an embedded model uses when it says nothing about sampling: stories, not their likeliest end."""


class StoppedError(KeyboardInterrupt):
    """The reader interrupted the cell; what had arrived is kept."""

    def __init__(self, result: Result, name: str) -> None:
        after = f" after {result.amount}" if result.amount else ""
        super().__init__(f"stopped{after}; what arrived is in `{name}`")

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


# What a kernel reports as the error's name; tools that run notebooks look for this one.
StoppedError.__name__ = KeyboardInterrupt.__name__


@dataclass(frozen=True)
class Talk:
    """A conversation that a cell goes on with: its name, all messages, those that are sent, and turns left out."""

    name: str
    messages: list[Message]
    sent: list[Message]
    dropped: int

    def told(self, result: ChatResult) -> ChatResult:
        """Keep the answer in the conversation; say on the result what the model was not told."""
        from nbinfer.conversation import Conversation, conversations

        if result.text or result.tool_calls:
            conversations[self.name] = Conversation([*self.messages, result.conversation[-1]])
        if not self.dropped:
            return result
        turns = f"{self.dropped} turn{'s' * (self.dropped != 1)}"
        return replace(
            result, notices=(*result.notices, f"the oldest {turns} of {self.name} did not fit and were left out")
        )


def told(talk: Talk | None, result: T) -> T:
    """Tell a conversation, if there is one, what came, if anything did."""
    return talk.told(result) if talk and isinstance(result, ChatResult) else result  # type: ignore[return-value]


@magics_class
class InferMagics(Magics):
    """The magics of `%load_ext nbinfer`."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._client: InferenceClient | None = None

    @property
    def client(self) -> InferenceClient:
        """Return the shell's client, which keeps its connections open from cell to cell."""
        from nbinfer.client import InferenceClient

        if self._client is None:
            self._client = InferenceClient()
        return self._client

    @no_var_expand
    @line_cell_magic
    def infer(self, line: str, cell: str | None = None) -> object:
        """Ask a model; see `%infer --help`."""
        arguments = read(line, is_cell=cell is not None)
        if arguments.options.get("help"):
            print(help_text())
            return None
        prompt = self._prompt(arguments, arguments.prompt if cell is None else cell.removesuffix("\n"))
        client, parameters = self.client, self._parameters(arguments)
        several = any(isinstance(value, Several) for value in parameters.values())
        if several and (alone := next((name for name in ALONE if name in arguments.options), "")):
            raise ParameterError(f"{flag_of(alone)} is for one answer", hint="Give each flag one value.")
        if "save" in arguments.options and not several and TASKS[arguments.task].result is not ImageResult:
            raise ParameterError("--save is for images and for several runs", hint="--tee FILE writes a text.")
        talk = self._talk(arguments, prompt, parameters)
        around = self._around(prompt) if arguments.task == "infill" else None
        inputs = around or (self._inputs(arguments, prompt) if talk is None else talk.sent)
        if several:
            return self._swept(arguments, inputs, parameters)
        if arguments.options.keys() & UNSENT:
            return self._unsent(arguments, inputs, parameters)
        stream = client.stream(arguments.task, inputs, **parameters)
        model = parameters["model"] or parameters.get("base_url", "local")
        return self._shown(arguments, stream, model=model, alone=self._alone(cell), talk=talk, around=around)

    @line_magic
    def infer_models(self, line: str) -> pd.DataFrame:
        """List the models that run on this machine; `--known` those that people name; `get org/name` fetches one."""
        from nbinfer.catalogue import fetch, known, models

        match line.split():
            case []:
                return models()
            case ["--known"]:
                return known()
            case ["get", name]:
                print(f"ready: -m {fetch(name)}")
                return models()
        raise ParameterError(f"%infer_models {line}: it takes nothing, --known, or `get` and the name of a model")

    def _unsent(self, arguments: Line, inputs: Any, parameters: dict[str, Any]) -> Preview | Code:
        """Return the request, as code or as data."""
        if language := arguments.options.get("as_code"):
            code = Code(self.client.snippet(arguments.task, inputs, language=language, **parameters), language)
            return self._keep(arguments, code)
        preview = self._keep(arguments, Preview(self.client.preview(arguments.task, inputs, **parameters)))
        if arguments.silent:
            shown(preview, self.shell)
        return preview

    def _swept(self, arguments: Line, inputs: Any, parameters: dict[str, Any]) -> Result:
        """Make a run for each combination of values, and show them together."""
        from nbinfer.runs.sweep import Sweeping

        sweeping = Sweeping(inputs, task=arguments.task, client=self.client, **parameters)
        form = arguments.options.get("format", "")
        display = live(self.shell, form, alone=False, silent=arguments.silent)
        total = len(sweeping)
        display.status(f"0 of {total} …")
        try:
            for done, run in enumerate(sweeping, 1):
                display.status(f"{done} of {total} · {run.label}")
        except KeyboardInterrupt:
            self._keep_partial(arguments, display, sweeping.result)
            raise StoppedError(sweeping.result, arguments.options.get("out", "_")) from None
        result = self._keep(arguments, sweeping.result)
        display.end(result, form)
        shown(result, self.shell)
        self._saved(arguments, result)
        return result

    def _prompt(self, arguments: Line, text: str) -> str:
        if not text.strip():
            raise ParameterError("there is no prompt", hint="%%infer takes it from the cell, %infer from its line.")
        if not arguments.options.get("raw"):
            text = self._filled(text)
        return text

    def _filled(self, text: str) -> str:
        """Fill in the holes of a text, if it has any."""
        if "{{" not in text:
            return text
        from nbinfer.interpolation import interpolate

        return interpolate(text, self.shell.user_ns)

    def _inputs(self, arguments: Line, prompt: str) -> Any:
        """Return what the task makes of the text in a cell."""
        task = TASKS[arguments.task]
        if task.turns:
            from nbinfer.conversation import Conversation

            return Conversation().asked(prompt, system=self._system(arguments))
        if task.file:
            return prompt.strip()
        return _lines(prompt) if task.by_line or arguments.options.get("lines") else prompt

    def _around(self, code: str) -> tuple[str, str]:
        from nbinfer.infilling import at_hole

        return at_hole(code)

    def _system(self, arguments: Line) -> str | None:
        system = arguments.options.get("system")
        return self._filled(system) if system else None

    def _talk(self, arguments: Line, prompt: str, parameters: dict[str, Any]) -> Talk | None:
        """Return the conversation that the cell goes on with, if it names one."""
        if (name := arguments.options.get("chat")) is None:
            return None
        from nbinfer.conversation import Conversation, conversations

        messages = conversations.get(name, Conversation()).asked(prompt, system=self._system(arguments))
        sent, dropped = self.client.fitted(messages, budget=arguments.options.get("budget"), **parameters)
        return Talk(name, messages, sent, dropped)

    def _parameters(self, arguments: Line) -> dict[str, Any]:
        """Put together what the client is called with."""
        from nbinfer.client import key_of
        from nbinfer.services import locate

        options, given = arguments.options, arguments.parameters
        task, model = TASKS[arguments.task], options.get("base_url") or options.get("model") or "local"
        places = model if isinstance(model, Several) else (model,)
        services = {locate(place, task=task.done_as or task.name, bare_ids=False)[0].name for place in places}
        samples = {name for name, row in table(task.parameters).items() if row.samples}
        silent = (
            services == {"local"}
            and LOCAL_SAMPLING.keys() <= samples
            and not (task.done_as or {*samples, "do_sample"} & given.keys())
        )
        usual = LOCAL_SAMPLING if silent else {}
        call: dict[str, Any] = {name: options[name] for name in (*OF_CALLS, "headers", "extra") if name in options}
        if options.get("no_cache"):
            # As a header: to some tasks `use_cache` is a parameter of the model.
            call["headers"] = {**call.get("headers", {}), "x-use-cache": "0"}
        if name := options.get("api_key_env"):
            call["api_key"] = key_of({"env": name})
        seeds = {"seed": _seeds(options["n"], given.get("seed"))} if "n" in options else {}
        return {"model": options.get("model"), **usual, **given, **seeds, **call}

    def _shown(
        self,
        arguments: Line,
        stream: ResultStream[Result],
        *,
        model: str,
        alone: bool,
        talk: Talk | None,
        around: tuple[str, str] | None,
    ) -> Result:
        """Show the answer while it arrives, and keep it whatever happens."""
        form = arguments.options.get("format") or next(iter(TASKS[arguments.task].result.forms))
        display = live(self.shell, form, alone=alone, silent=arguments.silent, around=around)
        stream.waiting = lambda wait: display.status(_waiting(wait))
        display.status(f"{without_secrets(model)} …")
        try:
            with _tee(arguments.options.get("tee")) as tee:
                for chunk in stream:
                    if isinstance(chunk, Progress) and chunk.done < chunk.total:
                        display.status(f"{without_secrets(model)} · {chunk.done:,} of {chunk.total:,}")
                    if chunk.text:
                        display.add(chunk.text)
                        tee(chunk.text)
            result = self._keep(arguments, told(talk, stream.result))
            self._saved(arguments, result)
            display.end(result, form)
            if arguments.options.get("replace") and around is not None:
                self.shell.set_next_input(str(result).join(around))
        except KeyboardInterrupt:
            stream.close()
            self._keep_partial(arguments, display, told(talk, stream.result))
            raise StoppedError(stream.result, arguments.options.get("out", "_")) from None
        except InferError as error:
            error.partial = told(talk, error.partial)
            self._keep_partial(arguments, display, error.partial)
            if error.partial is not None:
                error.hint = f"{error.hint}\nWhat arrived is in `{arguments.options.get('out', '_')}`.".strip()
            raise
        shown(result, self.shell)
        return result

    def _keep(self, arguments: Line, result: T) -> T:
        """Put a result where the user will look for it; the display hook does the same for `_` and `Out[n]`."""
        if name := arguments.options.get("out"):
            self.shell.user_ns[name] = result
        if not isinstance(result, Preview | Code):
            nbinfer.last = result  # type: ignore[assignment]
        return result

    def _saved(self, arguments: Line, result: Result) -> None:
        """Write an image, or several runs, to the folder that was named."""
        if (folder := arguments.options.get("save")) is None:
            return
        from nbinfer.runs.sweep import Sweep, save_images

        try:
            if isinstance(result, Sweep):
                result.save(folder)
            else:
                save_images(folder, [(getattr(result, "prompt", ""), result)])
        except OSError as error:
            raise ParameterError(
                f"--save {folder}: {error.strerror}", hint="The result is in `nbinfer.last`."
            ) from error

    def _keep_partial(self, arguments: Line, display: Live, result: Result | None) -> None:
        display.end(result, "")
        if result is not None:
            self.shell.displayhook.update_user_ns(self._keep(arguments, result))  # type: ignore[no-untyped-call]

    def _alone(self, cell: str | None) -> bool:
        """Say whether the magic is all there is in the cell that runs."""
        history = getattr(self.shell.history_manager, "input_hist_raw", None)
        source = history[-1].strip() if history else ""
        return source.startswith("%%infer") if cell is not None else source.startswith("%infer") and "\n" not in source


# IPython asks a thing for `getdoc` before it looks at its docstring: nothing is written before it is read.
InferMagics.infer.getdoc = help_text  # type: ignore[union-attr]


def _seeds(count: int, first: int | Several | None) -> Several:
    """Return seeds for so many images: those that follow the one given, else new ones."""
    if isinstance(first, Several):
        raise ParameterError("-n and several seeds say the same thing: give one of them")
    if first is not None:
        return Several(range(first, first + count))
    return Several(secrets.randbits(32) for _ in range(count))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _waiting(wait: Wait) -> str:
    return f"{wait.reason} · trying again in {wait.seconds:.0f} s"


@contextlib.contextmanager
def _tee(path: str | None) -> Iterator[Callable[[str], object]]:
    """Write each piece to a file at once, so that a crash loses none."""
    if path is None:
        yield lambda _: None
        return
    try:
        file = Path(path).expanduser().open("wb", buffering=0)
    except OSError as error:
        raise ParameterError(f"--tee {path}: {error.strerror}") from error
    with file:
        yield lambda text: file.write(text.encode())
