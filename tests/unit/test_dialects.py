import pytest

from nbinfer.dialects import COMPLETIONS, chat, completion, grammar, native, response_format
from nbinfer.errors import ParameterError
from nbinfer.params import Chat, TextGeneration, table

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
OF_KIND = {int: 3, float: 0.5, bool: True, str: "x", list[str]: ["x"], dict: SCHEMA}


def value(row):
    """Return a value that a row allows."""
    return OF_KIND.get(row.type, [{}] if "list" in str(row.type) else "auto")


@pytest.mark.parametrize("name", table(TextGeneration))
def test_nothing_is_dropped_in_silence(name):
    """Every option of text generation is sent under some name, done here, or named in a notice, in both dialects."""
    row = table(TextGeneration)[name]
    given = {name: value(row)}
    for write, names in ((native, {name: name}), (completion, COMPLETIONS)):
        body, notices = write(given)
        named = any(name in notice for notice in notices)
        said = names.get(name) in body or (name == "do_sample" and "temperature" not in body)
        assert said or named or not row.sent or name == "return_full_text"
        assert None not in body.values()


@pytest.mark.parametrize("name", table(Chat))
def test_every_option_of_chat_is_sent(name):
    """A chat's options go out under their own names, but for what nbinfer does itself."""
    row = table(Chat)[name]
    assert (name in chat({name: value(row)})) == row.sent


@pytest.mark.parametrize(
    ("given", "temperature"),
    [
        ({}, 0),
        ({"temperature": 0}, 0),
        ({"temperature": 0.5}, 0.5),
        ({"top_p": 0.9}, None),
        ({"do_sample": True}, None),
    ],
)
def test_a_completion_samples_only_when_asked_to(given, temperature):
    """OpenAI's servers sample when nothing is said: greedy is said as temperature 0."""
    assert completion(given)[0].get("temperature") == temperature


@pytest.mark.parametrize(
    "given",
    [
        SCHEMA,
        {"type": "json", "value": SCHEMA},
        {"type": "json_object", "value": SCHEMA},
        {"type": "json_schema", "value": {"name": "a", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    ],
)
def test_a_schema_has_one_meaning_in_every_spelling(given):
    """TGI gets type and value, OpenAI's servers a named schema, whichever way it was written; None inside stays."""
    assert grammar(given) == {"type": "json", "value": SCHEMA}
    written = response_format(given)
    assert written["type"] == "json_schema"
    assert written["json_schema"]["schema"] == SCHEMA
    assert written["json_schema"]["name"]


def test_what_is_no_schema_stays_as_it_is():
    """Plain JSON and text are the same everywhere; a regex is TGI's alone."""
    for given in ({"type": "json_object"}, {"type": "text"}):
        assert grammar(given) == response_format(given) == given
    assert grammar({"type": "regex", "value": "a+"}) == {"type": "regex", "value": "a+"}
    with pytest.raises(ParameterError, match="regex"):
        response_format({"type": "regex", "value": "a+"})
