"""A chat or completions request: read as serde reads it for TGI, or as the followers of OpenAI read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .replies import JSON, Recorded, Reply
from .requests import Parameters, check_grammar, with_defaults
from .serde import RefusedError, check, check_items, missing_field, read_json, shape_error, span

BOS = "<s>"
TOOL_PROMPT = "Answer with JSON {name, parameters} that calls one of these functions."

SHARED = {
    "model": "a string",
    "frequency_penalty": "f32",
    "max_tokens": "u32",
    "seed": "u64",
    "temperature": "f32",
    "top_p": "f32",
}
OF_CHAT = SHARED | {
    "logprobs": "a boolean",
    "top_logprobs": "u32",
    "max_completion_tokens": "u32",
    "n": "u32",
    "presence_penalty": "f32",
    "tool_prompt": "a string",
    "stream_options": "struct StreamOptions",
}
OF_COMPLETIONS = SHARED | {"repetition_penalty": "f32", "suffix": "a string"}
LISTS = {"stop": "a string", "logit_bias": "f32"}
UNTAGGED = "data did not match any variant of untagged enum"
NO_PROMPTS = "Empty array detected. Do not use an empty array for the prompt."

RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "max_tokens": (1, 2**31),
    "max_completion_tokens": (1, 2**31),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}


class TurnedDownError(RefusedError):
    """A request that was understood and refused, in JSON."""

    def __init__(self, status: int, error: JSON) -> None:
        super().__init__(status, "")
        self.reply = Reply(status, json=error)


def turned_down(message: str, error_type: str) -> TurnedDownError:
    """Refuse as TGI does."""
    return TurnedDownError(422, {"error": message, "error_type": error_type})


def bad_request(message: str, param: str | None = None, code: str | None = None) -> TurnedDownError:
    """Refuse as OpenAI and its followers do."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return TurnedDownError(400, {"error": error})


@dataclass(frozen=True)
class Asked:
    """A request that is well-formed; what was null is absent, and the grammar is written as TGI writes it."""

    given: Mapping[str, JSON]
    grammar: JSON = None

    @property
    def stop(self) -> Sequence[str]:
        """Return the texts to stop at."""
        stop = self.given.get("stop", [])
        return [stop] if isinstance(stop, str) else stop

    @property
    def prompts(self) -> Sequence[str]:
        """Return the prompts of a completions request."""
        prompt = self.given["prompt"]
        return [prompt] if isinstance(prompt, str) else prompt

    def parameters(self, max_new_tokens: int | None) -> Parameters:
        """Return the parameters that TGI makes of the fields; the argument stands in for `max_tokens`."""
        given = self.given
        same = ("frequency_penalty", "repetition_penalty", "seed", "temperature", "top_p")
        own = {name: given[name] for name in same if name in given}
        # Only a temperature of zero switches sampling off.
        own["do_sample"] = own.get("temperature") != 0
        if not own["do_sample"]:
            del own["temperature"]
        if "presence_penalty" in given:
            own["repetition_penalty"] = given["presence_penalty"] + 2
        own["max_new_tokens"] = given.get("max_tokens", given.get("max_completion_tokens", max_new_tokens))
        own["top_n_tokens"] = given.get("top_logprobs")
        return with_defaults(own | {"stop": self.stop, "grammar": self.grammar, "details": True})

    def tool(self) -> Mapping[str, JSON] | None:
        """Return the function to call: the one that is named, else the first, unless its result is there already."""
        tools, choice = self.given.get("tools"), self.given.get("tool_choice", "auto")
        answered = choice == "auto" and self.given["messages"][-1:] and self.given["messages"][-1]["role"] == "tool"
        if not tools or choice == "none" or answered:
            return None
        if choice in ("auto", "required"):
            return tools[0]["function"]
        name = choice if isinstance(choice, str) else choice["function"]["name"]
        for tool in tools:
            if tool["function"]["name"] == name:
                return tool["function"]
        raise turned_down(f"Tool error: Tool with name {name} not found", "tool_error")

    def templated(self) -> str:
        """Return the conversation as the model sees it, less the control token in front, which no one need add."""
        turns = [(message["role"], flat(message)) for message in self.given["messages"]]
        if turns and self.given.get("tools") and self.given.get("tool_choice") != "none":
            role, text = turns[-1]
            shown = json.dumps(self.given["tools"], ensure_ascii=False)
            turns[-1] = (role, f"{text}\n---\n{shown}\n{self.given.get('tool_prompt') or TOOL_PROMPT}")
        text = "".join(f"<|{role}|>\n{text}</s>\n" for role, text in turns)
        return text.removesuffix("</s>\n") if turns and turns[-1][0] == "assistant" else f"{text}<|assistant|>\n"

    def continued(self) -> str:
        """Return the beginning of the answer where the last message is one."""
        last = self.given["messages"][-1:]
        return flat(last[0]) if last and last[0]["role"] == "assistant" else ""


