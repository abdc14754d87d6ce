from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from protocol.tei import Serverless

import nbinfer.local

if TYPE_CHECKING:
    from pathlib import Path

    from notebooks.conftest import Kernel
    from protocol.tgi import Server

PARAGRAPHS = "\n\n".join(f"Paragraph {n} has **some** words in it." for n in range(12))


def test_text_arrives_while_the_server_is_still_writing(kernel: Kernel, tgi: Server) -> None:
    """The cell shows text long before the answer is complete, at most twenty times a second."""
    tgi.pace = 0.02
    ran = kernel.run(f"%%infer -m {tgi.url}\nHello")
    updates = [time for time, message in zip(ran.times, ran.messages, strict=True) if "display" in message["msg_type"]]
    assert len(updates) > 10
    assert updates[2] - updates[0] < (updates[-1] - updates[0]) / 3
    assert len(updates) <= 20 * (updates[-1] - updates[0]) + 3


def test_the_saved_cell_holds_one_static_output(kernel: Kernel, tgi: Server) -> None:
    """After streaming, one output is left, with the whole text as plain text and Markdown and no status line."""
    tgi.model.answer = PARAGRAPHS
    tgi.pace = 0.005
    ran = kernel.run(f"%%infer -m {tgi.url}\nHello")
    (output,) = ran.outputs()
    assert output["data"]["text/plain"] == PARAGRAPHS
    assert output["data"]["text/markdown"].startswith(PARAGRAPHS)
    assert output["metadata"]["nbinfer"]["finish_reason"] == "stop"


def test_nothing_but_a_status_line_is_shown_before_the_first_token(kernel: Kernel, tgi: Server) -> None:
    """What a cell shows before its first token is one line that names the model."""
    ran = kernel.run(f"%%infer -m {tgi.url}\nHello")
    first = ran.of("display_data")[0]["data"]["text/plain"]
    assert first == f"{tgi.url} …"


def test_finished_blocks_are_sent_once(kernel: Kernel, tgi: Server) -> None:
    """The bytes sent while a long answer streams grow as the text does, not as its square."""
    tgi.model.answer = PARAGRAPHS * 8
    tgi.pace = 0.002
    ran = kernel.run(f"%%infer -m {tgi.url} --max-new-tokens 4000\nHello")
    sent = sum(len(json.dumps(content)) for content in ran.of("display_data", "update_display_data"))
    assert sent < 12 * len(tgi.model.answer)


def test_the_result_is_kept_and_shown_once(kernel: Kernel, tgi: Server) -> None:
    """The variable, `_`, `Out` and nbinfer.last are the result; the cell shows it a single time."""
    ran = kernel.run(f"%%infer -m {tgi.url} -o story\nHello")
    assert len(ran.outputs()) == 1
    checks = (
        "import nbinfer\nprint(_ is story, nbinfer.last is story, list(Out.values())[-1] is story, len(str(story)))"
    )
    assert kernel.run(checks).stdout.startswith("True True True")
    assert kernel.run("story").of("execute_result")


def test_assignment_in_both_forms(kernel: Kernel, tgi: Server) -> None:
    """`NAME <<` and `name = %infer …` assign the result."""
    kernel.run(f"%%infer one << -m {tgi.url}\nHello")
    kernel.run(f"two = %infer -m {tgi.url} Hello")
    assert kernel.run("print(str(one) == str(two))").stdout == "True\n"


def test_prints_before_a_line_magic_stay(kernel: Kernel, tgi: Server) -> None:
    """What a cell printed before `%infer` is still there after the answer, which takes one output."""
    tgi.model.answer = PARAGRAPHS
    tgi.pace = 0.005
    ran = kernel.run(f"print('before')\nr = %infer -m {tgi.url} Hello\nprint('after')")
    before, answer, after = ran.outputs()
    assert (before["text"], after["text"]) == ("before\n", "after\n")
    assert answer["data"]["text/plain"] == PARAGRAPHS


