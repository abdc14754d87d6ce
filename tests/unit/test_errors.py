import pickle
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer import errors
from nbinfer.errors import (
    TABLE,
    ApiError,
    BadRequestError,
    GatewayError,
    GenerationError,
    InferError,
    ModelLoadingError,
    OverloadedError,
    RateLimitedError,
    ServerError,
    StartingError,
    UnprocessableError,
    api_error,
    clip,
    message_of,
    nearest,
    redact,
    request_id_of,
    without_secrets,
)

KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


def tree(root: type[InferError]) -> Iterator[type[InferError]]:
    """Yield a class and everything below it."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


OURS = [kind for kind in tree(InferError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", OURS)
def test_every_error_can_be_caught_and_read(kind: type[InferError]) -> None:
    """Each class ends in Error, has a sentence that says when it is raised, and no foreign root but Python's own."""
    assert kind.__name__.endswith("Error")
    assert kind.__doc__
    assert kind.__doc__.splitlines()[0].endswith(".")
    assert all(base.__module__ in {errors.__name__, "builtins"} for base in kind.__mro__)
    error = kind("what", hint="do this")
    assert (str(error), error.hint, error.partial) == ("what", "do this", None)


@pytest.mark.parametrize(
    ("kind", "python"),
    [
        (errors.ParameterError, ValueError),
        (errors.TemplateError, ValueError),
        (errors.MissingExtraError, ImportError),
        (errors.ModelNotFoundError, LookupError),
        (errors.ConnectionFailedError, OSError),
        (errors.TimedOutError, TimeoutError),
        (errors.UnprocessableError, ValueError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind: type[InferError], python: type[Exception]) -> None:
    """Code that knows only Python's own exceptions catches ours."""
    with pytest.raises(python):
        raise kind("what")


def test_every_leaf_is_reached_from_the_table() -> None:
    """Each class of refusal is what some answer of a server becomes; that an endpoint starts, its address tells."""
    leaves = {kind for kind in tree(ApiError) if kind.__module__ == errors.__name__ and not kind.__subclasses__()}
    assert leaves - {StartingError} <= {row.error for row in TABLE}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.status}-{row.error_type or row.says}")
def test_no_row_hides_another(row: errors.Row) -> None:
    """Every line of the table is the first that fits some answer."""
    says = {r"gated|accept (the|its) (terms|conditions)": "this model is gated"}.get(row.says, row.says)
    status = row.status or (500 if row.error_type == "" else 418)
    assert next(one for one in TABLE if one.fits(status, row.error_type, says)) is row


def test_error_types_beat_statuses() -> None:
    """What the server names counts more than the number it sends along, whatever the case of the name."""
    assert type(api_error(500, b'{"error": "x", "error_type": "overloaded"}')) is OverloadedError
    assert type(api_error(400, b'{"error": "x", "error_type": "Validation"}')) is UnprocessableError
    assert type(api_error(424, b'{"error": "x", "error_type": "unheard of"}')) is GenerationError


@pytest.mark.parametrize(
    ("status", "kind"),
    [(405, BadRequestError), (409, BadRequestError), (307, BadRequestError), (501, ServerError), (599, ServerError)],
)
def test_statuses_without_a_row_are_the_callers_or_the_servers(status: int, kind: type[ApiError]) -> None:
    """An unknown status below 500 is a bad request, from there on a failing server."""
    assert type(api_error(status, b"no")) is kind


@pytest.mark.parametrize(
    ("kind", "retries"),
    [
        *((kind, None) for kind in (RateLimitedError, OverloadedError, ModelLoadingError, GatewayError, ServerError)),
        (GenerationError, 1),
        *((kind, 0) for kind in (BadRequestError, UnprocessableError, errors.UnauthorizedError, errors.NotFoundError)),
        *((kind, 0) for kind in (errors.ForbiddenError, errors.GatedError, errors.PaymentRequiredError)),
    ],
)
def test_only_what_can_get_better_is_tried_again(kind: type[ApiError], retries: int | None) -> None:
    """Loading, busy and failing servers may be asked again, a failed generation once, refusals never."""
    assert kind.retries == retries


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "a"}', "a"),
        (b'{"error": ["a", "b"]}', "a; b"),
        (b'{"error": {"message": "a", "code": 1}}', "a"),
        (b'{"error": {"error": "a"}}', "a"),
        (b'{"error": {"reason": "a", "type": "x"}}', "a"),
        (b'{"error": [{"message": "a"}, {"msg": "b"}]}', "a; b"),
        (b'{"detail": "a"}', "a"),
        (b'{"detail": [{"loc": ["body", 0], "msg": "a"}, {"msg": "b"}]}', "body.0: a; b"),
        (b'{"message": "a"}', "a"),
        (b'{"title": "a", "status": 503}', "a"),
        (b'{"error": "a", "warnings": ["b", "c"]}', "a; b; c"),
        (b'{"error": "a", "detail": "b", "message": "c"}', "a"),
        (b'{"error": "", "message": "c"}', "c"),
        (b'{"error": null, "message": null}', '{"error": null, "message": null}'),
        (b'{"error": 7}', '{"error": 7}'),
        (b'"a"', "a"),
        (b"[1]", "[1]"),
        (b" a \n b ", "a b"),
        (b'{"error": "a', '{"error": "a'),
        (b"D\xe9lai", "D\ufffdlai"),
        (
            b"<html><head><title>502</title><style>a{}</style></head><body><p>Bad &amp; Gateway</body>",
            "502 Bad & Gateway",
        ),
        (b"<!DOCTYPE html><script>var a;</script><h1>No</h1>", "No"),
        (b"a < b and c > d", "a < b and c > d"),
        (b"", "HTTP status 500, with an empty body"),
        (b" \n ", "HTTP status 500, with an empty body"),
        (b"{}", "{}"),
    ],
)
def test_the_message_is_found_whatever_the_body(body: bytes, message: str) -> None:
    """JSON of every known form, plain text, HTML, other encodings and nothing at all give a readable message."""
    assert str(api_error(500, body)) == message


