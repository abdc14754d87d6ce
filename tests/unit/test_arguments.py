import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer.errors import ParameterError
from nbinfer.notebook.arguments import Line, Several, cell_rows, flags, help_text, read
from nbinfer.params import TextGeneration, table
from nbinfer.tasks import TASKS


def cell(line: str) -> Line:
    """Read the line of `%%infer`."""
    return read(line, is_cell=True)


def options(line: str) -> dict[str, Any]:
    """Return what the line of `%%infer` sets, of the magic itself and of the task, less what is empty."""
    found = cell(line)
    return {name: value for name, value in {**found.options, **found.parameters}.items() if value != {}}


def refused(line: str, *, is_cell: bool = True) -> ParameterError:
    """Return the refusal of a line."""
    with pytest.raises(ParameterError) as caught:
        read(line, is_cell=is_cell)
    assert 1 <= len(caught.value.lines()) <= 4
    return caught.value


def test_an_empty_line_sets_nothing() -> None:
    """Nothing on the line means the usual task and no options."""
    assert cell("").task == "text-generation"
    assert options("   ") == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m local", {"model": "local"}),
        ("--model=gpt2", {"model": "gpt2"}),
        ("--max-new-tokens 5", {"max_new_tokens": 5}),
        ("--max_new_tokens 5", {"max_new_tokens": 5}),
        ("--max_new-tokens=5", {"max_new_tokens": 5}),
        ("--temperature .5 --top-k 3", {"temperature": 0.5, "top_k": 3}),
        ("--frequency-penalty -0.5", {"frequency_penalty": -0.5}),
        ("--frequency-penalty=-0.5", {"frequency_penalty": -0.5}),
        ("--seed 18446744073709551615", {"seed": 2**64 - 1}),
        ("--do-sample", {"do_sample": True}),
        ("--no-do-sample", {"do_sample": False}),
        ("--no-do_sample", {"do_sample": False}),
        ("--do-sample=false --watermark=yes", {"do_sample": False, "watermark": True}),
        ("--raw --dry-run --no-cache", {"raw": True, "dry_run": True, "no_cache": True}),
        ("-o story -f json", {"out": "story", "format": "json"}),
        ("--timeout 2.5 --retries 0", {"timeout": 2.5, "retries": 0}),
        ("--template llama2-chat --tee out.txt", {"template": "llama2-chat", "tee": "out.txt"}),
        ("--api-key-env MY_KEY --base-url http://x", {"api_key_env": "MY_KEY", "base_url": "http://x"}),
    ],
)
def test_flags_set_options(line: str, expected: dict[str, Any]) -> None:
    """Flags are written with either kind of dash, with a blank or an equals sign, and come out in their own type."""
    assert options(line) == expected


@pytest.mark.parametrize("name", table(TextGeneration))
def test_every_parameter_has_a_flag(name: str) -> None:
    """Each option of the task can be given on the line."""
    assert flags()[table(TextGeneration)[name].flag].name == name


def test_a_flag_takes_a_value_for_every_task_or_for_none() -> None:
    """Where a flag ends is known before the task is, which may be the last word of the line."""
    for flag, row in flags().items():
        kinds = {task: own[flag].type is bool for task in TASKS if flag in (own := flags(task))}
        assert set(kinds.values()) == {row.type is bool}, (flag, kinds)


@pytest.mark.parametrize(
    ("line", "name", "values"),
    [
        ("--seed 1..4", "seed", (1, 2, 3, 4)),
        ("--seed 3,5..6", "seed", (3, 5, 6)),
        ("--temperature 0.2,0.7", "temperature", (0.2, 0.7)),
        ("--temperature 0.5 --temperature 0.7", "temperature", (0.5, 0.7)),
        ("image --guidance-scale 2,7.5", "guidance_scale", (2.0, 7.5)),
        ("image --negative-prompt dark --negative-prompt 'red, blue'", "negative_prompt", ("dark", "red, blue")),
        ("image --scheduler A,B", "scheduler", None),
    ],
)
def test_several_values_are_read(line: str, name: str, values: tuple[Any, ...] | None) -> None:
    """Numbers with commas or dots between them, and a flag given again, are several; texts are never split."""
    found = read(line, is_cell=True).parameters[name]
    assert isinstance(found, Several) == (values is not None)
    assert found == (values or "A,B")