def flat(message: Mapping[str, JSON]) -> str:
    """Return a message as text, with links for images."""
    content = message.get("content")
    if content is None:
        return json.dumps(message.get("tool_calls", []), ensure_ascii=False)
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else f"![]({part['image_url']['url']})" for part in content)


def read_chat(request: Recorded) -> Asked:
    """Read a chat request as TGI does."""
    text, body = _body(request, "ChatRequest")
    given = _checked(text, body, OF_CHAT)
    if "messages" not in body:
        raise missing_field(text, (), "messages")
    check(text, ("messages",), body["messages"], "a sequence")
    for index, message in enumerate(body["messages"]):
        _check_message(text, ("messages", f"[{index}]"), message)
    for name, check_field in (("tools", _check_tools), ("tool_choice", _check_tool_choice)):
        if body.get(name) is not None:
            check_field(text, body[name])
            given[name] = body[name]
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise shape_error(text, (), "duplicate field `max_tokens`", span(text, ("max_completion_tokens",))[0])
    grammar = body.get("response_format")
    if grammar is not None:
        check_grammar(text, ("response_format",), grammar)
    return Asked(given | {"messages": body["messages"]}, grammar)


def read_completion(request: Recorded) -> Asked:
    """Read a completions request as TGI does."""
    text, body = _body(request, "CompletionRequest")
    given = _checked(text, body, OF_COMPLETIONS)
    if "prompt" not in body:
        raise missing_field(text, (), "prompt")
    prompt = body["prompt"]
    if prompt == [] or not _is_texts(prompt):
        why = NO_PROMPTS if prompt == [] else f"{UNTAGGED} PromptDeserializer"
        raise shape_error(text, ("prompt",), why, span(text, ("prompt",))[1])
    return Asked(given | {"prompt": prompt})


def _body(request: Recorded, struct: str) -> tuple[str, Mapping[str, JSON]]:
    text, body = read_json(request)
    check(text, (), body, f"struct {struct}")
    return text, body


def _checked(text: str, body: Mapping[str, JSON], kinds: Mapping[str, str]) -> dict[str, JSON]:
    """Return the fields that are known and not null; only `stream` must not be null."""
    given: dict[str, JSON] = {}
    for name, value in body.items():
        if name == "stream":
            check(text, (name,), value, "a boolean")
        elif value is None or name not in kinds | LISTS:
            continue
        elif name in LISTS:
            check_items(text, (name,), value, LISTS[name])
        else:
            check(text, (name,), value, kinds[name])
        given[name] = value
    return given


def _check_message(text: str, path: tuple[str, ...], message: JSON) -> None:
    check(text, path, message, "struct Message")
    if "role" not in message:
        raise missing_field(text, path, "role")
    check(text, (*path, "role"), message["role"], "a string")
    content = message.get("content")
    parts = isinstance(content, list) and all(map(_is_part, content))
    calls = content is None and isinstance(message.get("tool_calls"), list)
    if not (isinstance(content, str) or parts or calls):
        raise shape_error(text, path, f"{UNTAGGED} MessageBody", span(text, path)[1])


def _is_part(part: JSON) -> bool:
    match part:
        case {"type": "text", "text": str()} | {"type": "image_url", "image_url": {"url": str()}}:
            return True
    return False


