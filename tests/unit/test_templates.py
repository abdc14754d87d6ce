import functools
import http.server
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer import sandbox, templates
from nbinfer.errors import InferError, ModelNotFoundError, TemplateError
from nbinfer.templates import (
    CODE_LLAMA_TAGS,
    LLAMA2_TAGS,
    TEMPLATES,
    begun,
    chat_template,
    code_llama_70b_chat,
    code_llama_chat,
    form_called,
    form_of,
    llama2_chat,
    render_chat,
)

Message = dict[str, Any]
ALTERNATE = (
    "model only supports 'system', 'user' and 'assistant' roles, "
    "starting with 'system', then 'user' and alternating (u/a/u/a/u...)"
)

# The templates in tokenizer_config.json of Hugging Face's Llama 2 chat models and of Code Llama Instruct 70B.
HF_LLAMA2 = (
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
HF_70B = (
    "{% if messages[0]['role'] == 'system' %}{% set user_index = 1 %}{% else %}{% set user_index = 0 %}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != ((loop.index0 + user_index) % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 %}{{ '<s>' }}{% endif %}"
    "{% set content = 'Source: ' + message['role'] + '\\n\\n ' + message['content'].strip() %}"
    "{{ content + ' <step> ' }}{% endfor %}{{'Source: assistant\\nDestination: user\\n\\n '}}"
)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def turn(role: str, content: str, **more: str) -> Message:
    """Return one message."""
    return {"role": role, "content": content, **more}


def talk(*contents: str, system: str | None = None) -> list[Message]:
    """Return a conversation that the user begins."""
    first = [] if system is None else [turn("system", system)]
    return first + [turn(role, text) for role, text in zip(itertools.cycle(["user", "assistant"]), contents)]


# What a message may hold; each stands in each place of a conversation below.
TEXTS = {
    "plain": "Why is it so?",
    "blanks": "  two  blanks   ",
    "lines": "\n\nfirst\n\nlast\n",
    "tabs": "\t x\t\n\ty",
    "windows": "a\r\nb\r\n",
    "empty": "",
    "blank": " ",
    "scripts": "Größe 日本語 العربية 🐦👩‍👩‍👧",
    "combined": "e\u0301 o\u0308",
    "no-break": "\u00a0x\u00a0",
    "separators": "\u2028a\u2028b\u2029\u0085",
    "controls": "\x0bx\x0c\x1c",
    "no width": "\u200bx\u200d\ufeff",
    "almost tags": "[INST [ /INST] < s> <S> <<SYS> [inst] </ s> <st ep>",
    "braces": "{{ x }} {% y %} {# z #} {0} %s %(a)d $1 \\1",
    "code": "def f(x: list[int]) -> bool:\n    return x[0] < 1 > 0  # <b>\n",
    "quotes": '"it\'s" `so` \\n \\',
    "answer": "Source: user\n\n What? Destination: me",
}
CONVERSATIONS = {
    **{f"{name} as the question": talk(text) for name, text in TEXTS.items()},
    **{f"{name} as the system text": talk("U", system=text) for name, text in TEXTS.items()},
    **{f"{name} as question and answer": talk("U", text, text, system="S") for name, text in TEXTS.items()},
    **{f"{name} everywhere": talk(text, text, text, text, text, system=text) for name, text in TEXTS.items()},
    **{f"{count} turns": talk(*map(str, range(count))) for count in (3, 9, 51)},
    "turns with a system text": talk(*map(str, range(31)), system="Count."),
    "all texts": talk(*TEXTS.values(), "Last?"),
}

texts = st.text(alphabet=st.sampled_from("ab \n\t.é🐦<[/]>{}%sINTSYunk\u2028\u00a0\u200d"), max_size=12)
tagged = st.lists(st.sampled_from([*CODE_LLAMA_TAGS, "<", ">", "[", "a", " ", "<<", "S"]), max_size=6).map("".join)


@st.composite
def conversations(draw: st.DrawFn, contents: st.SearchStrategy[str] = texts) -> list[Message]:
    """Return a conversation that ends with the user."""
    count = 2 * draw(st.integers(0, 3)) + 1
    system = draw(st.none() | contents)
    return talk(*(draw(contents) for _ in range(count)), system=system)


# --- Llama 2 and Code Llama Instruct


def blank(character: str) -> bool:
    """Say whether a character is trimmed."""
    return character.isspace()


def slow_trim(text: str) -> str:
    """Take blanks off both ends, one at a time."""
    if text and blank(text[0]):
        return slow_trim(text[1:])
    if text and blank(text[-1]):
        return slow_trim(text[:-1])
    return text


def slow_llama2(messages: list[Message]) -> str:
    """Write a prompt piece by piece, in an own way for each kind of message."""
    pieces: list[str] = []
    system: str | None = None
    for message in messages:
        if message["role"] == "system":
            system = message["content"]
        elif message["role"] == "user":
            folded = message["content"]
            if system is not None:
                folded = "<<SYS>>" + "\n" + system + "\n" + "<</SYS>>" + "\n" + "\n" + folded
                system = None
            pieces += ["<s>", "[INST]", " ", slow_trim(folded), " ", "[/INST]"]
        else:
            pieces += [" ", slow_trim(message["content"]), " ", "</s>"]
    return "".join(pieces)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (talk("U1"), "<s>[INST] U1 [/INST]"),
        (talk("U1", system="S"), "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST]"),
        (
            talk("U1", "A1", "U2", system="S"),
            "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST] A1 </s><s>[INST] U2 [/INST]",
        ),
        (talk(" U1\n", " A1 ", "\tU2 "), "<s>[INST] U1 [/INST] A1 </s><s>[INST] U2 [/INST]"),
        (talk("U", "", "V"), "<s>[INST] U [/INST]  </s><s>[INST] V [/INST]"),
        (talk("U", system=""), "<s>[INST] <<SYS>>\n\n<</SYS>>\n\nU [/INST]"),
        (talk(" U ", system=" S\n"), "<s>[INST] <<SYS>>\n S\n\n<</SYS>>\n\n U [/INST]"),
    ],
)
def test_llama2_chat_is_the_reference_to_the_letter(messages: list[Message], expected: str) -> None:
    """Turns are joined as by Meta's code: folded system text untrimmed, turns trimmed, nothing after the last tag."""
    assert llama2_chat(messages) == code_llama_chat(messages) == expected


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_conversation_is_rendered_alike_by_all(name: str) -> None:
    """Ours, a slow renderer written from the format, and the hub's own templates write the same prompts."""
    messages = CONVERSATIONS[name]
    assert llama2_chat(messages) == slow_llama2(messages) == render_chat(messages, HF_LLAMA2, **TOKENS)
    assert code_llama_70b_chat(messages) == render_chat(messages, HF_70B)


