import asyncio

import pytest

from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import (
    ApiError,
    BadRequestError,
    ChatOnlyError,
    ForbiddenError,
    GatedError,
    GatewayError,
    GenerationError,
    ModelLoadingError,
    NotFoundError,
    OverloadedError,
    PausedError,
    PaymentRequiredError,
    ProRequiredError,
    RateLimitedError,
    ServerError,
    TextOnlyError,
    UnauthorizedError,
    UnprocessableError,
)

from .tgi import Reply, Server, Stream, token_event
from .wire import REFUSALS

TASK, PROMPT = "text-generation", "What is it?"
KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
LLAMA = "meta-llama/Llama-2-70b-chat-hf"
KWARGS = (
    "The following `model_kwargs` are not used by the model: ['watermark', 'stop', 'return_full_text'] "
    "(note: typos in the generate arguments will also show up in this list)"
)
SHAPE = "Failed to deserialize the JSON body into the target type:"

# What each refusal of the table is: its class, and its message or the beginning of it.
MEANINGS: dict[str, tuple[type[ApiError], str]] = {
    "loading-503": (ModelLoadingError, f"Model {LLAMA} is currently loading"),
    "loading-200": (ModelLoadingError, f"Model {LLAMA} is currently loading"),
    "pro_required-400": (ProRequiredError, "Model requires a Pro subscription; check out hf.co/pricing to learn more."),
    "model_kwargs-400": (BadRequestError, f"{KWARGS}; There was an inference error: {KWARGS}"),
    "error_list-400": (BadRequestError, "Error in `inputs.context`: field required; Error in `inputs.question`: field"),
    "paused-400": (PausedError, "Bad Request: Invalid state"),
    "not_json-400": (BadRequestError, "Failed to parse the request body as JSON: expected value at line 1 column 1"),
    "no_provider-400": (BadRequestError, f"The requested model '{LLAMA}' is not supported by any provider you have"),
    "chat_only-400": (ChatOnlyError, f"Model {LLAMA} is not supported for task text-generation and provider novita."),
    "bad_password-401": (UnauthorizedError, "Invalid username or password."),
    "bad_token-401": (UnauthorizedError, "Authorization header is correct, but the token seems invalid"),
    "empty-401": (UnauthorizedError, "HTTP status 401, with an empty body"),
    "credits-402": (PaymentRequiredError, "You have exceeded your monthly included credits for Inference Providers."),
    "too_large-403": (ForbiddenError, f"The model {LLAMA} is too large to be loaded automatically (16GB > 10GB)."),
    "no_permission-403": (ForbiddenError, "This authentication method does not have sufficient permissions to call"),
    "gated-403": (GatedError, f"Access to model {LLAMA} is restricted and you are not in the authorized list."),
    "gated-401": (GatedError, f"Access to model {LLAMA} is restricted and you are not in the authorized list."),
    "no_model-404": (NotFoundError, f"Model {LLAMA} does not exist"),
    "detail-404": (NotFoundError, "Not Found"),
    "too_long-413": (BadRequestError, "Failed to buffer the request body: length limit exceeded"),
    "wrong_content_type-415": (BadRequestError, "Expected request with `Content-Type: application/json`"),
    "validation-422": (UnprocessableError, "Input validation error: `temperature` must be strictly positive"),
    "wrong_type-422": (
        UnprocessableError,
        f"{SHAPE} inputs: invalid type: sequence, expected a string at line 1 column 11",
    ),
    "missing_field-422": (UnprocessableError, f"{SHAPE} missing field `inputs` at line 1 column 2"),
    "detail_list-422": (
        UnprocessableError,
        "body.inputs: field required; body.parameters.temperature: value is not a valid float",
    ),
    "template-422": (TextOnlyError, "Template error: template not found"),
    "template_variable-422": (UnprocessableError, "Missing template vatiable: tools"),
    "tool-422": (UnprocessableError, "Tool error: Grammar and tools are mutually exclusive"),
    "suffix-422": (UnprocessableError, "Suffix is not supported and can be achieved by preprocessing the prompt."),
    "batch-422": (UnprocessableError, "Number of prompts exceeds the maximum allowed batch size of 4"),
    "chat_error-422": (UnprocessableError, "Input validation error: `inputs` cannot be empty"),
    "generation-424": (GenerationError, "Request failed during generation: Server error: CUDA out of memory."),
    "overloaded-429": (OverloadedError, "Model is overloaded"),
    "rate_limit-429": (RateLimitedError, "Rate limit reached. Please log in or use a HF access token"),
    "too_busy-500": (ServerError, "Model too busy, unable to get response in less than 60 second(s)"),
    "too_busy_120-500": (ServerError, "Model too busy, unable to get response in less than 120 second(s)"),
    "crash_with_warnings-500": (
        ServerError,
        "unknown error; There was an inference error: unknown error: CUDA out of memory.",
    ),
    "incomplete-500": (GenerationError, "Incomplete generation"),
    "incomplete_stream-500": (GenerationError, "Incomplete generation stream"),
    "serialization-500": (GenerationError, "Stream serialization error: key must be a string"),
    "nested_error-500": (ServerError, "Backend is not ready"),
    "null_error-500": (ServerError, '{"error":null,"message":null}'),
    "string-500": (ServerError, "Something went wrong"),
    "half-500": (ServerError, '{"error":"Model is over'),
    "latin1-500": (ServerError, "D\ufffdlai d\ufffdpass\ufffd"),
    "bad_gateway-502": (GatewayError, "502 Bad Gateway 502 Bad Gateway nginx"),
    "unhealthy-503": (ServerError, "unhealthy"),
    "problem-503": (ServerError, "Service Unavailable"),
    "message-504": (GatewayError, "The upstream server is timing out"),
    "gateway_timeout-504": (
        GatewayError,
        "ERROR: The request could not be satisfied 504 Gateway Timeout ERROR The request",
    ),
    "validation-200": (UnprocessableError, "Input validation error: `temperature` must be strictly positive"),
}
IDS = [row[0] for row in REFUSALS]