def _is_texts(value: JSON) -> bool:
    """Tell whether a value is a text, or a list of texts."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _check_tools(text: str, tools: JSON) -> None:
    check_items(text, ("tools",), tools, "struct Tool")
    for index, tool in enumerate(tools):
        path = ("tools", f"[{index}]")
        for name in ("type", "function"):
            if name not in tool:
                raise missing_field(text, path, name)
        function, path = tool["function"], (*path, "function")
        check(text, path, function, "struct FunctionDefinition")
        if "name" not in function:
            raise missing_field(text, path, "name")
        check(text, (*path, "name"), function["name"], "a string")
        if not {"parameters", "arguments"} & set(function):
            raise missing_field(text, path, "arguments")


def _check_tool_choice(text: str, choice: JSON) -> None:
    match choice:
        case str() | {"type": "function", "function": {"name": str()}}:
            return
    path = ("tool_choice",)
    raise shape_error(text, path, f"{UNTAGGED} ToolTypeDeserializer", span(text, path)[1])


def read_openai(request: Recorded, subject: str) -> Asked:
    """Read a request about `messages` or a `prompt` as the followers of OpenAI do."""
    try:
        _, body = read_json(request)
    except RefusedError as refusal:
        raise bad_request(refusal.reply.text or "") from None
    if not isinstance(body, dict):
        raise bad_request("We could not parse the JSON body of your request.")
    asked = {name: value for name, value in body.items() if value is not None}
    if not asked.get(subject):
        raise bad_request(f"Missing required parameter: '{subject}'.", subject, "missing_required_parameter")
    if not (_is_texts(asked[subject]) if subject == "prompt" else _are_messages(asked[subject])):
        raise bad_request(f"Invalid type for '{subject}'.", subject, "invalid_type")
    _check_values(asked)
    _check_choice(asked)
    return Asked(asked, _grammar(asked.get("response_format")))


def _are_messages(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(message, dict) and "role" in message for message in value)


def _check_values(asked: Mapping[str, JSON]) -> None:
    for name, (low, high) in RANGES.items():
        value = asked.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad_request(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if not low <= value <= high:
            raise bad_request(f"Invalid '{name}': must be between {low} and {high}.", name, "invalid_value")
    if not _is_texts(asked.get("stop", "")):
        raise bad_request("Invalid type for 'stop'.", "stop", "invalid_type")


def _check_choice(asked: Mapping[str, JSON]) -> None:
    named: list[str] = []
    for tool in asked.get("tools", []):
        match tool:
            case {"type": "function", "function": {"name": str(name)}}:
                named.append(name)
            case _:
                raise bad_request("Invalid value for 'tools'.", "tools", "invalid_value")
    match asked.get("tool_choice", "auto"):
        case "auto" | "none" | "required":
            return
        case {"type": "function", "function": {"name": name}} if name in named:
            return
    raise bad_request("Invalid value for 'tool_choice'.", "tool_choice", "invalid_value")


def _grammar(wanted: JSON) -> JSON:
    """Return what TGI would call the grammar of a `response_format`."""
    if wanted is None or wanted == {"type": "text"}:
        return None
    known = {"json_object": {"type"}, "json_schema": {"type", "json_schema"}}.get(wanted.get("type"))
    if known is None:
        supported = "Supported values are: 'text', 'json_object', and 'json_schema'."
        message = f"Invalid value: '{wanted.get('type')}'. {supported}"
        raise bad_request(message, "response_format.type", "invalid_value")
    for name in sorted(set(wanted) - known):
        raise bad_request(f"Unknown parameter: 'response_format.{name}'.", "response_format", "unknown_parameter")
    if wanted["type"] == "json_object":
        return {"type": "json", "value": {"properties": {"answer": {"type": "string"}}}}
    named = wanted.get("json_schema", {})
    for name in ("name", "schema"):
        if name not in named:
            param = f"response_format.json_schema.{name}"
            raise bad_request(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    return {"type": "json", "value": named["schema"]}
