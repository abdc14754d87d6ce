"""@huggingface/jinja, which renders chat templates in JavaScript, and transformers: published templates give the same.

The templates are those in the npm package @huggingface/ollama-utils (MIT), of models whose weights have a free licence.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from environments import peer

from nbinfer.errors import TemplateError
from nbinfer.templates import render_chat

pytestmark = pytest.mark.needs("jinja")

# Apache-2.0 or MIT, by the models' own cards. They are named as in Ollama's library, where the package found them.
MODELS = """
    deepcoder:14b deepseek-r1:latest deepseek-v3.1:latest devstral:latest dolphin-mixtral:8x7b granite-code:3b
    granite3-dense:2b granite3-guardian:2b granite3.1-moe:1b granite3.2-vision:2b
    granite3.2:8b granite3.3:2b granite4:350m granite4:latest marco-o1:7b mistral-small:24b mistral:7b-instruct-fp16
    mixtral:8x22b mixtral:8x7b nous-hermes2-mixtral:8x7b nuextract:3.8b olmo2:7b openchat:7b phi3.5:3.8b phi3:14b
    phi3:3.8b phi4-mini-reasoning:3.8b phi4-mini:3.8b phi4-reasoning:14b phi4:14b qwen2.5-coder:1.5b qwen2.5:0.5b
    qwen2.5vl:latest qwen2:0.5b qwen3-coder:30b qwen3-next:80b qwen3:0.6b qwq:32b r1-1776:671b rnj-1:latest sailor2:1b
    smollm2:135m tinyllama:1.1b yi-coder:1.5b
"""

# Shapes of models whose terms are their own, written down from their descriptions.
SHAPES = {
    "mistral": (
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ ' [INST] ' if not loop.first else '[INST] ' }}{{ message['content'] }} [/INST]"
        "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
    ),
    "zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
        "{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
        "{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
        "{{ '<|assistant|>\n' + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
    ),
    "chatml": (
        "{%- for message in messages %}\n    {{- '<|im_start|>' ~ message.role ~ '\n' }}\n"
        "    {%- generation %}{{- message.content | trim }}{% endgeneration %}\n    {{- '<|im_end|>\n' }}\n"
        "{%- endfor %}\n{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "headers": (
        "{% set ns = namespace(system='') %}{% for message in messages if message.role == 'system' %}"
        "{% set ns.system = ns.system + message.content %}{% endfor %}{{ bos_token }}"
        "{% macro head(role) %}<|start_header_id|>{{ role }}<|end_header_id|>\n\n{% endmacro %}"
        "{% if ns.system %}{{ head('system') }}{{ ns.system }}<|eot_id|>{% endif %}"
        "{% for message in messages %}{% if message.role == 'system' %}{% continue %}{% endif %}"
        "{{ head(message.role) }}{{ message.content }}<|eot_id|>{% endfor %}"
        "{% if tools %}{{ tools | tojson(indent=4) }}{% endif %}{{ head('assistant') }}"
    ),
}


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    """Return one message."""
    return {"role": role, "content": content, **more}


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Say what the weather is like: “now”, in °C.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Which city"},
                "unit": {"type": "string", "enum": ["c", "f"]},
            },
            "required": ["city"],
        },
    },
}
CALLED = [{"type": "function", "id": "a12345678", "function": {"name": "weather", "arguments": {"city": "Wien"}}}]
TALK = [turn("user", "Hi"), turn("assistant", "Hello!"), turn("user", " And  now? \n")]
THOUGHT = "<think>\nIt is Tuesday.\n</think>\n\nTuesday."
CONVERSATIONS = [
    [turn("user", "Hello, how are you?")],
    [turn("system", "Be brief."), turn("user", "Why is it so? é🐦\n\n```python\nprint('<b>')\n```")],
    TALK,
    [turn("system", "Be brief. "), *TALK, turn("assistant", ""), turn("user", "{{ no }}"), *TALK[1:]],
    [turn("user", "Day?"), turn("assistant", THOUGHT), turn("user", "Sure?")],
    [turn("user", ""), turn("assistant", "\n"), turn("user", "  ")],
    [turn("assistant", "I begin.")],
    [turn("user", "One."), turn("user", "Two.")],
    [turn("user", "Well?"), turn("assistant", "So."), turn("system", "Late."), turn("user", "Now?")],
]
WITH_TOOLS = [
    TALK,
    [turn("system", "Be brief."), *TALK],
    [turn("user", "Warm?"), turn("assistant", "", tool_calls=CALLED), turn("tool", "21", name="weather"), *TALK[1:]],
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CALLS: list[dict[str, Any]] = [
    *({"messages": messages, "add_generation_prompt": True, **TOKENS} for messages in CONVERSATIONS),
    *({"messages": messages, "add_generation_prompt": False, **TOKENS} for messages in CONVERSATIONS[:3]),
    *({"messages": messages, "add_generation_prompt": True, "tools": [TOOL], **TOKENS} for messages in WITH_TOOLS),
]


# What JavaScript renders otherwise, by template and place of the call; here it is as with transformers.
OTHERWISE = {
    ("deepseek-r1:latest", 14): "[object Map]",
    ("deepseek-v3.1:latest", 14): "[object Map]",
    ("r1-1776:671b", 14): "[object Map]",
    **{("qwen3-coder:30b", place): "Unknown ArrayValue filter: reject" for place in (12, 13, 14)},
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Return each template with what JavaScript makes of each call."""
    folder = peer("jinja")
    asked = {
        "models": [f"library/{model}" for model in MODELS.split()],
        "templates": [{"name": name, "template": template} for name, template in SHAPES.items()],
        "calls": CALLS,
    }
    script = Path(__file__).with_name("jinja") / "render.cjs"
    command = [str(folder / "node"), str(script), str(folder.parent.absolute())]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(template: str, call: dict[str, Any]) -> dict[str, str]:
    """Return the text of one call, or the words of its error."""
    call = dict(call)
    try:
        return {"text": render_chat(call.pop("messages"), template, **call)}
    except TemplateError as error:
        return {"error": str(error)}


def test_javascript_renders_published_templates_the_same(rows: list[dict[str, Any]]) -> None:
    """Every template gives the same prompt for every conversation, or refuses it there too."""
    assert {row["name"].removeprefix("library/") for row in rows} == {*MODELS.split(), *SHAPES}
    for row in rows:
        for place, (call, theirs) in enumerate(zip(CALLS, row["answers"], strict=True)):
            if words := OTHERWISE.get((row["name"].removeprefix("library/"), place)):
                assert words in theirs.get("text", "") + theirs.get("error", "")
            else:
                assert ours(row["template"], call).get("text") == theirs.get("text"), (row["name"], place)


@pytest.mark.needs("transformers")
def test_transformers_renders_published_templates_the_same(rows: list[dict[str, Any]]) -> None:
    """Every prompt is that of transformers to the letter, and every refusal has its words."""
    templates = [row["template"] for row in rows]
    command = [str(peer("transformers") / "python"), str(Path(__file__).with_name("jinja") / "render.py")]
    asked = json.dumps([templates, CALLS])
    done = subprocess.run(command, input=asked, capture_output=True, check=False, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for row, answers in zip(rows, json.loads(done.stdout), strict=True):
        for call, theirs in zip(CALLS, answers, strict=True):
            answer = ours(row["template"], call)
            assert answer.get("text") == theirs.get("text"), row["name"]
            assert theirs.get("error", "") in answer.get("error", ""), row["name"]
