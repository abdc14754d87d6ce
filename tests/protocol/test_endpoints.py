"""Dedicated endpoints, reached by their real names through a proxy that brings them to a test server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbinfer import drivers, flows
from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import ModelLoadingError, PausedError, ServerError, StartingError

from .proxy import Proxy
from .tgi import ANSWER, Reply, Server, pieces

ENDPOINT = "https://j1c2m3x4y5z6.us-east-1.aws.endpoints.huggingface.cloud"
ASLEEP = Reply(503, body=b"<html><body>503 Service Temporarily Unavailable</body></html>")
FIRST = "".join(pieces(ANSWER)[:5])


@pytest.fixture
def endpoint(tgi: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return what answers for every host of the web, and is looked at often."""
    monkeypatch.setattr(flows, "BETWEEN_LOOKS", 0.1)
    with Proxy(tgi.url, tmp_path / "authority.pem") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.authority))
        drivers._tls.cache_clear()
        yield tgi
    drivers._tls.cache_clear()


def test_an_endpoint_that_sleeps_is_woken_in_sight(endpoint: Server) -> None:
    """It is asked again, more often than other servers, and the reader sees how long it has taken."""
    endpoint.script(ASLEEP, times=8)
    said: list[str] = []
    with InferenceClient(ENDPOINT) as client, client.stream("text-generation", "a", max_new_tokens=5) as stream:
        stream.waiting = lambda wait: said.append(wait.reason)
        assert stream.drain().text == FIRST
    assert len(endpoint.requests) == 9
    assert said[0] == "the endpoint is starting (for 0 s; at most 600 s)"


def test_the_async_client_waits_too(endpoint: Server) -> None:
    """Chats and vectors are waited for as texts are."""
    endpoint.script(ASLEEP, path="/v1/chat/completions", times=5)

    async def asked() -> str:
        async with AsyncInferenceClient(ENDPOINT) as client:
            return str(await client.run("chat", "Hello", max_tokens=5))

    assert asyncio.run(asked()) == FIRST


def test_no_retries_are_no_waiting(endpoint: Server) -> None:
    """Who asks for none gets the error, with the proxy's own words behind it."""
    endpoint.script(ASLEEP)
    with InferenceClient(ENDPOINT) as client, pytest.raises(StartingError) as caught:
        client.text_generation("a", retries=0)
    assert (caught.value.status, str(caught.value)) == (503, "the endpoint is starting")
    assert "Temporarily Unavailable" in str(caught.value.__cause__)


def test_an_endpoint_that_never_starts_is_given_up(endpoint: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The waiting has an end, whatever the number of tries."""
    monkeypatch.setattr(StartingError, "patience", 0.35)
    endpoint.script(ASLEEP, times=50)
    with InferenceClient(ENDPOINT) as client, pytest.raises(StartingError):
        client.text_generation("a", retries=1)
    assert 3 <= len(endpoint.requests) <= 6


def test_other_refusals_of_an_endpoint_are_what_they_were(endpoint: Server) -> None:
    """A loading model, a paused endpoint and a failing one are none that starts."""
    loading = Reply(503, json={"error": "Model org/name is currently loading", "estimated_time": 20})
    for reply, kind in ((loading, ModelLoadingError), (Reply(400, text="Bad Request: Invalid state"), PausedError)):
        endpoint.script(reply)
        with InferenceClient(ENDPOINT) as client, pytest.raises(kind):
            client.text_generation("a", retries=0)
    endpoint.script(Reply(500))
    with InferenceClient(ENDPOINT) as client, pytest.raises(ServerError) as caught:
        client.text_generation("a", retries=0)
    assert type(caught.value) is ServerError


def test_the_stored_token_goes_to_the_endpoint(endpoint: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dedicated endpoint is Hugging Face's."""
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwxyz0123456789")
    with InferenceClient(ENDPOINT) as client:
        client.text_generation("a", max_new_tokens=5)
    assert endpoint.requests[0].headers["authorization"].startswith("Bearer hf_")
