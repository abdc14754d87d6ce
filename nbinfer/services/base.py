"""What a service is: a file that turns a call into a flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nbinfer.flows import DEFAULT_TIMEOUT, Flow, Timeout


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call, checked: the task, its inputs, the options given (canonical names, no defaults), and how to send it.

    `extra` holds parameters that only the service knows. `stream` None streams where the options allow it;
    `details` False asks for the bare text.
    """

    task: str
    inputs: str
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: Timeout = DEFAULT_TIMEOUT
    retries: int = 3
    stream: bool | None = None
    details: bool = True


class Service(ABC):
    """Adapter for one API. It never opens a connection, sleeps or retries: it asks for that in its flow."""

    name: ClassVar[str]
    label: ClassVar[str]
    tasks: ClassVar[Mapping[str, type]]
    """Task → its parameter group."""

    @abstractmethod
    def flow(self, call: Call) -> Flow:
        """Return the flow that performs a call."""

    @abstractmethod
    def preview(self, call: Call) -> dict[str, Any]:
        """Return what would be sent, keys hidden, without sending it."""