def test_interrupt_keeps_the_text_and_hangs_up(kernel: Kernel, tgi: Server) -> None:
    """Interrupting leaves the partial text in the variable, fails the cell in one line, and closes the connection."""
    tgi.pace = 0.05
    ran = kernel.run(
        f"%%infer -m {tgi.url} -o story\nHello", interrupt=lambda: bool(tgi.requests) and tgi.requests[-1].sent >= 5
    )
    assert len(ran.error) == 1
    assert ran.error[0].startswith("KeyboardInterrupt: stopped after")
    assert "`story`" in ran.error[0]
    assert tgi.requests[-1].closed.wait(5)
    sent = tgi.requests[-1].sent
    shown = kernel.run("print(story.finish_reason, repr(str(story)), _ is story)").stdout
    assert shown.startswith("interrupted 'Once upon a time")
    assert shown.endswith("True\n")
    assert tgi.requests[-1].sent == sent


def test_an_interrupted_chat_is_not_said_to_be_empty(kernel: Kernel, tgi: Server) -> None:
    """Where nobody counted tokens no number is shown; what arrived is kept, and the connection closed."""
    tgi.pace = 0.05
    ran = kernel.run(
        f"%%infer chat -m {tgi.url}/v1 -o story\nHello",
        interrupt=lambda: bool(tgi.requests) and tgi.requests[-1].sent >= 5,
    )
    assert ran.error == ["KeyboardInterrupt: stopped; what arrived is in `story`"]
    assert kernel.run("print(len(str(story)) > 3)").stdout == "True\n"
    assert tgi.requests[-1].closed.wait(5)


def test_interrupting_the_embedded_model_keeps_the_text(kernel: Kernel) -> None:
    """A cell on the embedded model can be interrupted as well, and keeps what it wrote: the beginning of the whole."""
    line = "'infer', '--seed 1 --max-new-tokens 200 Once upon a time'"
    kernel.run(f"whole = str(get_ipython().run_line_magic({line}))")
    loop = f"for n in range(200):\n    r = get_ipython().run_line_magic({line})"
    for _ in range(20):
        started: list[int] = []
        ran = kernel.run(loop, interrupt=lambda: started.append(1) is None and len(started) > 40)  # noqa: B023
        assert "KeyboardInterrupt" in ran.error[-1]
        assert kernel.run("import nbinfer; print(whole.startswith(str(nbinfer.last)))").stdout == "True\n"
        told = kernel.run("print(nbinfer.last.finish_reason, len(str(nbinfer.last)) > 0)").stdout
        # The interrupt may come before the first word, or between two runs.
        if told == "interrupted True\n":
            return
    raise AssertionError(told)


def test_a_broken_stream_keeps_its_text(kernel: Kernel, tgi: Server) -> None:
    """When the server hangs up in the middle, the text so far stays in the cell, the variable and the error says so."""
    from protocol.tgi import Stream, token_event

    tgi.script(Stream([token_event(1, "Half"), token_event(2, " a story")], cut=True))
    ran = kernel.run(f"%%infer -m {tgi.url} -o story\nHello")
    assert 1 <= len(ran.error) <= 4
    assert ran.error[0].startswith("StreamInterruptedError")
    assert ran.error[-1] == "What arrived is in `story`."
    assert ran.outputs()[0]["data"]["text/plain"] == "Half a story"
    assert kernel.run("print(story, story.finish_reason)").stdout == "Half a story error\n"


LINES = "The cat sleeps.\n\nA kitten naps.\nRates rose again."


