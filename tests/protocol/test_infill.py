import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import ParameterError, StreamInterruptedError, TemplateError
from nbinfer.filled import InfillResult
from nbinfer.notebook.magics import InferMagics

from .tgi import Drop, Reply, Server, Stream, token_event

PREFIX, SUFFIX = "def double(x):\n    return ", "\n"
PROMPT = f"<PRE> {PREFIX} <SUF>{SUFFIX} <MID>"
# What a Code Llama behind a server writes: the end is text to it, and it goes on.
ANSWER = ["x", " *", " 2", " <", "EOT", ">", "\n\n", "def"]
Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Return what performs one call of a client's method, sync or async."""

    async def awaited(model: str, name: str, *args: Any, **options: Any) -> Any:
        async with AsyncInferenceClient(model) as client:
            return await getattr(client, name)(*args, **options)

    def perform(model: str, name: str, *args: Any, **options: Any) -> Any:
        if request.param == "async":
            return asyncio.run(awaited(model, name, *args, **options))
        with InferenceClient(model) as client:
            return getattr(client, name)(*args, **options)

    return perform


@pytest.fixture
def coder(tgi: Server) -> Server:
    """Return the look-alike with a model that completes code."""
    tgi.model.answer = ANSWER
    return tgi


def test_the_middle_is_asked_for_and_cut_out(coder: Server, ask: Ask) -> None:
    """The prompt is Code Llama's, the stop its end; the answer is what stands before that, less the end's own blank."""
    assert ask(coder.url, "infill", PREFIX, SUFFIX, form="code-llama") == "x * 2"
    body = coder.requests[0].body
    assert body["inputs"] == PROMPT
    assert body["parameters"]["stop"] == ["<EOT>"]
    assert {"form", "suffix_first"}.isdisjoint(body["parameters"])


def test_the_result_knows_its_place(coder: Server, ask: Ask) -> None:
    """It holds what stands around the hole, the whole, and the prompt that was sent."""
    result = ask(coder.url, "run", "infill", f"{PREFIX}<FILL>{SUFFIX}", form="code-llama")
    assert isinstance(result, InfillResult)
    assert (result.prefix, result.middle, result.suffix) == (PREFIX, "x * 2", SUFFIX)
    assert result.whole == PREFIX + "x * 2" + SUFFIX
    assert (result.prompt, result.finish_reason) == (PROMPT, "stop")
    assert "<mark" in result.bundle("filled")[0]["text/html"]


def test_what_could_be_the_end_is_not_shown(coder: Server) -> None:
    """No piece of a stream holds a part of the end."""
    with InferenceClient(coder.url) as client:
        stream = client.stream("infill", (PREFIX, SUFFIX), form="code-llama")
        pieces = [chunk.text for chunk in stream if chunk.text]
    assert "".join(pieces) == "x * 2"
    assert stream.result.middle == "x * 2"


