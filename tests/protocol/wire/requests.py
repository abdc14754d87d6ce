"""A generate request: read as serde reads it, judged in the order and words of TGI's validation."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from .replies import JSON, Recorded
from .serde import check, check_items, missing_field, read_json, shape_error, span
from .tokens import BOS, pieces, token

OPTIONAL = {
    "adapter_id": "a string",
    "best_of": "usize",
    "frequency_penalty": "f32",
    "max_new_tokens": "u32",
    "repetition_penalty": "f32",
    "return_full_text": "a boolean",
    "seed": "u64",
    "temperature": "f32",
    "top_k": "i32",
    "top_n_tokens": "u32",
    "top_p": "f32",
    "truncate": "usize",
    "typical_p": "f32",
}
DEFAULTS = {"decoder_input_details": False, "details": False, "do_sample": False, "stop": [], "watermark": False}
GRAMMARS = ("json", "json_object", "regex", "json_schema")

Parameters = Mapping[str, JSON]


@dataclass(frozen=True)
class Wanted:
    """A request that is well-formed: every parameter is there, absent ones with their default."""

    inputs: str
    parameters: Parameters
    stream: bool

    @classmethod
    def read(cls, request: Recorded, *, compat: bool = False) -> Self:
        """Read a request as serde does; on the compat routes a stream can be asked for and the prompt comes back."""
        text, body = read_json(request)
        check(text, (), body, "struct CompatGenerateRequest" if compat else "struct GenerateRequest")
        kinds = {"inputs": "a string", "parameters": "struct GenerateParameters"}
        for name, kind in (kinds | {"stream": "a boolean"} if compat else kinds).items():
            if name in body:
                check(text, (name,), body[name], kind)
        if "inputs" not in body:
            raise missing_field(text, (), "inputs")
        for name, value in body.get("parameters", {}).items():
            _check_parameter(text, name, value)
        return cls(body["inputs"], _filled(body, compat=compat), compat and body.get("stream", False))

    def prompt(self) -> list[dict[str, JSON]]:
        """Return the prompt as the model sees it: a control token in front, then only the last `truncate` of all."""
        shown = ("id", "text", "logprob")
        tokens = [BOS, *({key: token(piece)[key] for key in shown} for piece in pieces(self.inputs))]
        return tokens[-self.parameters["truncate"] :] if self.parameters["truncate"] else tokens


def _filled(body: Mapping[str, JSON], *, compat: bool) -> Parameters:
    given = {name: value for name, value in body.get("parameters", {}).items() if value is not None}
    by_route = {"return_full_text": compat, "do_sample": "parameters" not in body}
    return with_defaults(by_route | given)


def with_defaults(given: Parameters) -> Parameters:
    """Return parameters with those that were not given."""
    return dict.fromkeys(OPTIONAL) | {"grammar": None} | DEFAULTS | given


def _check_parameter(text: str, name: str, value: JSON) -> None:
    path = ("parameters", name)
    if name == "stop":
        check_items(text, path, value, "a string")
    elif name in DEFAULTS:
        check(text, path, value, "a boolean")
    elif name == "grammar" and value is not None:
        check_grammar(text, path, value)
    elif name in OPTIONAL and value is not None:
        check(text, path, value, OPTIONAL[name])


def check_grammar(text: str, path: tuple[str, ...], value: JSON) -> None:
    """Refuse a grammar that is not written as TGI writes it: a type and a value."""
    check(text, path, value, "adjacently tagged enum GrammarType")
    for key in ("type", "value"):
        if key not in value:
            raise missing_field(text, path, key)
    if value["type"] not in GRAMMARS:
        known = ", ".join(f"`{name}`" for name in GRAMMARS)
        why = f"unknown variant `{value['type']}`, expected one of {known}"
        raise shape_error(text, (*path, "type"), why, span(text, path)[1])
    if value["type"] == "regex":
        check(text, (*path, "value"), value["value"], "a string")
    if value["type"] == "json_schema":
        check(text, (*path, "value"), value["value"], "struct JsonSchemaConfig")
        if "schema" not in value["value"]:
            raise missing_field(text, (*path, "value"), "schema")


@dataclass(frozen=True)
class Limits:
    """What the launcher allows by default, with a context of 4096 tokens."""

    max_best_of: int = 2
    max_stop_sequences: int = 4
    max_top_n_tokens: int = 5
    max_input_tokens: int = 4095
    max_total_tokens: int = 4096


class InvalidError(Exception):
    """A request that validation turned down."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.error = {"error": f"Input validation error: {message}", "error_type": "validation"}


RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("temperature", lambda value: value > 0, "must be strictly positive"),
    ("repetition_penalty", lambda value: value > 0, "must be strictly positive"),
    ("frequency_penalty", lambda value: -2 <= value <= 2, "must be >= -2.0 and <= 2.0"),
    ("top_p", lambda value: 0 < value < 1, "must be > 0.0 and < 1.0"),
    ("typical_p", lambda value: 0 < value < 1, "must be > 0.0 and < 1.0"),
    ("top_k", lambda value: value > 0, "must be strictly positive"),
    ("max_new_tokens", lambda value: value > 0, "must be strictly positive"),
)


def complaints(wanted: Wanted, limits: Limits) -> Iterator[str]:
    """Yield what validation has to say, in the order it looks."""
    parameters = wanted.parameters
    yield from _best_of_complaints(parameters, limits.max_best_of)
    for name, allowed, message in RANGES:
        if parameters[name] is not None and not allowed(parameters[name]):
            yield f"`{name}` {message}"
    if (count := len(parameters["stop"])) > limits.max_stop_sequences:
        yield f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {count}"
    if (parameters["best_of"] or 1) > 1 and parameters["seed"] is not None:
        yield "`seed` must not be set when `best_of` > 1"
    if (count := parameters["top_n_tokens"] or 0) > (most := limits.max_top_n_tokens):
        disabled = "!= 0 is not allowed for this endpoint"
        yield f"`top_n_tokens` {f'must be >= 0 and <= {most}. Given: {count}' if most else disabled}"
    yield from _length_complaints(wanted, limits)
    yield from _grammar_complaints(parameters["grammar"])


def stream_complaints(wanted: Wanted) -> Iterator[str]:
    """Yield what only streams refuse, before anything else is looked at."""
    if wanted.parameters["best_of"] not in (None, 1):
        yield "`best_of` != 1 is not supported when streaming tokens"
    if wanted.parameters["decoder_input_details"]:
        yield "`decoder_input_details` == true is not supported when streaming tokens"


def _best_of_complaints(parameters: Parameters, most: int) -> Iterator[str]:
    best_of = parameters["best_of"] or 1
    if best_of > most:
        disabled = "!= 1 is not allowed for this endpoint"
        yield f"`best_of` {disabled if most == 1 else f'must be > 0 and <= {most}. Given: {best_of}'}"
    given = any(parameters[name] is not None for name in ("temperature", "top_k", "top_p", "typical_p"))
    if best_of > 1 and not (parameters["do_sample"] or given):
        yield "you must use sampling when `best_of` is > 1"


def _length_complaints(wanted: Wanted, limits: Limits) -> Iterator[str]:
    if not wanted.inputs:
        yield "`inputs` cannot be empty"
    truncate, longest = wanted.parameters["truncate"], limits.max_input_tokens
    if truncate is not None and not 0 < truncate <= longest:
        yield f"`truncate` must be strictly positive and less than {longest}. Given: {truncate}"
    length, new, total = len(wanted.prompt()), wanted.parameters["max_new_tokens"], limits.max_total_tokens
    new = max(total - length, 0) if new is None else new
    if length + new > total:
        given = f"Given: {length} `inputs` tokens and {new} `max_new_tokens`"
        yield f"`inputs` tokens + `max_new_tokens` must be <= {total}. {given}"
    if length > longest:
        yield f"`inputs` must have less than {longest} tokens. Given: {length}"


def _grammar_complaints(grammar: JSON) -> Iterator[str]:
    try:
        schema = json_schema(grammar)
    except json.JSONDecodeError as error:
        yield f"grammar is not valid: expected value at line {error.lineno} column {error.colno}"
    else:
        if schema is not None and not (isinstance(schema, dict) and "properties" in schema):
            yield "grammar is not valid: Grammar must have a 'properties' field"


def json_schema(grammar: JSON) -> JSON:
    """Return the schema of a JSON grammar, which may also come as text, or nothing for another grammar."""
    if grammar is None or grammar["type"] == "regex":
        return None
    value = grammar["value"]["schema"] if grammar["type"] == "json_schema" else grammar["value"]
    return json.loads(value) if isinstance(value, str) else value


def example(schema: Mapping[str, JSON], definitions: Mapping[str, JSON] | None = None) -> JSON:
    """Return something that a JSON schema allows."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if values := [schema["const"]] if "const" in schema else schema.get("enum"):
        return values[0]
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example(choices[0], definitions)
    if "properties" in schema:
        return {name: example(part, definitions) for name, part in schema["properties"].items()}
    kind = schema.get("type", "string")
    if kind == "array":
        return [example(schema.get("items", {}), definitions)]
    simple = {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": True, "null": None, "object": {}}
    return simple.get(kind if isinstance(kind, str) else kind[0], "robot")