def test_several_models_are_read() -> None:
    """Names with commas between them, or the flag given again; one name is no list."""
    assert read("-m local,org/name", is_cell=True).options["model"] == Several(("local", "org/name"))
    assert read("-m local --model gpt2", is_cell=True).options["model"] == Several(("local", "gpt2"))
    assert read("-m local", is_cell=True).options["model"] == "local"


def test_stop_texts_are_a_list_and_not_several() -> None:
    """A flag that takes a list gets one, however often it is given."""
    assert read("--stop a,b --stop c", is_cell=True).parameters["stop"] == ["a,b", "c"]


def test_how_many_images_is_the_cells_and_how_many_answers_the_chats() -> None:
    """`-n` makes images with seeds of their own, and asks a chat for several answers."""
    assert read("image -n 4", is_cell=True).options["n"] == 4
    assert read("chat -n 4", is_cell=True).parameters["n"] == 4


@pytest.mark.parametrize(
    ("line", "task", "expected"),
    [
        ("classify --top-k 2", "text-classification", {"top_k": 2}),
        (
            "--labels a --candidate-labels 'b c' zero-shot",
            "zero-shot-classification",
            {"candidate_labels": ["a", "b c"]},
        ),
        ("ner --aggregation-strategy max", "token-classification", {"aggregation_strategy": "max"}),
        ("table-question-answering --truncation true", "table-question-answering", {"truncation": True}),
        ("table-question-answering --truncation drop_rows_to_fit", "", {"truncation": "drop_rows_to_fit"}),
        ("summarize --truncation only_first", "summarization", {"truncation": "only_first"}),
        (
            "speak --early-stopping never --no-use-cache",
            "text-to-speech",
            {"early_stopping": "never", "use_cache": False},
        ),
        ("speak --early-stopping=false", "text-to-speech", {"early_stopping": False}),
        ("""question-answering --context "It's here." """, "question-answering", {"context": "It's here."}),
        ("""table-question-answering --table '{"a": ["b"]}'""", "", {"table": {"a": ["b"]}}),
    ],
)
def test_flags_of_other_tasks(line: str, task: str, expected: dict[str, Any]) -> None:
    """Every task has flags for its options, in their own types, wherever the task stands on the line."""
    found = cell(line)
    assert found.parameters == expected
    assert found.task == task or not task


@pytest.mark.parametrize(
    ("line", "stop"),
    [
        ("--stop x", ["x"]),
        ("--stop 'a b'", ["a b"]),
        ('--stop "a b"', ["a b"]),
        ("--stop='a b'", ["a b"]),
        ('--stop=" the"', [" the"]),
        ('--stop "it\'s"', ["it's"]),
        ("--stop 'say \"x\"'", ['say "x"']),
        ('--stop "say \\"x\\""', ['say "x"']),
        (r"--stop '\n'", ["\n"]),
        (r'--stop "\n\n"', ["\n\n"]),
        (r"--stop \n", ["\n"]),
        ("--stop a --stop b", ["a", "b"]),
        ("--stop a --stop-sequences b --stop_sequences c", ["a", "b", "c"]),
        ("--stop a,b", ["a,b"]),
        ("--stop '</s>' --stop '###'", ["</s>", "###"]),
        ("--stop '-'", ["-"]),
        ("--stop --", ["--"]),
        ("--stop '#'", ["#"]),
        ("--stop #", ["#"]),
        ("--stop a#b", ["a#b"]),
        (r"--stop a\n", ["a\n"]),
        ("--stop 'é🐦'", ["é🐦"]),
    ],
)
def test_quotes_keep_texts_together(line: str, stop: list[str]) -> None:
    r"""Texts may be quoted either way; `\n` is a line end; commas split no text; a list grows by each flag."""
    assert cell(line).parameters == {"stop": stop}