def test_there_are_enough_conversations() -> None:
    """The table has at least sixty conversations, all different."""
    assert len({json.dumps(messages) for messages in CONVERSATIONS.values()}) == len(CONVERSATIONS) >= 60


@given(conversations())
def test_any_conversation_is_rendered_as_by_the_hubs_templates(messages: list[Message]) -> None:
    """Any conversation without tags gives exactly what the chat templates of the models give; with tags, an error."""
    if any(tag in message["content"] for message in messages for tag in LLAMA2_TAGS):
        with pytest.raises(TemplateError, match="contains the tag"):
            llama2_chat(messages)
    else:
        assert llama2_chat(messages) == slow_llama2(messages) == render_chat(messages, HF_LLAMA2, **TOKENS)
        assert code_llama_70b_chat(messages) == render_chat(messages, HF_70B)


@given(conversations())
def test_a_prompt_can_be_read_back(messages: list[Message]) -> None:
    """What was rendered falls apart into the same messages, less the blanks that the format trims."""
    found: list[Message] = []
    for segment in llama2_chat(messages, escape=True).split("<s>")[1:]:
        question, answer = re.fullmatch(r"\[INST\] (.*) \[/INST\](?: (.*) </s>)?", segment, re.DOTALL).groups()
        if folded := re.fullmatch(r"<<SYS>>\n(.*)\n<</SYS>>(?:\n\n(.*))?", question, re.DOTALL):
            found.append(turn("system", folded[1]))
            question = folded[2] or ""
        found += [turn("user", question), *([] if answer is None else [turn("assistant", answer)])]
    expected = [turn(message["role"], escape(message["content"])) for message in messages]
    for place, message in enumerate(expected):
        # The system text is not trimmed, nor is what stands behind it on its left.
        after_system = place == 1 and expected[0]["role"] == "system"
        if message["role"] != "system":
            message["content"] = message["content"].rstrip() if after_system else message["content"].strip()
    assert found == expected


def escape(text: str) -> str:
    """Break up the tags of a text with the joiner after their first character."""
    return functools.reduce(lambda found, tag: found.replace(tag, f"{tag[0]}\u200d{tag[1:]}"), LLAMA2_TAGS, text)


def test_code_llama_70b_is_the_reference_to_the_letter() -> None:
    """Each message names its source, and its destination where it has one; the last line asks for the answer."""
    asked = [
        turn("system", " S "),
        turn("user", " U\n"),
        turn("assistant", "A", destination=" user "),
        turn("user", "V"),
    ]
    assert code_llama_70b_chat(asked) == (
        "<s>Source: system\n\n S <step> Source: user\n\n U <step> Source: assistant\nDestination: user\n\n A <step> "
        "Source: user\n\n V <step> Source: assistant\nDestination: user\n\n "
    )
    assert code_llama_70b_chat(talk("U")) == ("<s>Source: user\n\n U <step> Source: assistant\nDestination: user\n\n ")


@pytest.mark.parametrize("chat", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ("user user", ALTERNATE),
        ("assistant", ALTERNATE),
        ("assistant user", ALTERNATE),
        ("user system user", ALTERNATE),
        ("system assistant user", ALTERNATE),
        ("system system user", ALTERNATE),
        ("user assistant assistant user", ALTERNATE),
        ("user assistant system", ALTERNATE),
        ("tool", ALTERNATE),
        ("system tool", ALTERNATE),
        ("User", ALTERNATE),
        ("user assistant", "Last message must be from user, got assistant"),
        ("system user assistant", "Last message must be from user, got assistant"),
        ("system", "Last message must be from user, got system"),
        ("", "there are no messages"),
    ],
)
def test_other_orders_of_roles_are_refused(chat: templates.Format, roles: str, words: str) -> None:
    """Roles out of order, a last message that is not the user's, and no messages are told in the reference's words."""
    with pytest.raises(TemplateError) as caught:
        chat([turn(role, "x") for role in roles.split()])
    assert str(caught.value) == words


