"""Chat templates, which put messages into a model's own form: those declared here, and a model's own Jinja text."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nbinfer.errors import (
    ConnectionFailedError,
    ModelNotFoundError,
    TemplateError,
    nearest,
)
from nbinfer.hub import TIMEOUT, fetched, hub_errors
from nbinfer.sandbox import Messages, render_chat

BOS, EOS, STEP = "<s>", "</s>", "<step>"
LLAMA2_TAGS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", BOS, EOS, "<unk>")
CODE_LLAMA_TAGS = (*LLAMA2_TAGS, STEP)
JOINER = "\u200d"
"""What breaks up a tag: a character without width."""


class Form(Protocol):
    """A way to put messages into a text that a model continues."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Return what ends an answer."""

    def __call__(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages as the model reads them."""

    def sent(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages as they go to a server that is asked to continue a text.

        That puts the begin token in front by itself. Tags in the messages are refused, or with `escape` broken up.
        """


@dataclass(frozen=True)
class Format:
    """A form of chat: how messages are written, what ends an answer, and which models have learnt it."""

    render: Callable[..., str]
    stop: tuple[str, ...]
    models: str
    """A pattern for the names of models, whatever their case."""

    def __call__(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages; `escape` breaks up the form's own tags in them instead of refusing them."""
        return self.render(messages, escape=escape)

    def sent(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages without the first `<s>`, which every server's tokenizer puts there."""
        return self(messages, escape=escape).removeprefix(BOS)


def llama2_chat(messages: Messages, *, escape: bool = False) -> str:
    """Render messages as Llama 2's chat models read them, like Meta's `chat_completion`.

    An optional system message comes first, then user and assistant in turn, a user last. Raises TemplateError for
    any other order, and for texts that contain the form's own tags; `escape` breaks these up instead.
    """
    return _instructions(_checked(messages, LLAMA2_TAGS, escape=escape))


def code_llama_chat(messages: Messages, *, escape: bool = False) -> str:
    """Render messages for Code Llama Instruct with 7B, 13B or 34B: Llama 2's form, `<step>` is a tag too."""
    return _instructions(_checked(messages, CODE_LLAMA_TAGS, escape=escape))


def code_llama_70b_chat(messages: Messages, *, escape: bool = False) -> str:
    """Render messages for Code Llama Instruct 70B, which names the source of each and its destination, if any.

    Where no system message is given none is written, as in the hub's template; Meta's code writes an empty one.
    """
    turns = _checked(messages, CODE_LLAMA_TAGS, escape=escape)
    heads = (f"Source: {turn['role']}\n{_destination(turn.get('destination'))}\n " for turn in turns)
    texts = "".join(f"{head}{turn['content'].strip()} {STEP} " for head, turn in zip(heads, turns, strict=True))
    return f"{BOS}{texts}Source: assistant\n{_destination('user')}\n "


TEMPLATES: Mapping[str, Format] = {
    "llama2-chat": Format(llama2_chat, stop=(EOS,), models=r"llama-?2-.*chat"),
    "code-llama-chat": Format(code_llama_chat, stop=(EOS,), models=r"code-?llama-(7b|13b|34b)-instruct"),
    "code-llama-70b-chat": Format(code_llama_70b_chat, stop=(STEP,), models=r"code-?llama-70b-instruct"),
}
"""What `--template` knows, by name."""


def form_of(model: str) -> str | None:
    """Return the name of the form that a model has learnt, by its own name; None where that is not known."""
    return next((name for name, form in TEMPLATES.items() if re.search(form.models, model, re.IGNORECASE)), None)


def form_called(source: str) -> Form:
    """Return the form of that name, else the model's own: from its folder, by its hub id, or the Jinja text itself."""
    if source in TEMPLATES:
        return TEMPLATES[source]
    if "/" in source or (source and Path(source).is_dir()) or _is_jinja(source):
        return chat_template(source)
    hint = f"{nearest(source, TEMPLATES)} A model's own: a folder, org/name, or the Jinja text."
    raise TemplateError(f"no template is called `{source}`", hint=hint.strip())


def begun(prompt: str) -> tuple[str, tuple[str, ...]]:
    """Return a prompt as it goes to a server that puts `<s>` in front of it, and what the reader should know."""
    if not prompt.startswith(BOS):
        return prompt, ()
    return prompt.removeprefix(BOS), (f"the first {BOS} was left out: the server puts it there",)


def refuse_tags(text: str, tags: tuple[str, ...], where: str) -> None:
    """Raise TemplateError for the first tag in a text, which could pose as another's words."""
    if found := _either(tags).search(text):
        raise TemplateError(
            f"{where} contains the tag {found[0]} at position {found.start()}, which the format uses itself"
        )


def _checked(messages: Messages, tags: tuple[str, ...], *, escape: bool) -> list[dict[str, Any]]:
    """Return messages in the order that Llama's models know, without tags in them."""
    if not messages:
        raise TemplateError("there are no messages", hint="A chat has at least one, from the user.")
    roles = [message.get("role") for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if any(role != ("user", "assistant")[place % 2] for place, role in enumerate(turns)):
        raise TemplateError(
            "model only supports 'system', 'user' and 'assistant' roles, "
            "starting with 'system', then 'user' and alternating (u/a/u/a/u...)"
        )
    if roles[-1] != "user":
        raise TemplateError(f"Last message must be from user, got {roles[-1]}")
    return _clean(messages, tags, escape=escape)


def _clean(messages: Messages, tags: tuple[str, ...], *, escape: bool) -> list[dict[str, Any]]:
    """Return messages whose texts hold no tags: they are refused, or broken up."""
    clean = [dict(message) for message in messages]
    for place, message in enumerate(clean, 1):
        where = f"message {place}" if len(clean) > 1 else "the message"
        for key in ("content", *(["destination"] if message.get("destination") is not None else [])):
            text = message.get(key)
            if not isinstance(text, str):
                raise TemplateError(f"the {key} of {where} is {type(text).__name__}, not text")
            if escape:
                message[key] = _either(tags).sub(lambda tag: tag[0][0] + JOINER + tag[0][1:], text) if tags else text
            elif tags:
                refuse_tags(text, tags, where)
    return clean


def _instructions(turns: Sequence[Mapping[str, str]]) -> str:
    """Fold the system text into the first question, and join questions with their answers."""
    texts = [turn["content"] for turn in turns]
    if turns[0]["role"] == "system":
        texts[:2] = [f"<<SYS>>\n{texts[0]}\n<</SYS>>\n\n{texts[1]}"]
    *answered, last = (text.strip() for text in texts)
    pairs = zip(answered[::2], answered[1::2], strict=True)
    past = "".join(f"{BOS}[INST] {question} [/INST] {answer} {EOS}" for question, answer in pairs)
    return f"{past}{BOS}[INST] {last} [/INST]"


def _destination(name: str | None) -> str:
    return "" if name is None else f"Destination: {name.strip()}\n"


@functools.cache
def _either(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, tags)))


# --- A model's own template: finding it


@dataclass(frozen=True)
class ChatTemplate:
    """A model's own chat template, a Jinja text, and the special tokens that it may name."""

    text: str
    tokens: Mapping[str, str] = field(default_factory=dict)

    def render(self, messages: Messages, **variables: Any) -> str:
        """Render messages; `variables` go before the model's own tokens."""
        return render_chat(messages, self.text, **{**self.tokens, **variables})

    @property
    def stop(self) -> tuple[str, ...]:
        """Return the model's end token, if it has told one."""
        return tuple(filter(None, [self.tokens.get("eos_token")]))

    @property
    def tags(self) -> tuple[str, ...]:
        """Return what could pose as another's words: the model's tokens, and what the template writes like them."""
        return tuple(dict.fromkeys([*filter(None, self.tokens.values()), *re.findall(r"<\|[^<>|\s]+\|>", self.text)]))

    def __call__(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages; `escape` breaks up the model's special tokens in them instead of refusing them."""
        return self.render(_clean(messages, self.tags, escape=escape))

    def sent(self, messages: Messages, *, escape: bool = False) -> str:
        """Render messages without the begin token, which every server's tokenizer puts there."""
        return self(messages, escape=escape).removeprefix(self.tokens.get("bos_token", BOS))


JINJA = "chat_template.jinja"
ON_HUB = ("tokenizer_config.json", JINJA)
IN_FOLDER = ("special_tokens_map.json", "tokenizer_config.json", "chat_template.json", JINJA)
"""Where templates and tokens are kept; what stands further to the right wins."""

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def chat_template(source: str | Path, *, name: str | None = None) -> ChatTemplate:
    """Return the chat template of a model: from its folder, by its hub id, or the Jinja text itself.

    `name` is one of several templates that a model may have, such as tool_use; if not given, the default one.
    """
    if _is_jinja(source):
        return ChatTemplate(str(source))
    named, tokens = templates_of(source)
    if not named:
        raise TemplateError(f"{source} has no chat template", hint="Base models have none: send them a text.")
    chosen = name or ("default" if "default" in named else next(iter(named)))
    if chosen not in named:
        raise TemplateError(f"{source} has no chat template called `{chosen}`", hint=nearest(chosen, named))
    return ChatTemplate(named[chosen], tokens)


def _is_jinja(source: str | Path) -> bool:
    return isinstance(source, str) and re.search(r"\{[{%#]|\n", source) is not None


def templates_of(source: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return a model's templates and its special tokens, both by name, from its folder or by its hub id."""
    files = _files(source)
    settings: dict[str, Any] = {}
    for file, text in files.items():
        settings |= {} if file == JINJA else _settings(text, f"{file} of {source}")
    named = _named(settings.get("chat_template"))
    if JINJA in files:
        named["default"] = files[JINJA]
    return named, _tokens(settings)


def _files(source: str | Path) -> dict[str, str]:
    """Return the texts of those files of a folder or repository that are there, by name."""
    folder = Path(source).expanduser()
    if source != "" and folder.is_dir():
        paths = {name: folder / name for name in IN_FOLDER if (folder / name).is_file()}
    elif _HUB_ID.fullmatch(str(source)):
        paths = _from_hub(str(source))
    else:
        hint = "Give a folder with tokenizer_config.json, a hub id, or the Jinja text itself."
        raise ModelNotFoundError(f"{source} is no folder and no name of a hub repository", hint=hint)
    try:
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    except (OSError, ValueError) as error:
        raise TemplateError(f"the chat template of {source} cannot be read: {error}") from None


def _from_hub(repository: str) -> dict[str, Path]:
    """Return the files of a repository that it has, from the hub's cache or fetched.

    ConnectionFailedError where the hub was not reached, and the cache has no template.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache

    with hub_errors(repository):
        known = {name: try_to_load_from_cache(repository, name) for name in ON_HUB}
        paths = {name: Path(path) for name, path in known.items() if isinstance(path, str)}
        if None not in known.values():
            return paths
        try:
            with hub_errors(repository):
                there = {row.rfilename for row in HfApi().model_info(repository, timeout=TIMEOUT).siblings or ()}
            return {name: paths.get(name) or fetched(repository, name) for name in ON_HUB if name in there}
        except ConnectionFailedError:
            if not any("chat_template" in path.name + path.read_text(encoding="utf-8") for path in paths.values()):
                raise
            return paths


def _settings(text: str, where: str) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise TemplateError(f"{where} is damaged: it is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise TemplateError(f"{where} is damaged: it holds no object")
    return settings


def _named(found: Any) -> dict[str, str]:
    """Return the templates that a tokenizer's settings hold, one as a text or several with names."""
    rows = [{"name": "default", "template": found}] if isinstance(found, str) else found or ()
    try:
        return {str(row["name"]): str(row["template"]) for row in rows}
    except (TypeError, LookupError):
        raise TemplateError("chat_template is neither a text nor a list of templates with names") from None


def _tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of special tokens by name: bos_token, eos_token, pad_token and so on."""
    tokens = {name: value for name, value in settings.items() if name.endswith("_token")}
    texts = {name: value.get("content") if isinstance(value, dict) else value for name, value in tokens.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


__all__ = [
    "BOS",
    "TEMPLATES",
    "ChatTemplate",
    "Form",
    "Format",
    "begun",
    "chat_template",
    "code_llama_70b_chat",
    "code_llama_chat",
    "form_called",
    "form_of",
    "llama2_chat",
    "render_chat",
    "templates_of",
]
