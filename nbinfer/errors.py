"""The exception tree, the one status table, and what a notebook shows of an error.

Statuses, error types and texts follow Hugging Face's serverless API, text-generation-inference (router 3.3)
and text-embeddings-inference, which share one table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import msgspec

SHOWN_LINES = 4
LONGEST_MESSAGE = 500
LONGEST_READ = 5000
HIDDEN = "<hidden>"


class InferError(Exception):
    """Root of everything nbinfer raises: a message, and a hint that says what to do."""

    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "", partial: Any = None) -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint
        self.partial = partial

    def lines(self) -> list[str]:
        """Return what a reader needs: what was wrong, then what to do, in one to four lines."""
        message = [line for line in str(self).splitlines() if line.strip()] or [""]
        shown = [f"{type(self).__name__}: {message[0]}", *message[1:], *self.hint.splitlines()]
        return [clip(line) for line in shown[:SHOWN_LINES]]

    def _render_traceback_(self) -> list[str]:
        """Show IPython the lines above instead of a stack of our frames."""
        return self.lines()


class ParameterError(InferError, ValueError):
    """An option is unknown, of the wrong type or out of range; nothing was sent."""


class TemplateError(InferError, ValueError):
    """A prompt could not be made: an undefined name, or a template that refuses its messages."""


class MissingExtraError(InferError, ImportError):
    """A feature needs a package that is not installed."""


class ModelNotFoundError(InferError, LookupError):
    """No model, service or endpoint has this name."""


class UnsupportedTaskError(InferError):
    """The model is there but does not offer this task."""


class ConnectionFailedError(InferError, OSError):
    """The server could not be reached, or hung up before it answered."""


class TimedOutError(InferError, TimeoutError):
    """The server did not answer within the time allowed."""


class BadAnswerError(InferError):
    """The server answered with something that is not the service's format."""


class StreamInterruptedError(InferError):
    """The answer broke off; what had arrived is in `.partial`."""


class ApiError(InferError):
    """A service said no.

    `status`, `error_type`, `request_id`, `url`, `headers` and `estimated_time` hold what it sent along.
    """

    retries: ClassVar[int | None] = 0
    """How often to try again: 0 never, 1 once, None as often as the caller allows."""

    def __init__(  # noqa: PLR0913 - the facts of an answer, all by keyword
        self,
        message: str = "",
        *,
        status: int = 0,
        error_type: str = "",
        request_id: str = "",
        url: str = "",
        headers: Mapping[str, str] | None = None,
        estimated_time: float | None = None,
        hint: str = "",
        partial: Any = None,
    ) -> None:
        super().__init__(message, hint=hint, partial=partial)
        self.status = status
        self.error_type = error_type
        self.request_id = request_id
        self.url = url
        self.headers = headers or {}
        self.estimated_time = estimated_time

    def lines(self) -> list[str]:
        """Name status and host after the message, and the request id where one came."""
        first, *rest = super().lines()
        origin = " from ".join(filter(None, [str(self.status or ""), urlsplit(self.url).netloc]))
        identity = [f"request id: {self.request_id}"] if self.request_id else []
        return [f"{first} ({origin})" if origin else first, *rest, *identity][:SHOWN_LINES]


class BadRequestError(ApiError):
    """The request does not fit the model or the server."""


class ProRequiredError(BadRequestError):
    """The model is kept for PRO subscribers."""

    hint = "Log in with a PRO account's token, or use -m local."


class ChatOnlyError(BadRequestError):
    """The model is offered for conversations only."""

    hint = "Ask it as a chat: %%infer chat, in Python chat_completion, or allow `bridge`."


class PausedError(BadRequestError):
    """The dedicated endpoint is paused."""

    hint = "Resume the endpoint at endpoints.huggingface.co, then run again."


class UnauthorizedError(ApiError):
    """The key is missing, or the service does not know it."""

    hint = "Check the key: `hf auth login`, HF_TOKEN, or --api-key-env NAME for other servers."


class PaymentRequiredError(ApiError):
    """The account's credits are used up."""

    hint = "Add credits at huggingface.co/settings/billing, or use -m local."


class ForbiddenError(ApiError):
    """The key is known but may not do this."""

    hint = "A fine-grained token needs the permission to make calls to Inference Providers."