def refused(client: InferenceClient, **parameters: object) -> ApiError:
    """Return the refusal of a call."""
    with pytest.raises(ApiError) as caught:
        client.run(TASK, PROMPT, retries=0, bridge=False, **parameters)
    return caught.value


def test_every_refusal_has_a_meaning() -> None:
    """The table of meanings is that of refusals, and between them all classes of refusals occur."""
    assert sorted(MEANINGS) == sorted(IDS)
    leaves = {kind for kind in ApiError.__subclasses__() if not kind.__subclasses__()}
    assert leaves <= {kind for kind, _ in MEANINGS.values()}


@pytest.mark.parametrize(("name", "status", "headers", "body"), REFUSALS, ids=IDS)
def test_each_refusal_becomes_the_error_that_fits(
    tgi: Server, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Class, message, status and host are right, in one to four lines, without the key."""
    tgi.script(Reply(status, body=body, headers=headers))
    with InferenceClient(f"{tgi.url}/models/{LLAMA}", api_key=KEY) as client:
        error = refused(client)
    kind, message = MEANINGS[name]
    assert type(error) is kind
    assert str(error).startswith(message)
    assert len(str(error)) <= 500
    assert (error.status, error.url) == (status, f"{tgi.url}/models/{LLAMA}")
    lines = error.lines()
    assert 1 <= len(lines) <= 4
    assert f"({status} from {tgi.url.removeprefix('http://')})" in lines[0]
    assert KEY not in "".join(lines) + repr(vars(error))
    assert len(tgi.requests) == 1


@pytest.mark.parametrize(("name", "status", "headers", "body"), REFUSALS, ids=IDS)
def test_the_async_client_raises_the_same(
    tgi: Server, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Sync and async clients agree on every refusal."""

    async def refused_async() -> ApiError:
        async with AsyncInferenceClient(tgi.url) as client:
            with pytest.raises(ApiError) as caught:
                await client.text_generation(PROMPT, retries=0, bridge=False)
            return caught.value

    tgi.script(Reply(status, body=body, headers=headers))
    error = asyncio.run(refused_async())
    assert type(error) is MEANINGS[name][0]
    assert str(error).startswith(MEANINGS[name][1])


@pytest.mark.parametrize(("name", "status", "headers", "body"), REFUSALS, ids=IDS)
def test_every_refusal_can_get_better_or_not(
    tgi: Server, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Loading, busy and failing servers are asked again, and then answer; all others are not."""
    tgi.script(Reply(status, body=body.replace(b"20.0", b"null"), headers=headers | {"retry-after": "0"}))
    kind, _ = MEANINGS[name]
    with InferenceClient(f"{tgi.url}/models/{LLAMA}") as client:
        if kind.retries == 0:
            with pytest.raises(kind):
                client.run(TASK, PROMPT, bridge=False)
        else:
            client.run(TASK, PROMPT)
    assert len(tgi.requests) == (1 if kind.retries == 0 else 2)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pro_required-400", "-m local"),
        ("paused-400", "endpoints.huggingface.co"),
        ("empty-401", "hf auth login"),
        ("credits-402", "settings/billing"),
        ("no_permission-403", "Inference Providers"),
        ("gated-403", "accept its terms"),
        ("no_model-404", "Check the model's name"),
        ("rate_limit-429", "another model or key"),
        ("loading-503", "--retries"),
    ],
)
def test_a_reader_is_told_what_to_do(tgi: Server, name: str, hint: str) -> None:
    """Refusals that a reader can do something about say what."""
    _, status, headers, body = next(row for row in REFUSALS if row[0] == name)
    tgi.script(Reply(status, body=body, headers=headers))
    with InferenceClient(tgi.url) as client:
        assert hint in "\n".join(refused(client).lines())


@pytest.mark.parametrize(
    ("name", "request_id"),
    [
        ("bad_password-401", "Root=1-65f0a1b2-1234567890abcdef12345678"),
        ("no_model-404", "inference-1"),
        ("gateway_timeout-504", "cloudfront-1"),
    ],
)
def test_the_request_can_be_found(tgi: Server, name: str, request_id: str) -> None:
    """The id of the request is on the error and in what is shown."""
    _, status, headers, body = next(row for row in REFUSALS if row[0] == name)
    tgi.script(Reply(status, body=body, headers=headers))
    with InferenceClient(tgi.url) as client:
        error = refused(client)
    assert error.request_id == request_id
    assert error.lines()[-1] == f"request id: {request_id}"


def test_the_facts_of_a_refusal_are_on_the_error(tgi: Server) -> None:
    """Headers, error type and the estimated time can be read by programs."""
    tgi.script(Reply(503, body=b'{"error":"loading","estimated_time":20.0,"error_type":"t"}', headers={"X-A": "b"}))
    with InferenceClient(tgi.url) as client:
        error = refused(client)
    assert (error.estimated_time, error.error_type, error.headers["x-a"]) == (20.0, "t", "b")


JSON_BODIES = [
    row
    for row in REFUSALS
    if row[3].startswith(b"{") and b'"error":' in row[3] and row[0] not in {"half-500", "null_error-500"}
]


@pytest.mark.parametrize(("name", "status", "headers", "body"), JSON_BODIES, ids=[row[0] for row in JSON_BODIES])
def test_the_same_body_as_an_event_of_a_stream_is_an_error(
    tgi: Server, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """An error that comes in the stream has the message it has elsewhere, and the text that came before it."""
    tgi.script(Stream([token_event(1, "One"), b"data: " + body + b"\n\n"]))
    with InferenceClient(tgi.url) as client:
        error = refused(client)
    assert str(error).startswith(MEANINGS[name][1])
    assert error.partial.text == "One"
    assert len(tgi.requests) == 1