@pytest.mark.parametrize(
    ("cell", "html", "frame"),
    [
        (f"%%infer embed --lines -o r\n{LINES}", "rgba(", "(3, 256)"),
        (f"%%infer sparse --lines -o r\n{LINES}", "cat <small>", "(3, 3)"),
        (f"%%infer rerank --query 'Where is my cat?' -o r\n{LINES}", "width: ", "(3, 3)"),
        ("%%infer embed -o r\nOne text\nof two lines", "dataframe", "(1, 256)"),
        ("%infer --task embed -o r One text", "dataframe", "(1, 256)"),
    ],
)
def test_tasks_that_give_numbers(kernel: Kernel, cell: str, html: str, frame: str) -> None:
    """Embeddings, terms and rankings are shown as one small picture with a footer, and are data."""
    ran = kernel.run(cell)
    assert not ran.error
    (output,) = ran.outputs()
    assert html in output["data"]["text/html"]
    assert "local/" in output["metadata"]["nbinfer"]["model"]
    terms = "print((r.to_frame().text.nunique(), len(r.to_frame().columns)))" if " sparse " in cell else ""
    assert kernel.run(terms or "print(r.to_frame().shape)").stdout == f"{frame}\n"


def test_a_chat_streams_and_is_kept_with_its_conversation(kernel: Kernel, tgi: Server) -> None:
    """`%%infer chat` sends system text and question, shows the answer as it comes, and keeps the conversation."""
    tgi.model.answer = PARAGRAPHS
    tgi.pace = 0.005
    kernel.run("name = 'Ada'")
    ran = kernel.run(f"%%infer chat -m {tgi.url}/v1 --system 'Greet {{{{ name }}}}.' --max-tokens 500 -o said\nHello")
    assert len(ran.of("update_display_data")) > 3
    (output,) = ran.outputs()
    assert output["data"]["text/plain"] == PARAGRAPHS
    sent = tgi.requests[-1].body["messages"]
    assert sent == [{"role": "system", "content": "Greet Ada."}, {"role": "user", "content": "Hello"}]
    assert kernel.run("print(said.conversation[-1]['role'], len(said.conversation))").stdout == "assistant 3\n"


def test_a_server_s_own_model_is_named_beside_its_address(kernel: Kernel, tgi: Server) -> None:
    """`--base-url` is where, `-m` what: the name goes into the request and stands below the answer."""
    ran = kernel.run(f"%%infer chat --base-url {tgi.url}/v1 -m llama3 --max-tokens 3 -o said\nHello")
    assert tgi.requests[-1].body["model"] == "llama3"
    assert ran.outputs()
    assert kernel.run("print(said.model)").stdout == f"llama3 at {tgi.url}/v1\n"


def test_models_are_listed_in_a_cell(kernel: Kernel) -> None:
    """`%infer_models` is a DataFrame of what runs here."""
    ran = kernel.run("%infer_models")
    assert "local/rerank" in ran.outputs()[0]["data"]["text/html"]
    assert kernel.run("print(type(_).__name__)").stdout == "DataFrame\n"
    assert "it takes nothing, --known, or `get`" in kernel.run("%infer_models all").error[0]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%infer rerank\na\nb", "`query` is missing"),
        ("%%infer embed --temperature 1\nHello", "text-embedding has no --temperature"),
        ("%%infer --query x\nHello", "text-generation has no --query"),
        ("%%infer embed -f markdown\nHello", "text-embedding has no --format markdown"),
        ("%%infer embed -m local/text\nHello", "local/text is for text-generation"),
        ("%%infer --temprature 1\nHello", "Did you mean --temperature"),
        ("%%infer --temperature -1\nHello", "must be strictly positive"),
        ("%%infer --top-p 1\nHello", "must be > 0.0 and < 1.0"),
        ("%%infer\nHello {{ nobody }}", "`nobody` in {{ nobody }} is not defined"),
        ("%%infer -m locl\nHello", "Did you mean local"),
        ("%%infer -m http://127.0.0.1:9\nHello", "Connection refused"),
        ("%%infer chats\nHello", "`chats` is no task"),
        ("%%infer\n   ", "there is no prompt"),
        ("%infer", "there is no prompt"),
        ("%%infer --api-key-env NOT_SET_ANYWHERE\nHello", "NOT_SET_ANYWHERE is not set"),
        ("%%infer --best-of 2 --temperature 0\nHello", "you must use sampling"),
        ("%%infer -f json --max-new-tokens 5 --seed 1\nOnce upon", "is not JSON"),
        ("%%infer --tee /no/such/folder/file\nHello", "No such file"),
    ],
)
def test_errors_take_one_to_four_lines_and_fail_the_cell(kernel: Kernel, cell: str, says: str) -> None:
    """Whatever is wrong, the cell fails with one to four lines that say what."""
    ran = kernel.run(cell)
    assert 1 <= len(ran.error) <= 4
    assert says in "\n".join(ran.error)