@pytest.mark.parametrize("messages", [[{"role": "user"}], [{"role": "user", "content": [{"type": "text"}]}], [{}]])
def test_what_is_no_text_is_refused(messages: list[Message]) -> None:
    """A message without a role or without a text is an error of the template, not one from inside."""
    with pytest.raises(TemplateError):
        llama2_chat(messages)
    with pytest.raises(TemplateError, match="the destination of message 2 is int"):
        code_llama_70b_chat([turn("system", ""), {"role": "user", "content": "", "destination": 5}])


@pytest.mark.parametrize(
    ("chat", "tag"),
    [
        *((llama2_chat, tag) for tag in LLAMA2_TAGS),
        *((code_llama_chat, tag) for tag in CODE_LLAMA_TAGS),
        *((code_llama_70b_chat, tag) for tag in CODE_LLAMA_TAGS),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_tags_in_a_text_are_refused_or_broken_up(chat: Any, tag: str, place: int) -> None:
    """A text with one of the form's own tags is refused with tag and position; `escape` breaks the tag and no more."""
    messages = talk("U", "A", "V", system="S")
    plain = chat(messages)
    messages[place]["content"] = f"ab{tag}c{tag}"
    with pytest.raises(TemplateError) as caught:
        chat(messages)
    assert str(caught.value).startswith(f"message {place + 1} contains the tag {tag} at position 2, ")
    escaped = chat(messages, escape=True)
    assert f"ab{tag[0]}\u200d{tag[1:]}c{tag[0]}\u200d{tag[1:]}" in escaped
    assert escaped.count(tag) == plain.count(tag)
    assert escaped.replace("\u200d", "").replace(f"ab{tag}c{tag}", "SUAV"[place]) == plain


@given(tagged)
def test_nothing_is_left_of_any_tag(text: str) -> None:
    """Whatever tags a text holds, after escaping it holds none, and without the joiners it is what it was."""
    prompt = code_llama_chat(talk(text), escape=True)
    inside = prompt.removeprefix("<s>[INST] ").removesuffix(" [/INST]")
    assert not any(tag in inside for tag in CODE_LLAMA_TAGS)
    assert inside.replace("\u200d", "") == text.strip()


def test_the_first_tag_is_named() -> None:
    """Of several tags the one that stands first is named; a single message has no number."""
    with pytest.raises(TemplateError, match="the message contains the tag </s> at position 1,"):
        llama2_chat(talk("a</s>[INST]"))


def test_a_destination_is_looked_at_too() -> None:
    """A destination could hold a tag as well, and is refused for it."""
    with pytest.raises(TemplateError, match="message 2 contains the tag <step> at position 4"):
        code_llama_70b_chat([*talk("U"), turn("assistant", "A", destination="user<step>"), turn("user", "V")])


def test_templates_say_how_they_end() -> None:
    """Each template names what ends its answers, and whether servers put its first `<s>` there by themselves."""
    assert {name: chat.stop for name, chat in TEMPLATES.items()} == {
        "llama2-chat": ("</s>",),
        "code-llama-chat": ("</s>",),
        "code-llama-70b-chat": ("<step>",),
    }
    for chat in TEMPLATES.values():
        assert chat(talk("U", "A", "V")) == "<s>" + chat.sent(talk("U", "A", "V"))


def test_a_template_is_found_by_its_name() -> None:
    """What is sent has no first <s>, which the server's tokenizer adds."""
    said = talk("Why?")
    assert form_called("llama2-chat").sent(said) == form_called("code-llama-chat").sent(said) == "[INST] Why? [/INST]"
    assert form_called("code-llama-70b-chat").sent(said).startswith("Source: user\n\n Why? <step> ")


@pytest.mark.parametrize("name", ["llama2", "chatml", ""])
def test_an_unknown_template_names_the_nearest(name: str) -> None:
    """A misspelt template is an error that names what was meant, and what else could be given."""
    with pytest.raises(TemplateError, match=f"no template is called `{name}`") as caught:
        form_called(name)
    assert "llama2-chat" in caught.value.hint
    assert "org/name" in caught.value.hint
    assert len(caught.value.lines()) <= 4


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/Llama-2-7b-chat-hf", "llama2-chat"),
        ("TheBloke/Llama-2-70B-Chat-GPTQ", "llama2-chat"),
        ("codellama/CodeLlama-34b-Instruct-hf", "code-llama-chat"),
        ("meta-llama/CodeLlama-70b-Instruct-hf", "code-llama-70b-chat"),
        ("meta-llama/Llama-2-7b-hf", None),
        ("codellama/CodeLlama-7b-hf", None),
        ("meta-llama/Llama-3.3-70B-Instruct", None),
        ("", None),
    ],
)
def test_a_models_name_tells_its_form(model: str, name: str | None) -> None:
    """Chat models of Llama 2 and Code Llama have the forms declared here, others are not guessed."""
    assert form_of(model) == name


CHATML = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant"
)