@given(
    st.lists(
        st.text(
            alphabet=st.characters(exclude_characters="\\\n\r\0", exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
            min_size=1,
        )
    )
)
def test_any_text_survives_a_shells_quotes(texts: list[str]) -> None:
    """What a shell's rules quote comes out as it was."""
    line = " ".join(f"--stop {shlex.quote(text)}" for text in texts)
    assert cell(line).parameters.get("stop", []) == texts


@pytest.mark.parametrize(
    "line",
    [
        """--grammar '{"type": "regex", "value": "[a-z]+"}'""",
        """--grammar "{'type': 'regex', 'value': '[a-z]+'}" """,
        """--grammar='{"type": "regex", "value": "[a-z]+"}'""",
        r"""--grammar "{\"type\": \"regex\", \"value\": \"[a-z]+\"}" """,
    ],
)
def test_json_may_be_quoted_either_way(line: str) -> None:
    """An object is JSON in single quotes, or with single quotes inside double ones."""
    assert cell(line).parameters == {"grammar": {"type": "regex", "value": "[a-z]+"}}


@pytest.mark.parametrize(
    "line",
    [
        "story << -m gpt2",
        "-m gpt2 story <<",
        "-o story -m gpt2",
        "story << -m gpt2 generate",
        "generate -m gpt2 story <<",
    ],
)
def test_a_name_before_two_arrows_receives_the_result(line: str) -> None:
    """`NAME <<` says the same as `-o NAME`, anywhere on the line."""
    assert options(line) == {"out": "story", "model": "gpt2"}


@pytest.mark.parametrize("name", ["a-b", "1a", "a.b", "a b", "", "class", "None"])
def test_a_result_needs_a_name_that_python_takes(name: str) -> None:
    """What cannot be a variable is refused before anything is sent."""
    assert "cannot be the name of a variable" in str(refused(f"-o {shlex.quote(name)}"))


@pytest.mark.parametrize("word", ["text-generation", "generate"])
def test_the_task_is_the_first_word(word: str) -> None:
    """A cell names its task, or an alias of it, beside the flags."""
    assert cell(f"{word} -m gpt2").task == cell(f"-m gpt2 {word}").task == "text-generation"
    assert read(f"--task {word} hello", is_cell=False).task == "text-generation"


def test_a_word_that_is_no_task_names_the_nearest() -> None:
    """A cell's line holds no prompt: any other word is an error that says where the prompt goes."""
    error = refused("text-generatoin")
    assert "`text-generatoin` is no task" in str(error)
    assert "text-generation" in error.hint
    assert "prompt goes below" in refused("Tell me a story").hint
    assert "is no task" in str(refused("--task poetry"))


@pytest.mark.parametrize(
    ("line", "flag", "near"),
    [
        ("--temprature 0.5", "--temprature", "--temperature"),
        ("--temprature=0.5", "--temprature", "--temperature"),
        ("--max-new-token 5", "--max-new-token", "--max-new-tokens"),
        ("--max_new_token=5", "--max_new_token", "--max-new-tokens"),
        ("--no-do-smaple", "--no-do-smaple", "--do-sample"),
        ("--moedl x", "--moedl", "--model"),
    ],
)
def test_unknown_flags_name_the_nearest(line: str, flag: str, near: str) -> None:
    """A misspelt flag is an error that names what was meant, in both forms of the magic."""
    for is_cell in (True, False):
        error = refused(line, is_cell=is_cell)
        assert str(error) == f"unknown flag {flag}"
        assert near in error.hint


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--temperature", "--temperature needs a value"),
        ("-m", "-m needs a value"),
        ("--temperature hot", "--temperature must be a number. Given: 'hot'"),
        ("--top-p 1", "--top-p must be > 0.0 and < 1.0. Given: 1.0"),
        ("--top_k 0", "--top_k must be strictly positive. Given: 0"),
        ("--max-new-tokens 2.5", "--max-new-tokens must be a whole number. Given: '2.5'"),
        ("--stop ''", "--stop must be a list of texts, none of them empty"),
        ("--do-sample=perhaps", "--do-sample must be true or false. Given: 'perhaps'"),
        ("--format html", "--format must be one of markdown, text, json, code, df, tokens, none"),
        ("--grammar x", "--grammar must be a JSON object"),
        ("--seed 1..x", "--seed"),
        ("--temperature 0.2,,0.7", "--temperature"),
        ("-o a -o b", "-o is given twice"),
        ("--param x", "--param x: write it as name=value"),
        ("--param =x", "--param =x: write it as name=value"),
        ("--header :x", "write it as 'Name: value'"),
        ("--seed -1", "--seed must be >= 0 and < 18446744073709551616. Given: -1"),
        ("--timeout 0", "--timeout must be strictly positive"),
        ("--retries -1", "--retries must be >= 0. Given: -1"),
    ],
)
def test_values_that_do_not_fit_are_refused(line: str, says: str) -> None:
    """A wrong value is an error in the words of the flag as typed."""
    assert says in str(refused(line))


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("--param min_p=0.1", {"min_p": 0.1}),
        ("--param min_p = ", None),
        ("--param name=text --param flag=true", {"name": "text", "flag": True}),
        ("""--param 'list=[1, 2]' --param "object={'a': 1}" """, {"list": [1, 2], "object": {"a": 1}}),
        ("--param text=a=b", {"text": "a=b"}),
        ("--param=min_p=0.1", {"min_p": 0.1}),
        ("--param none=null", {"none": None}),
    ],
)
def test_unknown_parameters_can_be_sent_on_purpose(line: str, extra: dict[str, Any] | None) -> None:
    """`--param` takes what nbinfer does not know; its value is JSON where it can be, else text."""
    if extra is None:
        refused(line)
    else:
        assert cell(line).options["extra"] == extra


