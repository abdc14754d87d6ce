from types import SimpleNamespace
from typing import Any

import jinja2
import jinja2.sandbox
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer.errors import TemplateError
from nbinfer.results import TextResult
from nbinfer.templates import LLAMA2_TAGS, TEMPLATES, interpolate, llama2_chat, wrapped

Message = dict[str, str]

# The template in tokenizer_config.json of Hugging Face's Llama 2 chat models.
HF_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

texts = st.text(alphabet=st.sampled_from("ab \n\t.é🐦<[/{}%\u2028\u00a0"), max_size=12)


def turn(role: str, content: str) -> Message:
    """Return one message."""
    return {"role": role, "content": content}


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Return a conversation that ends with the user."""
    count = draw(st.integers(0, 3))
    messages = [turn(("user", "assistant")[n % 2], draw(texts)) for n in range(2 * count + 1)]
    return [turn("system", draw(texts)), *messages] if draw(st.booleans()) else messages


# --- interpolation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {{ name }}!", "Hello Ada!"),
        ("{{name}}{{  name\t}}", "AdaAda"),
        ("{{ rows[0]['title'] }} and {{ rows[-1].title }}", "one and two"),
        ("{{ point.x }}, {{ words[1:] }}, {{ words[::-1] }}", "3, ['b', 'c'], ['c', 'b', 'a']"),
        ("{{ table.shape }} {{ table['n'] }}", "(2, 1) 0    1\n1    2\nName: n, dtype: int64"),
        ("{{ words[point.x - 1] }}", None),
        ("{{ result }}", "the answer"),
        ("{{ nothing }}", "None"),
        ("{{ array[1, 0] }}", None),
        ("{{ array[1] }}", "[3 4]"),
        ("{{ 'a' }} {{ 1 }}", "a 1"),
    ],
)
def test_names_attributes_and_items_are_filled_in(text: str, expected: str | None) -> None:
    """An expression is a name, its attributes and its items; computing anything is refused."""
    variables = {
        "name": "Ada",
        "rows": [{"title": "one"}, SimpleNamespace(title="two")],
        "point": SimpleNamespace(x=3),
        "words": ["a", "b", "c"],
        "table": pd.DataFrame({"n": [1, 2]}),
        "array": np.array([[1, 2], [3, 4]]),
        "result": TextResult("the answer", model="m"),
        "nothing": None,
    }
    if expected is None:
        with pytest.raises(TemplateError):
            interpolate(text, variables)
    else:
        assert interpolate(text, variables) == expected


@given(st.text(alphabet="a{}% \n"))
def test_single_braces_stay(text: str) -> None:
    """A text without double opening braces is sent to the letter: code, JSON and f-strings stay what they are."""
    single = text.replace("{{", "{ ")
    assert interpolate(single, {}) == single


@given(st.text(), st.text())
def test_values_are_not_looked_at_again(value: str, other: str) -> None:
    """What a variable holds is text, also when it looks like an expression or a reference to a group."""
    variables = {"value": value + "{{ other }}\\1\\g<0>", "other": other}
    assert interpolate("a{{ value }}b{{ other }}", variables) == f"a{variables['value']}b{other}"


@pytest.mark.parametrize(
    "expression",
    [
        *("f()", "f", "x.upper()", "[1].append(2)", "lambda: 1", "x if x else x", "x + x", "not x", "-x", "(x := 1)"),
        *("[y for y in x]", "f'{x}'", "x.__class__", "x._private", "x.__class__.__mro__", "x[0].__doc__", "x[f()]"),
        *("", "  ", "x y", "x.", "1x", "{x", "import os", "x; x", "*x", "await x", "[x]", "{}", "x\0"),
    ],
)
def test_nothing_is_computed(expression: str) -> None:
    """Calls, operators, private attributes and all else that is no name, attribute or item are refused, and not run."""
    called: list[int] = []

    def f() -> int:
        called.append(1)
        return 0

    variables: dict[str, Any] = {"x": "text", "f": f} if expression != "f" else {"x": "text"}
    with pytest.raises(TemplateError) as caught:
        interpolate("{{ " + expression + " }}", variables)
    assert not called
    assert caught.value.hint
    assert len(caught.value.lines()) <= 4


def test_undefined_names_are_named_with_the_nearest() -> None:
    """An undefined name is an error that says which, and what was perhaps meant."""
    with pytest.raises(TemplateError, match=r"`questoin` in \{\{ questoin\.text \}\} is not defined") as caught:
        interpolate("{{ questoin.text }}", {"question": 1, "_question": 2})
    assert caught.value.hint == "Did you mean question?"
    with pytest.raises(TemplateError) as caught:
        interpolate("{{ zzz }}", {"question": 1})
    assert "--raw" in caught.value.hint


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("rows[9]", "IndexError"),
        ("row['a']", "KeyError: 'a'"),
        ("rows.a", "AttributeError"),
        ("bad.value", "RuntimeError: no"),
    ],
)
def test_what_fails_is_told(expression: str, says: str) -> None:
    """An item or attribute that is not there, or fails, is told with the expression."""

    class Bad:
        @property
        def value(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(TemplateError, match=r"\{\{ .* \}\} failed: ") as caught:
        interpolate("{{ " + expression + " }}", {"rows": [], "row": {}, "bad": Bad()})
    assert says in str(caught.value)


def test_a_value_that_cannot_be_shown_is_told() -> None:
    """An object whose text fails is an error of the template, not a traceback from inside."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(TemplateError, match=r"\{\{ mute \}\} failed: RuntimeError: no words"):
        interpolate("{{ mute }}", {"mute": Mute()})