def test_a_models_own_template_is_sent_like_the_declared_ones(tmp_path: Path) -> None:
    """From a folder it comes without the begin token, ends at the end token, and keeps its tags to itself."""
    settings = {"chat_template": CHATML, "bos_token": "<|begin|>", "eos_token": {"content": "<|im_end|>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    form = form_called(str(tmp_path))
    assert form(talk("Why?")) == "<|begin|>" + form.sent(talk("Why?"))
    assert form.sent(talk("Why?")) == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant"
    assert form.stop == ("<|im_end|>",)
    for tag in ("<|im_end|>", "<|im_start|>", "<|begin|>"):
        with pytest.raises(TemplateError, match=r"message 3 contains the tag .* at position 2"):
            form.sent(talk("U", "A", f"V {tag}"))
        assert f"V {tag[0]}\u200d{tag[1:]}<|im_end|>" in form.sent(talk(f"V {tag}"), escape=True)


def test_a_jinja_text_is_a_form_too() -> None:
    """What looks like Jinja is taken as such; its own marks are its tags, and <s> is not sent."""
    form = form_called("<s>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}")
    assert form.sent(talk("Why?")) == "<|user|>Why?<|end|>"
    with pytest.raises(TemplateError, match=re.escape("tag <|end|>")):
        form.sent(talk("Why? <|end|>"))


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("<s>[INST] U [/INST]", "[INST] U [/INST]"), ("[INST] U [/INST]", "[INST] U [/INST]"), (" <s>", " <s>")],
)
def test_a_typed_begin_token_is_not_sent_twice(typed: str, sent: str) -> None:
    """The one at the very beginning goes, and is spoken of; nothing else changes."""
    prompt, notices = begun(typed)
    assert prompt == sent
    assert len(notices) == (typed != sent)


def test_every_template_keeps_the_prompt() -> None:
    """Whatever the format, the question is in it."""
    assert all("Why is it so?" in form.sent(talk("Why is it so?")) for form in TEMPLATES.values())


# --- A model's own template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ messages[0].content }}{{ messages[-1]['role'] }}", "Uuser"),
        ("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.content }}{% endfor %}", "AV"),
        ("{% for m in messages %}{{ m.content }}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}", "UA"),
        ("  {% if true %}\n  a\n  {% endif %}\n b", "  a\n b"),
        ("a{% generation %}{% for m in messages %}{{ m.content }}{% endfor %}{% endgeneration %}b", "aUAVb"),
        ("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "21"),
        ("{{ {'b': 'é<>&\\'', 'a': [1, none, true]} | tojson }}", '{"b": "é<>&\'", "a": [1, null, true]}'),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}", '{"a":2,"b":1}'),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{{ 'é' | tojson(ensure_ascii=true) }}", '"\\u00e9"'),
        ("{{ tools is none }} {{ documents is none }} {{ add_generation_prompt }}", "True True True"),
        ("{{ missing is defined }}{{ missing }}{{ none }}", "FalseNone"),
        ("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "3"),
        ("{% macro f(x, y=2) %}[{{ x }}{{ y }}]{% endmacro %}{{ f(1) }}{{ f(y=3, x=4) }}", "[12][43]"),
        ("{% macro f(x) %}[{{ x }}{{ caller() }}]{% endmacro %}{% call f(2) %}c{% endcall %}", "[2c]"),
        ("{{ messages | map(attribute='content') | join(', ') }}{{ messages | length }}", "U, A, V3"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages[::-1][0].content }}", "2V"),
        ("{{ ['a', 'b'] + ['c'] }}{{ 'a' ~ 1 ~ none }}{{ 2 ** 8 }}{{ '-' * 3 }}", "['a', 'b', 'c']a1None256---"),
        ("{{ '%s|%03d' % ('x', 7) }}{{ '{} {a:>3}'.format(1, a=2) }}{{ '%.2f' | format(1) }}", "x|0071   21.00"),
        ("{{ 'a\nb' | indent(2) }}{{ 'x'.center(3) }}{{ 7.25 | round(1) }}{{ 5 | round }}", "a\n  b x 7.25"),
        ("{{ 'aXbX'.replace('X', '--') }}{{ 'aXbX' | replace('X', '', 1) }}{{ 51 | replace(1, 2) }}", "a--b--abX52"),
        ("{{ [1, 2] | sum }}{{ ', '.join(['a', 'b']) }}{{ [1, 2] | join('-') }}", "3a, b1-2"),
        ("{{ [1, 2] | batch(1) | list }}{{ [1, 2] | slice(1) | list }}", "[[1], [2]][[1, 2]]"),
        ("{{ strftime_now('%%') }}{{ ns }}{{ namespace(a=1) }}{{ range(3) | list }}", "%<Namespace>[0, 1, 2]"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{{ (1, 2)[0] }}{{ 1 < 2 < 3 }}", "a11True"),
        ("{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}", "123"),
        ("{% filter upper %}a{% set x %}b{% endset %}{{ x }}{% endfilter %}{{ '<' | e }}{{ '<' | safe }}", "AB&lt;<"),
    ],
)  # fmt: skip
def test_templates_can_do_what_models_need(template: str, expected: str) -> None:
    """What templates of models do is done as transformers does it: blocks, filters, methods, loops that end early."""
    assert render_chat(talk("U", "A", "V"), template) == expected