def test_known_parameters_may_come_the_same_way() -> None:
    """A parameter that nbinfer knows is checked and sent as such, not beside itself."""
    found = cell("--param top_k=5 --param stop_sequences=x")
    assert found.parameters == {"top_k": 5, "stop_sequences": "x"}
    assert "extra" not in found.options


def test_headers_are_read() -> None:
    """Names are lower-cased, values keep their colons; several flags make several headers."""
    found = cell("--header 'X-Use-Cache: 0' --header 'X-A:b:c'")
    assert found.options["headers"] == {"x-use-cache": "0", "x-a": "b:c"}


def test_a_header_without_a_colon_is_not_repeated() -> None:
    """What should have been a header may be a key: the error does not show it."""
    assert "hf_secret" not in "".join(refused("--header 'Bearer hf_secret'").lines())


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        ("Tell me a story", "Tell me a story"),
        ("-m gpt2 What's up?", "What's up?"),
        ("--stop x I don't think it isn't   so", "I don't think it isn't   so"),
        ("What's --temperature 5?", "What's --temperature 5?"),
        ('say "hello" -m x', 'say "hello" -m x'),
        ("'quoted' prompt", "'quoted' prompt"),
        ("--top-k 5 {{ x }} and {y}", "{{ x }} and {y}"),
        ("-m gpt2   a  b ", "a  b"),
        ("it << x", "it << x"),
        ("-f text Don't", "Don't"),
        (r"a\nb \ c", r"a\nb \ c"),
        ('an "open quote', 'an "open quote'),
        ("generate a poem", "generate a poem"),
        ("é🐦 x", "é🐦 x"),
    ],
)
def test_the_first_word_that_is_no_flag_begins_the_prompt(line: str, prompt: str) -> None:
    """In the line form the prompt is taken as typed, apostrophes, quotes, dashes and blanks included."""
    assert read(line, is_cell=False).prompt == prompt


@given(
    st.text(alphabet="ab'\" \\-{}\t$", min_size=1).filter(
        lambda text: text.strip() and not text.strip().startswith("-")
    )
)
def test_any_prompt_is_taken_as_typed(prompt: str) -> None:
    """Whatever is in a line after its flags is the prompt, blanks at its ends apart."""
    found = read(f"-m gpt2 {prompt}", is_cell=False)
    assert (found.prompt, found.options["model"], found.task) == (prompt.strip(), "gpt2", "text-generation")


def test_a_semicolon_at_the_end_silences() -> None:
    """`;` at the end of the line is no part of it; elsewhere it is text."""
    assert cell("-m gpt2;").silent
    assert cell("-m gpt2 ; ").options["model"] == "gpt2"
    assert not cell("--stop ';' -m gpt2").silent
    assert read("Hello;", is_cell=False).silent


@given(line=st.text(max_size=40), is_cell=st.booleans())
def test_no_line_breaks_the_reader(line: str, *, is_cell: bool) -> None:
    """Any line is read or refused with an error of one to four lines."""
    try:
        read(line, is_cell=is_cell)
    except ParameterError as error:
        assert 1 <= len(error.lines()) <= 4  # noqa: PT017 - either is right


def test_the_help_names_every_flag() -> None:
    """`--help` lists each flag once with its sentence, range and default."""
    text = help_text()
    for row in (*cell_rows().values(), *table(TextGeneration).values()):
        assert f"{row.flag} " in text
        assert row.description in text
    assert "default 256" in text
    assert "> 0.0 and < 1.0" in text
    assert max(map(len, text.splitlines())) < 200
