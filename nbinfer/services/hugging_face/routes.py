"""Where a request goes: from a hub id or a URL to the address, and which dialect is spoken there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from nbinfer.errors import ParameterError

ROUTER = "https://router.huggingface.co"
HOSTS = ("huggingface.co", "hf.co", "endpoints.huggingface.cloud")
LEGACY = "api-inference.huggingface.co"
OWN = ("auto", "hf-inference")
"""Providers that are Hugging Face itself."""
POLICIES = ("fastest", "cheapest", "preferred")
"""What may stand in the place of a provider: let the router choose."""

HUB_ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)(:(?P<provider>[a-z0-9][\w-]*))?")


@dataclass(frozen=True)
class Target:
    """An address, the model's name in the body if the dialect has one, and what the reader should know of the way."""

    url: str
    model: str = ""
    notices: tuple[str, ...] = ()


def base() -> str:
    """Return the address of Hugging Face's router, which `NBINFER_HF_BASE` moves."""
    return os.environ.get("NBINFER_HF_BASE", ROUTER).rstrip("/")


def is_url(model: str) -> bool:
    """Say whether a model is given by its address."""
    return model.startswith(("http://", "https://"))


def is_ours(url: str) -> bool:
    """Say whether this is one of Hugging Face's own hosts, over https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host == own or host.endswith(f".{own}") for own in HOSTS)


def is_endpoint(url: str) -> bool:
    """Say whether this is a dedicated endpoint, which may have to be started first."""
    return (urlsplit(url).hostname or "").endswith(f".{HOSTS[2]}")


def is_billed(url: str) -> bool:
    """Say whether an organisation can be charged for what is sent there."""
    return url.startswith(base()) or is_ours(url)


def home(model: str) -> str:
    """Return whom a key for this model belongs to: Hugging Face, or another server, as scheme and host."""
    if not is_url(model) or is_ours(model):
        return HOSTS[0]
    parts = urlsplit(model)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def moved(url: str) -> tuple[str, tuple[str, ...]]:
    """Send an address of the API that is gone to the router, with a notice."""
    parts = urlsplit(url)
    if parts.hostname != LEGACY:
        return url, ()
    path = re.sub(r"^/pipeline/([\w-]+)/(.+)$", r"/models/\2/pipeline/\1", parts.path)
    return f"{base()}/hf-inference{path}", (f"{LEGACY} is gone: the router was asked",)


def split_id(model: str, provider: str | None) -> tuple[str, str]:
    """Return a hub id and the provider that it names or that was given beside it, "" for none."""
    found = HUB_ID.fullmatch(model)
    named = (found and found["provider"]) or ""
    if named and provider not in (None, "auto", named):
        raise ParameterError(f"`{model}` names the provider {named}, and `provider` is {provider}: give one of them")
    return (found["id"] if found else model), named or (provider or "")


def for_text(model: str, *, provider: str | None = None, stream: bool) -> Target:
    """Return where a text generation goes.

    A hub id goes to Hugging Face's own machines. A URL is called as given, but for TGI's two native routes, which are
    swapped as needed, and for OpenAI's `/v1`, which becomes `/v1/completions`.
    """
    if not is_url(model):
        name, provider = split_id(model, provider)
        if provider not in ("", *OWN):
            hint = "Most of them offer chat only: use the task chat."
            raise ParameterError(f"text generation by the provider {provider} is not offered", hint=hint)
        return Target(f"{base()}/hf-inference/models/{name}")
    model, notices = moved(model)
    parts = urlsplit(model)
    head, _, tail = parts.path.rstrip("/").rpartition("/")
    if tail in {"generate", "generate_stream"}:
        parts = parts._replace(path=f"{head}/{'generate_stream' if stream else 'generate'}")
    elif tail == "v1":
        parts = parts._replace(path=f"{head}/v1/completions")
    return Target(parts.geturl(), notices=notices)


def for_chat(model: str, *, name: str = "", provider: str | None = None) -> Target:
    """Return where a chat goes, as huggingface_hub builds it; `name` is the model's name on a server given by URL."""
    if not is_url(model):
        hub_id, provider = split_id(model, provider)
        if provider == "hf-inference":
            return Target(f"{base()}/hf-inference/models/{hub_id}/v1/chat/completions", hub_id)
        suffix = f":{provider}" if provider not in ("", "auto") else ""
        return Target(f"{base()}/v1/chat/completions", hub_id + suffix)
    model, notices = moved(model)
    parts = urlsplit(model)
    return Target(_chat_path(parts).geturl(), name, notices)


def _chat_path(parts: SplitResult) -> SplitResult:
    path = parts.path.rstrip("/").removesuffix("/generate_stream").removesuffix("/generate")
    if path.endswith("/chat/completions"):
        return parts._replace(path=path)
    return parts._replace(path=f"{path}/chat/completions" if path.endswith("/v1") else f"{path}/v1/chat/completions")


def is_native(url: str) -> bool:
    """Say whether the route is /generate or /generate_stream, which take no `stream` and echo no prompt unasked."""
    return urlsplit(url).path.endswith(("/generate", "/generate_stream"))


def is_root(url: str) -> bool:
    """Say whether an address has no route at all: TGI takes prompts there, OpenAI-compatible servers do not."""
    return is_url(url) and urlsplit(url).path in {"", "/"}


def completions(target: Target) -> Target:
    """Return OpenAI's route for plain completions of the server whose root was given."""
    return replace(target, url=urlsplit(target.url)._replace(path="/v1/completions").geturl())


def is_completions(url: str) -> bool:
    """Say whether the route is OpenAI's for plain completions."""
    return urlsplit(url).path.rstrip("/").endswith("/completions")
