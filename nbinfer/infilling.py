"""Prompts for code with a hole: what stands before it and after it, in the form that a model was trained on.

The forms are those of the models' own cards and examples: Code Llama's `infilling_prompt_tokens` (Meta's codellama
repository), the cards of bigcode/starcoder, deepseek-ai/deepseek-coder-6.7b-base and google/codegemma-7b, and
Qwen2.5-Coder's examples. A server is asked to continue such a prompt as a text; it puts the begin token in front.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nbinfer.errors import TemplateError
from nbinfer.templates import refuse_tags

HOLE = re.compile(r"<FILL(?:_ME)?>")
"""What marks the hole in a text; <FILL_ME> is what transformers' tokenizer of Code Llama knows."""


@dataclass(frozen=True)
class Infill:
    """A form of prompt for infilling, what ends the answer, and which models have learnt it."""

    prompt: str
    """Prefix and suffix between the markers, the prefix first."""
    stop: tuple[str, ...]
    """What ends the code, no more texts than text-generation-inference takes; the first is the model's own end."""
    models: str
    """A pattern for the names of models, whatever their case."""
    suffix_first: str = ""
    """The same with the suffix first, for models that have learnt both orders."""
    blank: bool = False
    """Whether a blank directly before the end belongs to the end."""

    @property
    def markers(self) -> tuple[str, ...]:
        """The tags of the prompt, in order."""
        return tuple(filter(None, re.split(r"\{\w+\}| ", self.prompt)))

    @property
    def ends(self) -> tuple[str, ...]:
        """What an answer is cut at: the stop texts, and those with the blank that belongs to them."""
        return tuple(text for stop in self.stop for text in ((f" {stop}", stop) if self.blank else (stop,)))

    @property
    def tags(self) -> tuple[str, ...]:
        """What code must not contain: it could pose as a marker or an end."""
        return tuple(dict.fromkeys((*self.markers, *self.stop)))


CODE_LLAMA = Infill(
    "<PRE> {prefix} <SUF>{suffix} <MID>",
    stop=("<EOT>",),
    models=r"code-?llama[-:](7b|13b)(?!.*python)|^local(/text)?$",
    suffix_first="<PRE> <SUF>{suffix} <MID> {prefix}",
    blank=True,
)
"""The base and Instruct models with 7B and 13B, and the model that ships with nbinfer."""

INFILLS: Mapping[str, Infill] = {
    "code-llama": CODE_LLAMA,
    "starcoder": Infill(
        "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
        stop=("<|endoftext|>", "<file_sep>"),
        models=r"starcoder(?!.*instruct)",
    ),
    "deepseek-coder": Infill(
        "<｜fim▁begin｜>{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>",
        stop=("<｜end▁of▁sentence｜>",),
        models=r"deepseek-coder(?!.*instruct)",
    ),
    "codegemma": Infill(
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        stop=("<|file_separator|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        models=r"codegemma(?!.*(instruct|-it\b))",
    ),
    "qwen2.5-coder": Infill(
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        stop=("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
        models=r"qwen2\.5-coder(?!.*instruct)",
    ),
}
"""Forms by name; chat models of these families are left out, since they were trained on other things since."""


def infill_of(model: str) -> Infill | None:
    """Return the form that a model has learnt, by its name; None where that is not known."""
    return next((form for form in INFILLS.values() if re.search(form.models, model, re.IGNORECASE)), None)


def form_of(model: str, name: str | None = None) -> Infill:
    """Return the form called `name`, else the one that a model has learnt; TemplateError where that is not known."""
    if name is not None and name not in INFILLS:
        raise TemplateError(f"no form of infilling is called `{name}`", hint=f"Known: {', '.join(INFILLS)}.")
    form = INFILLS[name] if name else infill_of(model)
    if form is None:
        hint = f"If it does, say in which form: --form {', '.join(INFILLS)}."
        raise TemplateError(f"{model} is not known to fill holes in code", hint=hint)
    return form


def open_form(prompt: str) -> Infill | None:
    """Return the form of a prompt that waits for the middle of code; None where it waits for something else."""
    return next((form for form in INFILLS.values() if prompt.rstrip().endswith(form.markers[-1])), None)


def infill(prefix: str, suffix: str, form: Infill, *, suffix_first: bool = False) -> str:
    """Return the prompt that asks for what is missing between two pieces of code, in which nothing is trimmed.

    Raises TemplateError where one of them contains a tag of the form.
    """
    if suffix_first and not form.suffix_first:
        raise TemplateError("this form of infilling has the prefix first, always")
    for code, where in ((prefix, "the code before the hole"), (suffix, "the code after the hole")):
        refuse_tags(code, form.tags, where)
    return (form.suffix_first if suffix_first else form.prompt).format(prefix=prefix, suffix=suffix)


def infilled(text: str, form: Infill = CODE_LLAMA) -> str:
    """Return the code that a model has written into the hole, without its end and what follows; else as it came."""
    ends = "|".join(map(re.escape, form.stop))
    found = re.search(f" ?(?:{ends})" if form.blank else ends, text)
    return text[: found.start()] if found else text


def code_llama_infill(prefix: str, suffix: str, *, suffix_first: bool = False) -> str:
    """Return Code Llama's prompt for what is missing between two pieces of code."""
    return infill(prefix, suffix, CODE_LLAMA, suffix_first=suffix_first)


def at_hole(text: str) -> tuple[str, str]:
    """Return what stands before and after the one `<FILL>` or `<FILL_ME>` of a text."""
    holes = [f"{hole[0]} at position {hole.start()}" for hole in HOLE.finditer(text)]
    if not holes:
        raise TemplateError("there is no <FILL> in the text", hint="Write <FILL> where code is missing.")
    if len(holes) > 1:
        raise TemplateError(f"there are {len(holes)} holes: {', '.join(holes)}", hint="Fill one at a time.")
    before, after = HOLE.split(text)
    return before, after


__all__ = [
    "CODE_LLAMA",
    "INFILLS",
    "Infill",
    "at_hole",
    "code_llama_infill",
    "form_of",
    "infill",
    "infill_of",
    "infilled",
    "open_form",
]