def test_every_model_is_asked_in_its_own_form(tgi: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the model tells its markers and its end; the suffix goes first where that is asked for."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    ask("bigcode/starcoder2-15b", "infill", "a", "b", max_new_tokens=3)
    ask("codellama/CodeLlama-7b-hf", "infill", "a", "b", max_new_tokens=3, suffix_first=True)
    starcoder, code_llama = (request.body for request in tgi.requests)
    assert starcoder["inputs"] == "<fim_prefix>a<fim_suffix>b<fim_middle>"
    assert starcoder["parameters"]["stop"] == ["<|endoftext|>", "<file_sep>"]
    assert code_llama["inputs"] == "<PRE> <SUF>b <MID> a"


def test_a_model_that_is_not_known_to_fill_holes_is_told(ask: Ask) -> None:
    """Nothing is sent, and the error says how to name a form."""
    with pytest.raises(TemplateError, match="org/name is not known") as caught:
        ask("org/name", "infill", "a", "b")
    assert "starcoder" in caught.value.hint
    with pytest.raises(TemplateError, match="no form of infilling"):
        ask("org/name", "infill", "a", "b", form="code-lama")


@pytest.mark.parametrize(
    ("code", "says"),
    [("def f():", "no <FILL>"), ("<FILL> <FILL_ME>", "2 holes"), ("<MID> <FILL>", "<MID> at position 0")],
)
def test_code_that_has_no_one_hole_is_told(ask: Ask, code: str, says: str) -> None:
    """None, two, or the form's own tags in the code: the error says which and where."""
    with pytest.raises(TemplateError, match=says):
        ask("local", "run", "infill", code)


def test_a_raw_prompt_ends_where_the_middle_does(coder: Server, ask: Ask) -> None:
    """A prompt that ends in <MID> gets the stop text, and a word on it; one that was given counts instead."""
    result = ask(coder.url, "run", "text-generation", PROMPT)
    assert result.text == "x * 2"
    assert "stopped at <EOT>" in "".join(result.notices)
    assert coder.requests[0].body["parameters"]["stop"] == ["<EOT>"]
    own = ask(coder.url, "run", "text-generation", PROMPT, stop=["zzz"])
    assert coder.requests[1].body["parameters"]["stop"] == ["zzz"]
    assert "<EOT>" in own.text
    assert not own.notices


def test_what_came_before_a_break_has_its_place(coder: Server, ask: Ask) -> None:
    """An answer that breaks off is kept as far as it came, in its place."""
    coder.script(Stream([token_event(1, "x *")], cut=True))
    with pytest.raises(StreamInterruptedError) as caught:
        ask(coder.url, "run", "infill", (PREFIX, SUFFIX), form="code-llama")
    assert caught.value.partial.whole == f"{PREFIX}x *{SUFFIX}"
    coder.script(Drop(), times=5)
    with pytest.raises(OSError, match="hung up") as nothing:
        ask(coder.url, "run", "infill", (PREFIX, SUFFIX), form="code-llama", retries=0)
    assert nothing.value.partial is None


def test_the_embedded_model_fills_holes(ask: Ask) -> None:
    """Offline, with no key and no sampling: the same each time, and the code runs."""
    whole = [ask("local", "run", "infill", "def add(a, b):\n    return <FILL>\n").whole for _ in range(2)]
    assert whole[0] == whole[1]
    names: dict[str, Any] = {}
    exec(compile(whole[0], "filled", "exec"), names)
    assert callable(names["add"])


# --- in a cell


@pytest.fixture
def magics() -> InferMagics:
    """Return the magics of a shell."""
    config = Config()
    config.HistoryManager.enabled = False
    return InferMagics(InteractiveShell(config=config))


def test_a_cell_holds_code_with_a_hole(magics: InferMagics, coder: Server) -> None:
    """The result is in the variable; `--replace` puts the whole into the next cell."""
    line = f"infill -m {coder.url} --form code-llama -o filled"
    magics.infer(line, f"{PREFIX}<FILL>{SUFFIX}")
    whole = magics.shell.user_ns["filled"].whole
    assert whole == f"{PREFIX}x * 2"
    magics.shell.rl_next_input = None
    magics.infer(f"{line} --replace", f"{PREFIX}<FILL>{SUFFIX}")
    assert magics.shell.rl_next_input == whole


def test_a_cell_without_a_model_is_filled_by_the_embedded_one(magics: InferMagics) -> None:
    """Nothing but the code is needed, and nothing is sampled."""
    magics.infer("infill -o filled", "def add(a, b):\n    return <FILL>")
    result = magics.shell.user_ns["filled"]
    assert (result.model, result.parameters["do_sample"]) == ("local/text", False)


def test_replacing_belongs_to_infilling(magics: InferMagics) -> None:
    """Elsewhere the flag is refused."""
    with pytest.raises(ParameterError, match="text-generation has no --replace"):
        magics.infer("--replace", "Hi")


def test_a_dry_run_shows_the_prompt(magics: InferMagics) -> None:
    """What would be sent is there to be read, and nothing is sent."""
    preview: Any = magics.infer("infill -m codellama/CodeLlama-7b-hf --dry-run", f"{PREFIX}<FILL>{SUFFIX}")
    assert preview["json"]["inputs"] == f"<PRE> {PREFIX} <SUF> <MID>"


def test_an_answer_in_one_piece_is_cut_too(coder: Server, ask: Ask) -> None:
    """A server that keeps the end in its text gives the same."""
    coder.script(Reply(json=[{"generated_text": "x * 2 <EOT>\n\ndef"}]))
    assert ask(coder.url, "infill", PREFIX, SUFFIX, form="code-llama") == "x * 2"