@given(st.binary(max_size=40) | st.sampled_from([b'{"error": ' + b"[" * 5000, b"[" * 100000, b'{"error": {"a": {}}}']))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever bytes come with a refusal, the error is one of ours and says something."""
    error = api_error(500, body)
    assert str(error)
    assert 1 <= len(error.lines()) <= 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["error", "detail", "message", "msg", "loc", "title", "warnings", "reason"])
                | st.text(),
                inner,
            )
        ),
    )
)
def test_no_json_breaks_the_reader(answer: object) -> None:
    """A message comes out of any JSON value."""
    assert isinstance(message_of(answer, b"body"), str)


def test_a_long_message_is_cut() -> None:
    """A body of megabytes becomes a message that can be read."""
    error = api_error(500, b"x" * 10**6)
    assert len(str(error)) == 500
    assert str(error).endswith("…")
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"


@pytest.mark.parametrize("piece", ["<script ", "<", "<style>", "<!--", "&lt;"])
def test_a_page_of_many_tags_is_read_at_once(piece: str) -> None:
    """The page of a broken or hostile server does not keep the reader busy."""
    began = time.monotonic()
    api_error(500, b"<html>" + piece.encode() * (60_000 // len(piece)))
    assert time.monotonic() - began < 1


def test_facts_are_kept() -> None:
    """Status, type, request id, address, headers and the estimated time of loading are on the error."""
    error = api_error(
        503,
        b'{"error": "Model x is currently loading", "estimated_time": 20.5, "error_type": "t"}',
        url="http://user:pass@host:8080/models/x?key=1#y",
        headers={"X-Request-Id": "r1", "Retry-After": "3"},
    )
    assert type(error) is ModelLoadingError
    assert (error.status, error.error_type, error.request_id, error.estimated_time) == (503, "t", "r1", 20.5)
    assert error.url == "http://host:8080/models/x"
    assert error.headers["retry-after"] == "3"


@pytest.mark.parametrize("body", [b'{"error": "x", "estimated_time": "soon"}', b'{"error": "x"}', b"x"])
def test_an_estimate_that_is_none_is_none(body: bytes) -> None:
    """Only a number is an estimated time."""
    assert api_error(503, body).estimated_time is None


def test_the_status_inside_the_body_counts() -> None:
    """TGI's chat streams carry the status in the event."""
    error = api_error(200, b'{"error": {"message": "no", "http_status_code": 422}}')
    assert (type(error), error.status) == (UnprocessableError, 422)


