"""The habits of the servers behind `/v1/chat/completions`, one row each."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .replies import JSON
from .tokens import EOS

Tokens = Sequence[Mapping[str, JSON]]
Parts = list[list[Mapping[str, JSON]]]

STOPPED = {"eos_token": "stop", "stop_sequence": "stop"}


def singly(tokens: Tokens) -> Parts:
    """Send every token by itself."""
    return [[token] for token in tokens]


def words(tokens: Tokens) -> Parts:
    """Send what a blank begins."""
    parts: Parts = []
    for token in tokens:
        if not parts or token["text"][:1].isspace():
            parts.append([])
        parts[-1].append(token)
    return parts


def phrases(tokens: Tokens) -> Parts:
    """Send three words at a time."""
    single = words(tokens)
    return [list(itertools.chain(*single[start : start + 3])) for start in range(0, len(single), 3)]


def sentences(tokens: Tokens) -> Parts:
    """Send a whole sentence, and then a chunk that says nothing."""
    parts: Parts = [[]]
    for token in tokens:
        parts[-1].append(token)
        if token["text"].endswith((".", "!", "?")):
            parts += [[], []]
    return parts


def text_of(tokens: Tokens) -> str:
    """Return what tokens say together."""
    return "".join(token["text"] for token in tokens)


def said_with_role(tokens: Tokens | None) -> dict[str, JSON]:
    """Name the role in every chunk."""
    return {"delta": {"role": "assistant", "content": text_of(tokens or ())}}


def said(tokens: Tokens | None) -> dict[str, JSON]:
    """Say the text and nothing else; at the end, where there are no tokens, say nothing at all."""
    return {"delta": {} if tokens is None else {"content": text_of(tokens)}}


def said_by_together(tokens: Tokens | None) -> dict[str, JSON]:
    """Say everything twice, and the token too."""
    text, token_id = text_of(tokens or ()), (tokens or [EOS])[-1]["id"]
    delta = {"token_id": token_id, "role": "assistant", "content": text, "tool_calls": None}
    return {"text": text, "seed": None, "delta": delta}


def said_as_text(tokens: Tokens | None) -> dict[str, JSON]:
    """Say the text as `/v1/completions` does."""
    return {"text": text_of(tokens or ())}


def message(text: str) -> dict[str, JSON]:
    """Give a whole text as a message."""
    return {"message": {"role": "assistant", "content": text}}


def plain(text: str) -> dict[str, JSON]:
    """Give a whole text as `/v1/completions` does."""
    return {"text": text}


def called_by_tgi(name: str | None, arguments: str) -> dict[str, JSON]:
    """Repeat all of a call in every chunk but its name, which is null after the first."""
    function = {"name": name, "arguments": arguments}
    call = {"index": 0, "id": "0", "type": "function", "function": function}
    return {"delta": {"role": "assistant", "tool_calls": [call]}}


def called(name: str | None, arguments: str) -> dict[str, JSON]:
    """Tell id and name of a call in the first chunk only."""
    if name is None:
        return {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}}
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"delta": {"role": "assistant", "content": None, "tool_calls": [call]}}


@dataclass(frozen=True, kw_only=True)
class ChatForm:
    """How one server reads chat requests and tells answers.

    Its streams begin with an `opening`, if there is one, then say what `parts` makes of the tokens, and end, if they
    are `closing`, in a chunk of their own that gives the reason, else in the chunk of the last token. `usage` comes
    when "asked" for, "never", with the "end", with the end of "each" choice, or "always".
    """

    provider: str
    tgi: bool = False
    id: str = "chatcmpl-5f0b02c75b57c585"
    fingerprint: str = "fp_5f0b02c75b"
    whole: str = "chat.completion"
    written: Callable[[str], dict[str, JSON]] = message
    chunk: str = "chat.completion.chunk"
    prefix: bytes = b"data: "
    opening: Mapping[str, JSON] | None = None
    parts: Callable[[Tokens], Parts] = singly
    said: Callable[[Tokens | None], dict[str, JSON]] = said
    called: Callable[[str | None, str], dict[str, JSON]] = called
    unfinished: Mapping[str, JSON] = field(default_factory=lambda: {"finish_reason": None})
    closing: bool = True
    leaks: bool = False
    reasons: Mapping[str, str] = field(default_factory=lambda: STOPPED)
    reasons_in_streams: Mapping[str, str] | None = None
    usage: str = "end"
    done: bool = True
    errors: str = "tgi-3"
    max_tokens: int | None = None
    call_id: JSON = "call_1"
    call_as_text: bool = True
    call_reason: str = "tool_calls"
    call_closing: bool = True

    def of_text(self) -> "ChatForm":
        """Return the habits of the same server on `/v1/completions`."""
        kind = "text_completion"
        form = replace(self, whole=kind, written=plain, chunk=kind, opening=None, said=said_as_text)
        if not self.tgi:
            return form
        # Chunks are written by other lines than whole answers: they leave the reason and the end token as they are.
        return replace(form, unfinished={"finish_reason": ""}, reasons_in_streams={}, leaks=True, usage="each")


ROLE = {"delta": {"role": "assistant"}}
EMPTY = {"delta": {"role": "assistant", "content": ""}}
TGI = ChatForm(
    provider="hf-inference",
    tgi=True,
    id="",
    fingerprint="3.3.6-sha-78922ce",
    said=said_with_role,
    called=called_by_tgi,
    closing=False,
    reasons={"eos_token": "stop"},
    usage="asked",
    call_id="0",
)
OLD_TGI = replace(
    TGI,
    fingerprint="1.4.5-native",
    whole="text_completion",
    chunk="text_completion",
    prefix=b"data:",
    reasons={},
    usage="never",
    done=False,
    errors="old",
    max_tokens=100,
    call_id=0,
    call_as_text=False,
    call_reason="eos_token",
)
FORMS = {
    "tgi-3": TGI,
    # As recorded with 3.1.2: a call ends as any run does, and its stream tells no reason at all.
    "tgi-3.1": replace(TGI, fingerprint="3.1.2-native", call_reason="stop", call_closing=False),
    "tgi-2": replace(OLD_TGI, fingerprint="2.0.0-native", leaks=True),
    "tgi-1.4": OLD_TGI,
    "cerebras": ChatForm(provider="cerebras", opening=ROLE, unfinished={}, done=False),
    "cohere": ChatForm(provider="cohere", opening=EMPTY),
    "fireworks": ChatForm(provider="fireworks-ai", opening=ROLE, parts=phrases),
    "sambanova": ChatForm(provider="sambanova", opening=EMPTY, parts=sentences, usage="never"),
    "together": ChatForm(provider="together", said=said_by_together),
    "novita": ChatForm(provider="novita", opening=EMPTY, parts=words, usage="always"),
}