def test_a_semicolon_silences_the_line_but_not_the_prompt(kernel: Kernel, tgi: Server) -> None:
    """`;` at the end of the magic's own line shows nothing and still keeps the result; in the prompt it is text."""
    ran = kernel.run(f"%%infer -m {tgi.url} -o story;\nHello")
    assert not ran.outputs()
    assert kernel.run("print(len(str(story)) > 10)").stdout == "True\n"
    assert kernel.run(f"%%infer -m {tgi.url}\nint x = 1;").outputs()
    assert tgi.requests[-1].body["inputs"] == "int x = 1;"


@pytest.mark.parametrize("form", ["text", "code", "df", "tokens", "none"])
def test_every_form_leaves_at_most_one_output(kernel: Kernel, tgi: Server, form: str) -> None:
    """`-f` decides what is left in the cell; none leaves nothing."""
    ran = kernel.run(f"%%infer -m {tgi.url} -f {form} -o story\nHello")
    assert len(ran.outputs()) == (form != "none")


def test_a_failed_form_keeps_the_answer(kernel: Kernel, tgi: Server) -> None:
    """When the answer is not the JSON that was wanted, the cell fails, and the text is in the variable."""
    kernel.run(f"%%infer -m {tgi.url} -f json -o story\nHello")
    assert kernel.run("print(str(story)[:4])").stdout == "Once\n"


def test_tee_writes_the_text_to_a_file(kernel: Kernel, tgi: Server, tmp_path) -> None:
    """`--tee FILE` holds the text of the answer."""
    kernel.run(f"%%infer -m {tgi.url} --tee {tmp_path}/story.txt\nHello")
    assert (tmp_path / "story.txt").read_text().startswith("Once upon a time, a small robot lived in a café")


def test_hostile_markdown_is_disarmed_in_every_message(kernel: Kernel, tgi: Server) -> None:
    """No display or update carries a tag, a script link or an image that the model wrote."""
    tgi.model.answer = "Hi <img src=x onerror=alert(1)> and [x](javascript:alert(1)) ![p](https://e.com/p.png)\n\nBye"
    ran = kernel.run(f"%%infer -m {tgi.url}\nHello")
    for text in ran.markdown:
        assert "<img" not in text
        assert "javascript:" not in text
        assert "![" not in text


def test_dry_run_sends_nothing_and_hides_the_key(kernel: Kernel, tgi: Server) -> None:
    """`--dry-run` shows prompt and request without the key, and the server hears nothing."""
    kernel.run("import os; os.environ['MY_KEY'] = 'sk-very-secret-key'")
    ran = kernel.run(f"%%infer -m {tgi.url} --dry-run --template llama2-chat --api-key-env MY_KEY\nHello")
    shown = json.dumps(ran.of("execute_result"), ensure_ascii=False)
    assert "[INST] 1 · [/INST] 1" in shown
    assert "very-secret" not in shown
    assert not tgi.requests


def test_dry_run_shows_a_chat_as_the_embedded_model_reads_it(kernel: Kernel) -> None:
    """The messages are in the model's form, tags in colour, as the result's `prompt` has them afterwards."""
    ran = kernel.run("%%infer chat --dry-run -o seen --system 'Be brief.'\nHello you")
    (output,) = ran.outputs()
    assert "<mark" in output["data"]["text/html"]
    prompt = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello you [/INST]"
    assert kernel.run("print(seen['prompt'])").stdout == f"{prompt}\n"
    kernel.run("%%infer chat -o said --system 'Be brief.' --max-tokens 3\nHello you")
    assert kernel.run("print(said.prompt)").stdout == f"{prompt}\n"