SHAPES = {
    "ChatML": (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "Llama 3": (
        "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' }}"
        "{{- m.content | trim }}<|eot_id|>{% endfor %}"
    ),
    "Zephyr": (
        "{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\n' + m['content'] + eos_token }}\n"
        "{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
        "{% endfor %}"
    ),
    "OpenChat": (
        "{{ bos_token }}{% for m in messages %}{{ 'GPT4 Correct ' + m['role'].title() + ': ' + m['content'] + "
        "'<|end_of_turn|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}"
    ),
}
SHAPED = {
    "ChatML": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n",
    "Llama 3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
    ),
    "Zephyr": "<|user|>\nU</s>\n<|assistant|>\n",
    "OpenChat": ("<s>GPT4 Correct System: S<|end_of_turn|>GPT4 Correct User: U<|end_of_turn|>GPT4 Correct Assistant:"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_known_shapes_are_rendered(name: str) -> None:
    """Templates as models of today have them give the prompts that their cards show."""
    assert render_chat(talk("U", system="S"), SHAPES[name], **TOKENS) == SHAPED[name]


def test_variables_reach_the_template() -> None:
    """Tools, tokens and anything else by name are there; what is given goes before what is set by default."""
    shown = "{{ tools[0].name }} {{ eos_token }} {{ add_generation_prompt }} {{ enable_thinking }}"
    given = {"tools": [{"name": "f"}], "eos_token": "</s>", "add_generation_prompt": False, "enable_thinking": 1}
    assert render_chat(talk("U"), shown, **given) == "f </s> False 1"


def test_messages_stay_what_they_are() -> None:
    """A template cannot change the messages that it is given."""
    messages = talk("U", "A", "V")
    with pytest.raises(TemplateError, match="'append' of 'list' object is unsafe"):
        render_chat(messages, "{{ messages.append(1) }}")
    with pytest.raises(TemplateError, match="cannot assign attribute"):
        render_chat(messages, "{% set messages.x = 1 %}")
    assert messages == talk("U", "A", "V")


R = "range(100000)"


def loop(body: str, test: str = "") -> str:
    """Return a loop of the greatest length."""
    return f"{{% for i in range(100000){test} %}}{body}{{% endfor %}}"


LONG = "{% set b = 'a' * 900000 %}"
MUCH = "made more than 1 MB of text"
LATE = "did not end within"


def grown(start: str, following: str) -> str:
    """Return a template that makes a value larger and larger."""
    return f"{{% set ns = namespace(x={start}) %}}" + loop(f"{{% set ns.x = {following} %}}")


LISTS = f"{{% set x = {R} | list %}}{{% set y = {R} | list %}}"
ENDLESS = {
    "loops": loop(loop("")),
    "loops with a test": loop(loop("", " if false")),
    "loops in a marked block": "{% generation %}" + loop(loop("")) + "{% endgeneration %}",
    "loops that write": "{% set x %}" + loop(loop("aaaa")) + "{% endset %}",
    "comparing": LISTS + loop("", " if x == y"),
    "comparing in a row": LISTS + "{% set z = x == y %}" * 2400,
    "looking": LONG + "{% set z = 'b' in b ~ b ~ b ~ b ~ b ~ b ~ b ~ b %}" * 950,
    "slices": LONG + "{% set z = b[::-1] %}" * 2300,
    "calls": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "calls of calls": "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call f() %}" * 60
    + "x"
    + "{% endcall %}" * 60,
    "branches": "{% for x in range(90) recursive %}{% if loop.depth < 90 %}{{ loop(range(2)) }}{% endif %}{% endfor %}",
    "filters": f"{{% set x = {R} | map('string') | list %}}" + loop("{% set y = x | sort %}"),
    "tests": LONG + f"{{% set y = {R} | map('string') | select('in', b) | list %}}" * 90,
    "tests that fail": LONG + f"{{% set y = {R} | map('string') | reject('in', b) | list | length %}}" * 90,
    "cycles": "{% set c = cycler(1, 2) %}" + loop(loop("{% set x = c.next() %}")),
    "changes": loop(loop("{% if loop.changed(i) %}{% endif %}")),
}
GROWING = {
    "output": loop(loop("a" * 50)),
    "output in a block": "{% set x %}" + loop("a" * 50) + "{% endset %}",
    "output in a macro": "{% macro f() %}" + loop("a" * 50) + "{% endmacro %}{{ f() | length }}",
    "a filtered block": "{% filter replace('a', 'b' * 1000000) %}" + loop("a") + "{% endfilter %}",
    "times": "{{ 'a' * 1000000000 }}",
    "times a list": "{{ 1000000000 * [1] }}",
    "times times": "{{ ('a' * 100000 * 100000) | length }}",
    "times bytes": "{{ ('a'.encode() * 1000000000) | length }}",
    "times safe": "{{ ('a' | safe) * 1000000000 }}",
    "power": "{{ 9 ** 99999999 }}",
    "power of power": "{{ 9 ** (9 ** (9 ** 9)) }}",
    "minus power": "{{ -(9 ** 9999999) }}",
    "powers": grown("9", "ns.x ** 9"),
    "squares": grown("9", "ns.x * ns.x"),
    "joined": grown("'a'", "ns.x ~ ns.x"),
    "added": grown("'a'", "ns.x + ns.x"),
    "added lists": grown("[1]", "ns.x + ns.x"),
    "nested lists": grown("[1]", "[ns.x, ns.x]") + "{{ ns.x }}",
    "nested tuples": grown("[1]", "(ns.x, ns.x)") + "{{ ns.x | string }}",
    "nested objects": grown("[1]", "{'a': ns.x, 'b': ns.x}") + "{{ ns.x | tojson }}",
    "nested views": grown("{'a': 1}", "{'a': ns.x.items(), 'b': ns.x.items()}") + "{{ ns.x }}",
    "nested calls": grown("[1]", "dict(a=ns.x, b=ns.x)") + "{{ ns.x }}",
    "nested and equal": grown("[1]", "[ns.x, ns.x]") + "{{ ns.x == ns.x }}",
    "center": "{{ 'a' | center(1000000000) }}",
    "methods": "{{ 'a'.center(1000000000) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "rjust": "{{ 'a'.rjust(1000000000) }}",
    "zfill": "{{ 'a'.zfill(1000000000) }}",
    "expandtabs": "{{ '\\t'.expandtabs(1000000000) }}",
    "indent": "{{ 'a\nb' | indent(1000000000) }}",
    "indent with text": LONG + "{{ b.replace('a', '\n') | indent(b) }}",
    "width": "{{ '%1000000000d' % 1 }}",
    "width given": "{{ '%*d' % (1000000000, 1) }}",
    "width in braces": "{{ '{:1000000000}'.format(1) }}",
    "width in inner braces": "{{ '{:{}}'.format(1, 1000000000) }}",
    "width of bytes": "{{ '%1000000000d'.encode() % 1 }}",
    "width in a filter": "{{ '%1000000000d' | format(1) }}",
    "fields": LONG + "{{ ('%(a)s' * 100000) % {'a': b} }}",
    "fields in braces": LONG + "{{ ('{0}' * 100000).format(b) }}",
    "fields from a map": LONG + "{{ ('{a}' * 100000).format_map({'a': b}) }}",
    "replace": LONG + "{{ b.replace('a', b) }}",
    "replace in a filter": LONG + "{{ b | replace('a', b) }}",
    "replace nothing": LONG + "{{ b | replace('', b) }}",
    "replace by map": LONG + f"{{{{ {R} | map('replace', '1', b) | list | length }}}}",
    "join": LONG + f"{{{{ {R} | join(b) }}}}",
    "join lazily": LONG + f"{{{{ {R} | map('string') | join(b) }}}}",
    "join method": LONG + f"{{{{ b.join({R} | map('string')) }}}}",
    "join safely": LONG + f"{{{{ (b | safe).join({R} | map('string')) }}}}",
    "batch": "{{ [1] | batch(1000000000, 'x') | list | length }}",
    "slice": "{{ [1] | slice(1000000000) | list | length }}",
    "round": "{{ 5 | round(-1000000000) }}",
    "round up": "{{ 5.5 | round(1000000000, 'ceil') }}",
    "sum": "{{ ([[1]] * 500000) | sum(start=[]) | length }}",
    "to_bytes": "{{ (5).to_bytes(1000000000, 'big') | length }}",
    "translate": LONG + "{{ b.translate({97: b}) | length }}",
    "JSON with indents": "{{ [1] | tojson(indent=1000000000) }}",
    "JSON with separators": LONG + f"{{{{ {R} | list | tojson(separators=(b, b)) }}}}",
    "nested JSON": "{% set ns = namespace(x=[1]) %}{% for i in range(17) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
    "{{ ns.x | tojson(indent=90) }}",
    "many": LONG + loop("{% set x = b.replace('a', 'b') %}"),
    "many kept": LONG + "{{ ([b] * 9) | map('upper') | list | length }}" * 90,
    "constants": "{{ 'a' | center(9000000) | length }}" * 90,
    "escaped": LONG + "{{ b.replace('a', '&') | e | e | e | length }}" * 9,
    "escaped by itself": "{% autoescape true %}{% set x = '&' * 900000 %}{{ x }}{% endautoescape %}",
    "dates": "{{ strftime_now('%Y' * 4000000) }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_templates_that_do_not_end_are_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that computes without end is an error after its time, whether it writes anything or not."""
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    began = time.thread_time()
    with pytest.raises(TemplateError, match=f"{LATE} 0.2 seconds|{MUCH}") as caught:
        render_chat(talk("U"), ENDLESS[name])
    assert time.thread_time() - began < 2
    assert len(caught.value.lines()) <= 4


@pytest.mark.parametrize("name", GROWING)
def test_templates_that_grow_are_stopped(name: str) -> None:
    """A template that makes more and more, or one thing of a great size, is an error before it is made."""
    began = time.thread_time()
    with pytest.raises(TemplateError, match=MUCH):
        render_chat(talk("U"), GROWING[name])
    assert time.thread_time() - began < 4


def test_the_limits_are_those_that_are_told() -> None:
    """Without anyone's doing a template has 2 seconds and 1 MB; what just fits is written."""
    with pytest.raises(TemplateError, match="did not end within 2 seconds"):
        render_chat(talk("U"), ENDLESS["loops"])
    assert len(render_chat(talk("x" * 999_990), "{{ messages[0].content }}")) == 999_990
    with pytest.raises(TemplateError, match=MUCH):
        render_chat(talk("x" * 999_990), "{{ messages[0].content }}and a little more")
    with pytest.raises(TemplateError, match="longer than 50,000 characters"):
        render_chat(talk("U"), "a" * 100_001)


def test_a_long_conversation_is_no_hostile_one() -> None:
    """Hundreds of messages, and tools by the dozen, are within the limits."""
    messages = talk(*(f"{place} " * 500 for place in range(301)), system="S")
    assert render_chat(messages, HF_LLAMA2, **TOKENS) == llama2_chat(messages)
    tools = [{"name": f"f{place}", "parameters": {"a": {"type": "string", "enum": list("abc")}}} for place in range(99)]
    assert json.loads(render_chat(messages, "{{ tools | tojson(indent=4) }}", tools=tools)) == tools


def test_time_is_the_templates_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine does beside it is not counted: a template that waits for others is not stopped."""
    monkeypatch.setattr(sandbox, "SECONDS", 0.1)
    waits = "{% for i in range(4) %}{{ wait(0.05) }}{% endfor %}done"
    assert render_chat(talk("U"), waits, wait=lambda seconds: time.sleep(seconds) or "") == "done"


def test_any_thread_may_render(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates are stopped in any thread, others go on at the same time, and a debugger's tracer stays."""
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)

    def rendered(template: str) -> str:
        try:
            return render_chat(talk("U"), template)
        except TemplateError as error:
            return str(error)

    def tracer(*_: object) -> None:
        """Do nothing, as a debugger does that waits."""

    with ThreadPoolExecutor(4) as pool:
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            asked = [ENDLESS["loops"], "{{ messages[0].content }}", GROWING["added"], ENDLESS["calls"]]
            found = list(pool.map(rendered, asked))
            found.append(rendered(ENDLESS["branches"]))
            assert sys.gettrace() is tracer
        finally:
            sys.settrace(before)
    assert found[1] == "U"
    assert MUCH in found[2]
    assert all(LATE in found[place] for place in (0, 3, 4))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ messages | map(attribute='__class__') | list }}",
        "{{ messages | groupby('__class__') }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{a[__class__]}'.format_map({'a': ''}) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ loop.__init__ }}{% for m in messages %}{{ loop._iterable }}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].pop('role') }}",
        "{{ messages[0].update }}",
        "{{ ('a' | safe).striptags() }}",
    ],
)
def test_forbidden_attributes_are_refused(template: str) -> None:
    """Whatever leads out of the sandbox is an error that names the attribute, also where nothing is done with it."""
    with pytest.raises(TemplateError, match=r"access to attribute '\w+' of '\w+' object is unsafe|is undefined"):
        render_chat(talk("U"), template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('Only user messages, please!') }}", "refuses these messages: Only user messages, please!"),
        ("{{ raise_exception(5) }}", "refuses these messages: 5"),
        ("{{ a.b }}", "failed: 'a' is undefined"),
        ("{{ messages[0].content.nothing.at_all }}", "has no attribute 'nothing'"),
        ("{{ 1 / 0 }}", "failed: division by zero"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
        ("{{ messages() }}", "not callable"),
        ("{{ 2.5 ** 9999 }}", "Result too large|Numerical result out of range"),
        ("{{ missing_function(1) }}", "is undefined"),
        ("{{ 'a' | pprint }}", "No filter named 'pprint'"),
        ("{{ lipsum(n=1000000) }}", "'lipsum' is undefined"),
        ("{% include 'x' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{% if %}", "Expected an expression"),
        ("{% generation %}", "Unexpected end of template"),
        ("{{ '", "unexpected char"),
        ("{% for a in [1] %}" * 50 + "{% endfor %}" * 50, "too many statically nested blocks"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "recursion"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursion"),
        ("{{ [namespace(x=1)] | tojson }}", "not JSON serializable"),
    ],
)
def test_templates_that_fail_say_why(template: str, words: str) -> None:
    """A template that raises keeps its own words; any other failure is told too, and is never another exception."""
    with pytest.raises(TemplateError, match=words) as caught:
        render_chat(talk("U"), template)
    assert str(caught.value).startswith("the model's chat template ")