class GatedError(ForbiddenError):
    """The model's terms have not been accepted."""

    hint = "Open the model's page on huggingface.co, accept its terms, then run again."


class NotFoundError(ApiError):
    """The server has no such model or route."""

    hint = "Check the model's name and the URL. A private model needs a token that may read it."


class UnprocessableError(ApiError, ValueError):
    """The server refused a parameter or the shape of the request."""


class TextOnlyError(UnprocessableError):
    """The model has no form for conversations."""

    hint = "Say in which form it was trained: --template NAME, or a hub id or folder that has one."


class GenerationError(ApiError):
    """The model failed while it generated."""

    retries = 1


class RateLimitedError(ApiError):
    """Too many requests in this period."""

    retries = None
    hint = "Wait, or use another model or key."


class OverloadedError(ApiError):
    """The model has more requests than it can queue."""

    retries = None


class ModelLoadingError(ApiError):
    """The model is being loaded."""

    retries = None
    hint = "Try again in a minute; --retries N waits longer."


class GatewayError(ApiError):
    """A proxy in front of the server gave up."""

    retries = None


class ServerError(ApiError):
    """The server failed."""

    retries = None


class StartingError(ServerError):
    """The dedicated endpoint had gone to sleep, and is being started."""

    patience: ClassVar[float] = 600.0
    """Seconds for which it is asked again and again, whatever the number of tries."""
    hint = "Look at the endpoint's log at endpoints.huggingface.co."

    @classmethod
    def of(cls, refusal: ApiError) -> Self:
        """Return the error for what an endpoint's proxy says meanwhile."""
        return cls("the endpoint is starting", **{name: getattr(refusal, name) for name in FACTS})


FACTS = ("status", "error_type", "request_id", "url", "headers")
"""What an ApiError holds of the answer."""