def test_a_cell_breaks_up_tags_when_told(kernel: Kernel, tgi: Server) -> None:
    """`--escape` sends tags as the words that they are; without it they are refused with their place."""
    ran = kernel.run("%%infer chat\nHi [/INST]")
    assert "contains the tag [/INST] at position 3" in str(ran.error)
    kernel.run(f"%%infer -m {tgi.url} --template llama2-chat --escape\nHi [/INST]")
    assert tgi.requests[-1].body["inputs"] == "[INST] Hi [\u200d/INST] [/INST]"


def test_several_values_make_a_table(kernel: Kernel, tgi: Server) -> None:
    """Each combination is a run; the result is a sweep with a row for each, shown as a table, and is data."""
    ran = kernel.run(f"%%infer -m {tgi.url} --seed 1..3 --temperature 0.5,1 --max-new-tokens 3 -o runs\nOnce")
    (output,) = ran.outputs()
    assert output["data"]["text/html"].count("<tr") == 7
    assert kernel.run("print(len(runs), runs.to_frame().seed.tolist())").stdout == "6 [1, 1, 2, 2, 3, 3]\n"
    assert len(tgi.requests) == 6
    ran = kernel.run(f"%%infer chat -m {tgi.url} --seed 1..3 --chat tea\nOnce")
    assert "--chat is for one answer" in str(ran.error)


def test_several_images_make_a_sheet_and_files(kernel: Kernel, tmp_path: Path) -> None:
    """`-n` makes images with new seeds, shown as one picture; `--save` writes each, and a single one too."""
    with Serverless() as server:
        address = f"{server.url}/hf-inference/models/nbinfer/text-to-image"
        ran = kernel.run(f"%%infer image -m {address} -n 3 --save {tmp_path} -o cats\nA cat")
        (output,) = ran.outputs()
        assert "image/png" in output["data"]
        assert len(list(tmp_path.glob("*.png"))) == 3
        assert kernel.run("print(cats.to_frame().seed.nunique())").stdout == "3\n"
        kernel.run(f"%%infer image -m {address} --seed 4 --save {tmp_path}\nA cat")
        assert (tmp_path / "004-A-cat.png").exists()
        ran = kernel.run(f"%%infer image -m {address} --save {tmp_path / '004-A-cat.png'}\nA cat")
        assert "ParameterError: --save" in str(ran.error)
    assert "--save is for images" in str(kernel.run(f"%%infer --save {tmp_path}\nHi").error)


def test_interrupting_a_sweep_keeps_what_came(kernel: Kernel, tgi: Server) -> None:
    """The runs that had ended are in the variable, those that ran are interrupted."""
    tgi.pace = 0.2
    ran = kernel.run(
        f"%%infer -m {tgi.url} --seed 1..40 --max-new-tokens 8 -o runs\nOnce", interrupt=lambda: len(tgi.requests) > 6
    )
    assert "what arrived is in `runs`" in str(ran.error)
    assert 0 < int(kernel.run("print(len(runs))").stdout) < 40


def test_a_request_can_be_shown_as_code(kernel: Kernel, tgi: Server) -> None:
    """`--as curl` sends nothing and shows a command with the key's variable in the place of the key."""
    kernel.run("import os; os.environ['MY_KEY'] = 'secretsecret'")
    ran = kernel.run(f"%%infer chat -m {tgi.url}/v1 --api-key-env MY_KEY --as curl -o code\nHello")
    (output,) = ran.outputs()
    assert output["data"]["text/plain"].startswith("curl -N")
    assert "```bash" in output["data"]["text/markdown"]
    assert "secretsecret" not in str(output)
    assert tgi.requests == []
    assert kernel.run("print(str(code)[:4])").stdout == "curl\n"


