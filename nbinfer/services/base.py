"""What a service is: a file that turns a call into a flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nbinfer.cache import AnswerCache
from nbinfer.chats import Message, content_text
from nbinfer.flows import DEFAULT_TIMEOUT, Flow, Request, Timeout
from nbinfer.known import LETTERS


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call, checked: the task, its input, the options given (canonical names, no defaults), and how to send it.

    `inputs` is the prompt of a task that takes one, `texts` are the texts of a task that takes several, `messages`
    those of a chat, `file` is that of a task that takes one, `arguments` are those of a method of huggingface_hub that
    is no task of `nbinfer.tasks`. `model` is a hub id, an address or a local name, `name` what the server at an address
    calls its model. `extra` holds parameters that only the service knows. `stream` None streams where the options allow
    it; `details` False asks for the bare text. `bridge` allows another task to be asked for where a model offers only
    that. `notices` are what the reader should know of it, `made` turns its result into that of a task that is done as
    another. `servers` is what servers said of themselves, as long as the client
    lives, `cache` where it keeps the answers of local models, None where it does not.
    """

    task: str
    inputs: str = ""
    texts: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    file: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    model: str
    name: str = ""
    provider: str | None = None
    bill_to: str | None = None
    servers: MutableMapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cache: AnswerCache | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: Timeout = DEFAULT_TIMEOUT
    retries: int = 3
    stream: bool | None = None
    details: bool = True
    bridge: bool = True
    notices: tuple[str, ...] = ()
    made: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Room:
    """How many tokens a model can read and write together, None where nobody knows, and how many messages take."""

    tokens: int | None
    count: Callable[[Sequence[Message]], int]


def estimated(messages: Sequence[Message]) -> int:
    """Return about how many tokens messages are, for models whose tokenizer is elsewhere."""
    return sum(len(content_text(message.get("content"))) // LETTERS + AROUND for message in messages)


AROUND = 5
"""Tokens that a template puts around a message."""


class Service(ABC):
    """Adapter for one API. It never opens a connection, sleeps or retries: it asks for that in its flow."""

    name: ClassVar[str]
    label: ClassVar[str]
    tasks: ClassVar[Collection[str]]
    """Names of the tasks in `nbinfer.tasks` that it offers."""
    borrows: ClassVar[bool] = False
    """Whether it offers what huggingface_hub's client can do beside them."""

    @abstractmethod
    def flow(self, call: Call) -> Flow[Any]:
        """Return the flow that performs a call."""

    @abstractmethod
    def preview(self, call: Call) -> dict[str, Any]:
        """Return what would be sent, keys hidden, without sending it."""

    def room(self, call: Call) -> Room:
        """Return what the model of a chat has room for."""
        del call
        return Room(None, estimated)

    @abstractmethod
    def request(self, call: Call) -> Request:
        """Return the request that would be sent; ParameterError where nothing goes over a wire."""