def test_an_expression_ends_on_its_line() -> None:
    """Braces that do not close on their line are text."""
    assert interpolate("{{ a\n}} {{", {}) == "{{ a\n}} {{"


# --- Llama 2


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([turn("user", "U1")], "<s>[INST] U1 [/INST]"),
        ([turn("system", "S"), turn("user", "U1")], "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST]"),
        (
            [turn("system", "S"), turn("user", "U1"), turn("assistant", "A1"), turn("user", "U2")],
            "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST] A1 </s><s>[INST] U2 [/INST]",
        ),
        (
            [turn("user", " U1\n"), turn("assistant", " A1 "), turn("user", "\tU2 ")],
            "<s>[INST] U1 [/INST] A1 </s><s>[INST] U2 [/INST]",
        ),
        ([turn("user", "U"), turn("assistant", ""), turn("user", "V")], "<s>[INST] U [/INST]  </s><s>[INST] V [/INST]"),
        ([turn("system", ""), turn("user", "U")], "<s>[INST] <<SYS>>\n\n<</SYS>>\n\nU [/INST]"),
        ([turn("system", " S\n"), turn("user", " U ")], "<s>[INST] <<SYS>>\n S\n\n<</SYS>>\n\n U [/INST]"),
    ],
)
def test_llama2_chat_is_the_reference_to_the_letter(messages: list[Message], expected: str) -> None:
    """Turns are joined as by Meta's code: folded system text untrimmed, turns trimmed, nothing after the last tag."""
    assert llama2_chat(messages) == expected


@given(conversations())
def test_llama2_chat_is_what_the_hub_template_gives(messages: list[Message]) -> None:
    """Any conversation is rendered exactly as by the chat template that Hugging Face ships with the models."""
    rendered = environment.from_string(HF_TEMPLATE).render(messages=messages, bos_token="<s>", eos_token="</s>")
    if any(tag in message["content"] for message in messages for tag in LLAMA2_TAGS):
        with pytest.raises(TemplateError):
            llama2_chat(messages)
    else:
        assert llama2_chat(messages) == rendered


@pytest.mark.parametrize(
    "roles",
    [
        *([], ["system"], ["assistant"], ["user", "user"], ["user", "assistant"], ["user", "system", "user"]),
        *(["system", "assistant", "user"], ["system", "system", "user"], ["user", "assistant", "assistant", "user"]),
        ["tool"],
    ],
)
def test_roles_must_alternate_and_end_with_the_user(roles: list[str]) -> None:
    """Any other order of roles is refused, in the reference's words."""
    with pytest.raises(TemplateError, match="model only supports 'system', 'user' and 'assistant' roles"):
        llama2_chat([turn(role, "x") for role in roles])


@pytest.mark.parametrize("tag", ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<unk>"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_tags_in_a_text_are_refused(tag: str, place: int) -> None:
    """A text that holds one of the format's own tags could pose as another role: refused with tag and position."""
    messages = [turn("system", "S"), turn("user", "U"), turn("assistant", "A"), turn("user", "V")]
    messages[place]["content"] = f"ab{tag}c"
    with pytest.raises(TemplateError) as caught:
        llama2_chat(messages)
    assert f"the tag {tag} at position 2" in str(caught.value)


def test_a_template_by_name_wraps_one_question() -> None:
    """`llama2-chat` makes a prompt one user message, without the first <s>, which the server's tokenizer adds."""
    assert wrapped("llama2-chat", "Why?") == "[INST] Why? [/INST]"


def test_an_unknown_template_names_the_nearest() -> None:
    """A misspelt template is an error that names what was meant."""
    with pytest.raises(TemplateError, match="no template is called `llama2`") as caught:
        wrapped("llama2", "Why?")
    assert "llama2-chat" in caught.value.hint


def test_every_template_keeps_the_prompt() -> None:
    """Whatever the format, the question is in it."""
    assert all("Why is it so?" in wrapped(name, "Why is it so?") for name in TEMPLATES)