def test_tab_completes_flags_models_values_and_variables(kernel: Kernel) -> None:
    """Completion offers flags on the magic's line, values after them, and variables inside `{{`."""
    kernel.run("temperament = 1; hero = 'Tom'")
    assert sorted(kernel.complete("%%infer --te")) == ["--tee", "--temperature", "--template"]
    assert kernel.complete("%%infer --tempe\nprompt", 15) == ["--temperature"]
    assert kernel.complete("%%infer -m ")[:5] == ["local", *(f"local/{name}" for name in nbinfer.local.MODELS)]
    assert kernel.complete("%%infer -m codellama/CodeLlama-3") == ["codellama/CodeLlama-34b-Instruct-hf"]
    assert kernel.complete("%%infer chat --max-") == ["--max-tokens", "--max-completion-tokens", "--max-new-tokens"]
    assert "markdown" in kernel.complete("%%infer -f ma")
    assert kernel.complete("%%infer --template ll") == ["llama2-chat"]
    assert "hero" in kernel.complete("%%infer\nA story about {{ he")
    assert kernel.complete("%%infer\nA story about {{ hero | j") == ["join", "json"]
    assert kernel.complete("%%infer\nA story about {{ hero | join | in") == ["indent"]
    assert kernel.complete("x = %infer --max-n") == ["--max-new-tokens"]
    assert "temperament" in kernel.complete("tempera")


def test_help_is_made_from_the_parameters(kernel: Kernel) -> None:
    """`%infer --help` and `%infer?` list every flag with its range and default."""
    for cell in ("%infer --help", "%infer?"):
        ran = kernel.run(cell)
        said = ran.stdout + json.dumps([message["content"] for message in ran.messages])
        assert "--repetition-penalty" in said or cell.endswith("?")


def test_unload_takes_everything_back(kernel: Kernel) -> None:
    """After %unload_ext there is no magic, no completion and no trace in the shell; loading again brings it back."""
    before = "ip = get_ipython(); print(len(ip.configurables), len(ip.Completer.custom_matchers))"
    loaded = kernel.run(before).stdout.split()
    kernel.run("%unload_ext nbinfer")
    unloaded = kernel.run(before).stdout.split()
    assert [int(a) - int(b) for a, b in zip(loaded, unloaded, strict=True)] == [1, 1]
    assert "`%infer` not found" in "".join(said["text"] for said in kernel.run("%infer Hello").of("stream"))
    kernel.run("%load_ext nbinfer")
    kernel.run("%reload_ext nbinfer")
    assert kernel.run(before).stdout.split() == loaded


def test_a_cell_without_options_tells_a_story_offline(kernel: Kernel) -> None:
    """`%%infer` alone answers from the embedded model."""
    ran = kernel.run("%%infer -o story --seed 1\nOnce upon a time")
    assert not ran.error
    assert kernel.run("print(story.model, story.parameters['temperature'])").stdout == "local/text 0.7\n"


def test_code_fills_in_its_place(kernel: Kernel, tgi: Server) -> None:
    """The middle grows, marked, between what stands around it; one output is left, and the next cell is offered."""
    tgi.pace = 0.03
    ran = kernel.run(f"%%infer infill -m {tgi.url} --form code-llama -o filled --replace\na = <FILL> + 1")
    shown = [message["data"].get("text/html", "") for message in ran.of("update_display_data")]
    assert len([html for html in shown if "a = <mark" in html and html.endswith("</mark> + 1</pre>")]) > 3
    assert len(ran.outputs()) == 1
    assert not ran.error
    assert kernel.run("print(filled.whole == f'a = {filled} + 1')").stdout == "True\n"


def test_a_loading_model_is_waited_for_in_sight(kernel: Kernel, tgi: Server) -> None:
    """While a model loads, the cell says so and counts down; then the answer comes as usual."""
    from protocol.tgi import Reply

    tgi.script(Reply(status=503, json={"error": "Model org/name is currently loading", "estimated_time": 1.5}))
    ran = kernel.run(f"%%infer -m {tgi.url}\nHello")
    assert any("currently loading · trying again in" in text for text in ran.markdown)
    assert not ran.error
    assert tgi.requests[-1].headers["x-wait-for-model"] == "true"