def test_an_interrupt_is_no_failure() -> None:
    """Whoever interrupts while a template runs, interrupts."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_chat(talk("U"), "{{ interrupt() }}", interrupt=interrupt)


# --- Where templates are found


def write(folder: Path, **files: Any) -> Path:
    """Write the files of a model, which are named by what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / NAMES[name]).write_text(text, encoding="utf-8")
    return folder


NAMES = {
    "config": "tokenizer_config.json",
    "jinja": "chat_template.jinja",
    "older": "chat_template.json",
    "tokens": "special_tokens_map.json",
}
SEVERAL = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "one"}]


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        ({"config": {"chat_template": "one"}}, None, "one"),
        ({"config": {"chat_template": SEVERAL}}, None, "one"),
        ({"config": {"chat_template": SEVERAL}}, "tool_use", "tools"),
        ({"config": {"chat_template": SEVERAL[:1]}}, None, "tools"),
        ({"config": {"chat_template": "config"}, "jinja": "ÄÖ\n"}, None, "ÄÖ\n"),
        ({"config": {"chat_template": SEVERAL}, "jinja": "jinja"}, None, "jinja"),
        ({"config": {"chat_template": SEVERAL}, "jinja": "jinja"}, "tool_use", "tools"),
        ({"older": {"chat_template": "older"}, "config": {"chat_template": "config"}}, None, "older"),
        ({"jinja": "jinja"}, "default", "jinja"),
    ],
)
def test_a_folder_has_its_template(tmp_path: Path, files: dict[str, Any], name: str | None, expected: str) -> None:
    """The template is found in each place that hubs keep it in, the one file of its own first, by name where asked."""
    write(tmp_path, **files)
    assert chat_template(tmp_path, name=name).text == chat_template(str(tmp_path), name=name).text == expected