@pytest.mark.parametrize("name", ["x-request-id", "x-inference-id", "x-amzn-trace-id", "x-amz-cf-id"])
def test_request_ids_have_many_names(name: str) -> None:
    """Whoever answered, the id under which it can be found is kept."""
    assert request_id_of({name: "r1"}) == "r1"
    assert request_id_of({}) == ""


def test_a_reader_gets_message_origin_and_hint() -> None:
    """What is shown: class and message with status and host, what to do, the request id; at most four lines."""
    error = api_error(401, b"no key", url="https://host/path", headers={"x-request-id": "r1"})
    first, hint, last = error.lines()
    assert first == "UnauthorizedError: no key (401 from host)"
    assert hint.startswith("Check the key")
    assert last == "request id: r1"
    assert error._render_traceback_() == error.lines()


def test_long_errors_show_four_lines() -> None:
    """Many lines of message, hint and id become four."""
    error = ApiError("a\n\nb\nc\nd\ne", hint="f\ng", status=500, request_id="r1")
    assert error.lines() == ["ApiError: a (500)", "b", "c", "d"]
    assert InferError("").lines() == ["InferError: "]
    assert [len(line) for line in InferError("x" * 999).lines()] == [500]


def test_keys_are_hidden() -> None:
    """A server that echoes the key does not get it into the message."""
    body = f"Bearer {KEY} is not known, {KEY} is not".encode()
    error = api_error(401, body, secrets=[f"Bearer {KEY}", KEY])
    assert str(error) == "<hidden> is not known, <hidden> is not"
    assert redact("abc", ["", "b"]) == "a<hidden>c"


def test_no_part_of_a_key_is_left_where_a_message_is_cut() -> None:
    """Also at the place where a long message ends, no beginning of the key can be read."""
    for start in range(500 - len(KEY) - 2, 503):
        assert KEY[:4] not in str(api_error(401, b"x" * start + KEY.encode(), secrets=[KEY]))


@pytest.mark.parametrize(
    "form",
    [
        "<p>{}</p><title>a</title>",
        '{{"error": ["{}"]}}',
        '{{"detail": [{{"msg": "{}", "loc": ["{}"]}}]}}',
        '{{"warnings": ["{}"]}}',
        "{}",
    ],
)
def test_keys_are_hidden_in_every_form(form: str) -> None:
    """Whatever the body's form, the key is hidden."""
    body = form.replace("{{", "\0").replace("}}", "\1").replace("{}", KEY).replace("\0", "{").replace("\1", "}")
    assert KEY not in "".join(api_error(400, body.encode(), secrets=[KEY]).lines())


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://user:secret@host:1/a/b?api_key=secret#secret", "https://host:1/a/b"),
        ("http://host", "http://host"),
        ("https://secret@host/", "https://host/"),
        ("org/name", "org/name"),
        ("local/text", "local/text"),
    ],
)
def test_addresses_lose_what_keys_travel_in(url: str, bare: str) -> None:
    """User, password, query and fragment are not part of an address that is shown."""
    assert without_secrets(url) == bare


def test_the_nearest_word_is_named_or_all() -> None:
    """A misspelling is answered with what is near; otherwise with everything there is."""
    known = ["temperature", "top_k", "top_p"]
    assert nearest("temprature", known) == "Did you mean temperature?"
    assert re.fullmatch(r"Did you mean top_[kp] or top_[kp]\?", nearest("top_", known))
    assert nearest("zzz", known) == "Known: temperature, top_k, top_p."
    assert nearest("zzz", []) == ""


@pytest.mark.parametrize("kind", OURS)
def test_errors_travel_between_processes(kind: type[InferError]) -> None:
    """An error survives pickling, as dask, joblib and multiprocessing need."""
    error = pickle.loads(pickle.dumps(kind("what", hint="do this")))
    assert (type(error), str(error), error.hint) == (kind, "what", "do this")