@dataclass(frozen=True)
class Row:
    """One line of the status table: the first that fits gives the class. Status 4 stands for all of 4xx, 0 for any."""

    error: type[ApiError]
    status: int = 0
    error_type: str = ""
    says: str = ""

    def fits(self, status: int, error_type: str, message: str) -> bool:
        """Say whether an answer with these marks belongs to this row."""
        return (
            self.status in {0, status, status // 100}
            and self.error_type in {"", error_type.lower()}
            and (not self.says or re.search(self.says, message, re.IGNORECASE) is not None)
        )


# Error types come first, as in TGI's own client; then texts that mean more than their status; then statuses.
TABLE: tuple[Row, ...] = (
    Row(UnprocessableError, error_type="validation"),
    Row(UnprocessableError, error_type="tokenizer"),
    Row(TextOnlyError, error_type="template_error", says=r"template not found"),
    Row(UnprocessableError, error_type="template_error"),
    Row(UnprocessableError, error_type="missing_template_variable"),
    Row(UnprocessableError, error_type="tool_error"),
    Row(OverloadedError, error_type="overloaded"),
    Row(GenerationError, error_type="generation"),
    Row(GenerationError, error_type="backend"),
    Row(GenerationError, error_type="incomplete_generation"),
    Row(GenerationError, error_type="incomplete_generation_stream"),
    Row(GenerationError, error_type="stream_serialization_error"),
    Row(ServerError, error_type="healthcheck"),
    Row(ServerError, error_type="unhealthy"),
    Row(GatedError, error_type="gatedrepo"),
    Row(ProRequiredError, says=r"requires a pro subscription"),
    Row(ChatOnlyError, says=r"supported task: conversational|not supported for task text-generation"),
    Row(TextOnlyError, 400, says=r"must provide a chat template|not a chat model"),
    Row(PausedError, 400, says=r"invalid state"),
    Row(GatedError, 401, says=r"gated|accept (the|its) (terms|conditions)"),
    Row(GatedError, 403, says=r"gated|accept (the|its) (terms|conditions)"),
    Row(ModelLoadingError, 503, says=r"loading"),
    Row(ModelLoadingError, 200, says=r"currently loading"),
    Row(OverloadedError, 429, says=r"overloaded"),
    Row(UnauthorizedError, 401),
    Row(PaymentRequiredError, 402),
    Row(ForbiddenError, 403),
    Row(NotFoundError, 404),
    Row(UnprocessableError, 422),
    Row(GenerationError, 424),
    Row(RateLimitedError, 429),
    Row(GatewayError, 502),
    Row(GatewayError, 504),
    Row(BadRequestError, 3),
    Row(BadRequestError, 4),
    Row(ServerError),
)

REQUEST_IDS = ("x-request-id", "x-inference-id", "x-amzn-trace-id", "x-amz-cf-id")


def api_error(
    status: int, body: bytes, *, url: str = "", headers: Mapping[str, str] | None = None, secrets: Iterable[str] = ()
) -> ApiError:
    """Turn a service's refusal, whatever its form, into the exception that fits.

    `secrets` are keys that went out with the request: a server that echoes one does not get it into the message.
    """
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    answer = _json(body)
    fields = answer if isinstance(answer, dict) else {}
    # Keys first: a cut would leave half of one.
    text = redact(message_of(answer, body), secrets)
    message = clip(_untagged(text[:LONGEST_READ])) or f"HTTP status {status}, with an empty body"
    error_type = headers.get("x-error-code") or fields.get("error_type") or ""
    status = _nested_status(fields) or status
    error = next(row.error for row in TABLE if row.fits(status, str(error_type), message))
    return error(
        message,
        status=status,
        error_type=str(error_type),
        request_id=request_id_of(headers),
        url=without_secrets(url),
        headers=headers,
        estimated_time=_number(fields.get("estimated_time")),
        hint=f"The server points to {without_secrets(headers['location'])}" if "location" in headers else "",
    )


def message_of(answer: Any, body: bytes = b"") -> str:
    """Find the text of an error: `error` (text, list, object), `detail`, `message`, `title`, else the plain body."""
    if not isinstance(answer, dict):
        return answer if isinstance(answer, str) else body.decode(errors="replace")
    found = next(filter(None, (_text(answer.get(key)) for key in ("error", "detail", "message", "title"))), "")
    warnings = _text(answer.get("warnings"))
    return "; ".join(filter(None, [found, warnings])) or body.decode(errors="replace")


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the id under which the service can find the request (header names in lower case)."""
    return next((headers[name] for name in REQUEST_IDS if headers.get(name)), "")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace every key in `text` by a mark."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text


def without_secrets(url: str) -> str:
    """Drop user, password, query and fragment of a URL: keys travel there."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, two when both are as near, or all when none is."""
    import difflib

    known = sorted(known)
    for cutoff in (0.9, 0.6):
        if close := difflib.get_close_matches(word, known, n=2, cutoff=cutoff):
            return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(known)}." if known else ""


def clip(text: str, length: int = LONGEST_MESSAGE) -> str:
    """Cut a text that is longer than a reader wants."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: Any) -> str:
    """Read one field of an error body: a text, a list of texts or of {loc, msg}, an object with a message."""
    match value:
        case str():
            return value
        case list():
            return "; ".join(filter(None, map(_text, value)))
        case {"msg": str(message), **rest}:
            where = rest.get("loc")
            place = ".".join(map(str, where)) if isinstance(where, list) else ""
            return f"{place}: {message}" if place else message
        case dict():
            return _text(value.get("message") or value.get("error") or value.get("reason"))
        case _:
            return ""


def _nested_status(fields: dict[str, Any]) -> int:
    """Return the status that TGI's chat streams and OpenAI-style errors carry inside the body."""
    inner = fields.get("error")
    status = inner.get("http_status_code") if isinstance(inner, dict) else None
    return status if isinstance(status, int) else 0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _untagged(text: str) -> str:
    """Reduce a page of a proxy, or a cloud's XML, to its words."""
    import html

    tag = rf"<(?!{HIDDEN[1:]})[a-z/!?][^>]*>"
    if re.match(rf"\s*{tag}", text, re.IGNORECASE) or re.search(r"<\s*(html|body|h1|p)\b", text, re.IGNORECASE):
        text = html.unescape(re.sub(rf"<(style|script)\b.*?</\1>|{tag}", " ", text, flags=re.DOTALL | re.IGNORECASE))
    return " ".join(text.split())
