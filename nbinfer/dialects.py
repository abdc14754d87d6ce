"""Options as each dialect writes them: TGI's `parameters`, OpenAI's completions, OpenAI's chat.

What a dialect has no word for is named in a notice; nothing is dropped in silence. Sources: TGI router 3.3, OpenAI's
API reference, vLLM's extra parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbinfer.errors import ParameterError
from nbinfer.params import Chat, TextGeneration, defaults, greedy, sampling, table

Written = tuple[dict[str, Any], list[str]]
"""What goes into the body, and notices of what does not."""

COMPLETIONS: Mapping[str, str] = {
    "best_of": "best_of",
    "temperature": "temperature",
    "repetition_penalty": "repetition_penalty",  # vLLM's, as are top_k, typical_p and truncate_prompt_tokens
    "frequency_penalty": "frequency_penalty",
    "top_p": "top_p",
    "typical_p": "typical_p",
    "top_k": "top_k",
    "max_new_tokens": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "top_n_tokens": "logprobs",
    "truncate": "truncate_prompt_tokens",
    "grammar": "response_format",
}
"""Option of text generation → its name in OpenAI's completions."""


CHAT: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_new_tokens",
    "stop": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "top_logprobs": "top_n_tokens",
}
"""Option of chat → the option of text generation that does it."""


def as_chat(values: Mapping[str, Any]) -> Written:
    """Write options of text generation as options of chat, for models that offer only that."""
    names = {own: name for name, own in {**CHAT, "response_format": "grammar", "keep_stop": "keep_stop"}.items()}
    unused = [name for name, value in values.items() if name not in names and value not in (None, False)]
    told = {names[name]: value for name, value in values.items() if name in names}
    return told, [f"not used by a chat: {', '.join(unused)}"] if unused else []


def as_text(values: Mapping[str, Any]) -> Written:
    """Write options of chat as options of text generation, for models that offer only that."""
    names = {**CHAT, "response_format": "grammar"}
    rows = table(Chat)
    unused = [name for name in values if name not in (*names, "logprobs", "stream_options") and rows[name].sent]
    told = {names[name]: value for name, value in values.items() if name in names}
    return told, [f"not used by a text: {', '.join(unused)}"] if unused else []


def native(values: Mapping[str, Any]) -> Written:
    """Write options of text generation as TGI understands them.

    Sampling is always said explicitly, because the server guesses differently with and without `parameters`.
    Temperature 0, which the server refuses, becomes no sampling.
    """
    rows = table(TextGeneration)
    wire = {name: value for name, value in (defaults(TextGeneration) | dict(values)).items() if rows[name].sent}
    wire["do_sample"] = sampling(values)
    if "grammar" in wire:
        wire["grammar"] = grammar(wire["grammar"])
    if "stop" in wire:
        # Servers look at the end of the text: one that ends in another stop text tells them nothing.
        wire["stop"] = [one for one in wire["stop"] if not any(one != o and one.endswith(o) for o in wire["stop"])]
    unused = []
    if greedy(values):
        del wire["temperature"]
        unused = [name for name, row in rows.items() if row.samples and wire.pop(name, None) is not None]
    return wire, [f"no effect at temperature 0: {', '.join(unused)}"] if unused else []


def completion(values: Mapping[str, Any]) -> Written:
    """Write options of text generation for OpenAI's `/v1/completions`, where no temperature means sampling."""
    wire, notices = native(values)
    samples = wire.pop("do_sample")
    unused = [name for name, value in wire.items() if name not in COMPLETIONS and value not in (None, False)]
    body = {COMPLETIONS[name]: value for name, value in wire.items() if name in COMPLETIONS}
    if not samples:
        body["temperature"] = 0
    if "response_format" in body:
        body["response_format"] = response_format(body["response_format"])
    unused = [name for name in unused if name != "return_full_text"]
    return body, notices + ([f"not used by /v1/completions: {', '.join(unused)}"] if unused else [])


def chat(values: Mapping[str, Any], *, tgi: bool = False) -> dict[str, Any]:
    """Write options of chat in OpenAI's form, grammars in TGI's where the server is one."""
    rows = table(Chat)
    wire = {name: value for name, value in (defaults(Chat) | dict(values)).items() if rows[name].sent}
    if "top_logprobs" in wire:
        wire["logprobs"] = True
    if "response_format" in wire:
        wire["response_format"] = (grammar if tgi else response_format)(wire["response_format"])
    return wire


def streaming_problems(values: Mapping[str, Any]) -> list[str]:
    """Say, in the server's words, which options of text generation cannot go with a stream."""
    problems = []
    if values.get("best_of", 1) != 1:
        problems.append("`best_of` != 1 is not supported when streaming tokens")
    if values.get("decoder_input_details"):
        problems.append("`decoder_input_details` == true is not supported when streaming tokens")
    return problems


def grammar(given: Mapping[str, Any]) -> dict[str, Any]:
    """Write a form that is asked for, given in any spelling, as TGI's `grammar`: type and value."""
    schema = _schema(given)
    return {"type": "json", "value": schema} if schema is not None else dict(given)


def response_format(given: Mapping[str, Any]) -> dict[str, Any]:
    """Write a form that is asked for, given in any spelling, as OpenAI's `response_format`."""
    if given.get("type") == "regex":
        raise ParameterError(
            "a regex cannot be asked for here", hint="TGI servers know it; OpenAI's form has JSON only."
        )
    if isinstance(given.get("json_schema"), Mapping):
        return dict(given)
    schema = _schema(given)
    if schema is None:
        return dict(given)
    named = given["value"] if given.get("type") == "json_schema" else {}
    return {"type": "json_schema", "json_schema": {"name": "answer", **named, "schema": schema}}


def _schema(given: Mapping[str, Any]) -> Any:
    """Return the JSON schema in TGI's spellings, OpenAI's, or given bare; None where there is none."""
    match given:
        case {"type": "json_schema", "json_schema": {"schema": schema}} | {
            "type": "json_schema",
            "value": {"schema": schema},
        }:
            return schema
        case {"type": "json" | "json_object", "value": schema}:
            return schema
        case {"type": "json_object" | "regex" | "text"}:
            return None
        case {"properties": _} | {"$ref": _}:
            return dict(given)
    return None