def test_special_tokens_come_along(tmp_path: Path) -> None:
    """Tokens are texts or objects with `content`; the template is rendered with them, but for what is given."""
    tokens = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}, "unk_token": None}
    write(tmp_path, config={"chat_template": "{{ bos_token }}{{ eos_token }}{{ pad_token }}", **tokens, "a": 1})
    write(tmp_path, tokens={"bos_token": "old", "pad_token": {"content": "<pad>"}})
    template = chat_template(tmp_path)
    assert template.tokens == {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    assert template.render(talk("U")) == "<s></s><pad>"
    assert template.render(talk("U"), bos_token="!") == "!</s><pad>"


@pytest.mark.parametrize("text", ["{{ messages[0].content }}", "{# a #}U", "{% if true %}U{% endif %}", "U\n"])
def test_a_jinja_text_is_a_template(text: str) -> None:
    """What holds Jinja's braces, or several lines, is the template itself."""
    assert chat_template(text).render(talk("U")).strip() == "U"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no chat template"),
        ({"config": {"bos_token": "<s>"}}, "has no chat template"),
        ({"config": {"chat_template": []}}, "has no chat template"),
        ({"config": "{ half"}, "tokenizer_config.json of .* is no JSON"),
        ({"config": [1]}, "holds no object"),
        ({"config": {"chat_template": [{"name": "default"}]}}, "neither a text nor a list"),
        ({"config": {"chat_template": 5}}, "neither a text nor a list"),
    ],
)
def test_a_folder_without_a_template_is_told(tmp_path: Path, files: dict[str, Any], words: str) -> None:
    """No template, and files that are damaged, are errors that say which."""
    with pytest.raises(TemplateError, match=words):
        chat_template(write(tmp_path, **files))


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A template in another encoding is an error that names the folder."""
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateError, match=f"the chat template of {tmp_path} cannot be read"):
        chat_template(tmp_path)


def test_an_unknown_name_of_a_template_is_told(tmp_path: Path) -> None:
    """A template that a model does not have is an error that names those that it has."""
    with pytest.raises(TemplateError, match="no chat template called `tools`") as caught:
        chat_template(write(tmp_path, config={"chat_template": SEVERAL}), name="tools")
    assert "tool_use" in caught.value.hint


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./here", "~/there", "a b/c", "a/b/c", "", Path("/nowhere")])
def test_what_is_no_model_is_told(source: str | Path) -> None:
    """A path that does not exist is not asked of the hub."""
    with pytest.raises(ModelNotFoundError, match="is no folder and no name of a hub repository"):
        chat_template(source)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves the files of folders as the hub does."""

    root: Path
    asked: list[str]

    def do_GET(self) -> None:
        """Answer what a repository has, a file, or that there is none."""
        repository, _, path = self.path.removeprefix("/").removeprefix("api/models/").partition("/resolve/main/")
        file = self.root / repository / path
        type(self).asked.append(f"{self.command} {self.path}")
        if not (self.root / repository).is_dir():
            return self.answer(401, b"{}", error="RepoNotFound")
        if not path:
            files = [{"rfilename": name} for name in (path.name for path in file.iterdir())]
            return self.answer(200, json.dumps({"id": repository, "siblings": files}).encode())
        if repository == "org/gated":
            return self.answer(403, b"{}", error="GatedRepo")
        return self.answer(200, file.read_bytes(), etag=f'"{path}"')

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def answer(self, status: int, body: bytes, *, error: str = "", etag: str = "") -> None:
        """Send one answer."""
        self.send_response(status)
        headers = {"x-error-code": error, "etag": etag, "x-repo-commit": "0" * 40, "content-length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """Return the address of a hub with four models."""
    both = {"config": {"chat_template": "{{ 'older' }}", "bos_token": "<s>"}, "jinja": "{{ bos_token }}newer"}
    write(tmp_path / "org" / "both", **both)
    write(tmp_path / "org" / "one", config={"chat_template": "{{ 'config' }}"})
    write(tmp_path / "org" / "none", config={"bos_token": "<s>"})
    write(tmp_path / "org" / "gated", **both)
    served = type("Served", (Hub,), {"root": tmp_path, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def from_hub(hub: str, home: Path, *sources: str, **environment: str) -> list[str]:
    """Read templates in an interpreter of its own, since huggingface_hub reads its settings at import."""
    code = (
        "import sys\nfrom nbinfer.errors import InferError\nfrom nbinfer.templates import chat_template\n"
        "for source in sys.argv[1:]:\n"
        "    try:\n        print(chat_template(source).render([]))\n"
        "    except InferError as error:\n        print(' / '.join(error.lines()))\n"
    )
    settings = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    command = [sys.executable, "-W", "error", "-c", code, *sources]
    run = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, check=False, text=True, timeout=100
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_a_hub_id_has_its_template(hub: str, tmp_path: Path) -> None:
    """Of a repository two small files are fetched, once; from then on no network is needed."""
    home = tmp_path / "home"
    assert from_hub(hub, home, "org/both", "org/one") == ["<s>newer", "config"]
    assert from_hub("http://127.0.0.1:9", home, "org/both", "org/one", HF_HUB_OFFLINE="1") == ["<s>newer", "config"]
    blobs = [path.name for path in (home / "hub").rglob("snapshots/*/*")]
    assert sorted(blobs) == ["chat_template.jinja", "tokenizer_config.json", "tokenizer_config.json"]


def test_hub_ids_that_cannot_be_read_are_told(hub: str, tmp_path: Path) -> None:
    """No such model, a gated one, one without a template, and no network are each an error of a few lines."""
    missing, gated, none, invalid = from_hub(hub, tmp_path / "home", "org/missing", "org/gated", "org/none", "a--b/c")
    assert missing.startswith("ModelNotFoundError: the hub has no model called org/missing")
    assert gated.startswith("GatedError: org/gated is gated")
    assert none.startswith("TemplateError: org/none has no chat template")
    assert invalid.startswith("ModelNotFoundError: `a--b/c`")
    for environment in ({"HF_HUB_OFFLINE": "1"}, {}):
        (offline,) = from_hub("http://127.0.0.1:9", tmp_path / "other", "org/both", **environment)
        assert offline.startswith("ConnectionFailedError: org/both is not in the cache, and the hub was not reached")


def test_errors_of_templates_are_nbinfers_own() -> None:
    """Who catches InferError or ValueError catches what goes wrong with a template."""
    assert issubclass(TemplateError, InferError)
    assert issubclass(TemplateError, ValueError)
