import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer.errors import ParameterError
from nbinfer.flows import Request
from nbinfer.services import Call, locate
from nbinfer.services.hugging_face import FORMS
from nbinfer.services.hugging_face.routes import ROUTER, for_chat, for_text, is_billed, split_id
from nbinfer.services.hugging_face.servers import root

HOST = "http://127.0.0.1:3000"


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gpt2", f"{ROUTER}/hf-inference/models/gpt2"),
        ("org/name", f"{ROUTER}/hf-inference/models/org/name"),
        ("org/name:hf-inference", f"{ROUTER}/hf-inference/models/org/name"),
        (HOST, HOST),
        (f"{HOST}/", f"{HOST}/"),
        (f"{HOST}/generate", f"{HOST}/generate_stream"),
        (f"{HOST}/deep/generate_stream", f"{HOST}/deep/generate_stream"),
        (f"{HOST}/v1", f"{HOST}/v1/completions"),
        (f"{HOST}/v1/?key=1", f"{HOST}/v1/completions?key=1"),
        (f"{HOST}/v1/completions", f"{HOST}/v1/completions"),
        (f"{HOST}/any/other?x=1", f"{HOST}/any/other?x=1"),
        ("https://api-inference.huggingface.co/models/gpt2", f"{ROUTER}/hf-inference/models/gpt2"),
        (
            "https://api-inference.huggingface.co/pipeline/text-generation/org/name",
            f"{ROUTER}/hf-inference/models/org/name/pipeline/text-generation",
        ),
    ],
)
def test_where_a_text_generation_goes(model: str, url: str) -> None:
    """A hub id goes to Hugging Face's own machines, a URL is called as given but for routes that have two forms."""
    assert for_text(model, stream=True).url == url


@pytest.mark.parametrize(
    ("model", "provider", "url", "name"),
    [
        ("org/name", None, f"{ROUTER}/v1/chat/completions", "org/name"),
        ("org/name", "auto", f"{ROUTER}/v1/chat/completions", "org/name"),
        ("org/name", "together", f"{ROUTER}/v1/chat/completions", "org/name:together"),
        ("org/name:together", None, f"{ROUTER}/v1/chat/completions", "org/name:together"),
        ("org/name:cheapest", "auto", f"{ROUTER}/v1/chat/completions", "org/name:cheapest"),
        ("org/name", "fastest", f"{ROUTER}/v1/chat/completions", "org/name:fastest"),
        ("org/name", "hf-inference", f"{ROUTER}/hf-inference/models/org/name/v1/chat/completions", "org/name"),
        (HOST, None, f"{HOST}/v1/chat/completions", ""),
        (f"{HOST}/", None, f"{HOST}/v1/chat/completions", ""),
        (f"{HOST}/v1", None, f"{HOST}/v1/chat/completions", ""),
        (f"{HOST}/v1/", None, f"{HOST}/v1/chat/completions", ""),
        (f"{HOST}/deep", None, f"{HOST}/deep/v1/chat/completions", ""),
        (f"{HOST}/v1/chat/completions", None, f"{HOST}/v1/chat/completions", ""),
        (f"{HOST}/chat/completions/?a=b", None, f"{HOST}/chat/completions?a=b", ""),
        (f"{HOST}/generate", None, f"{HOST}/v1/chat/completions", ""),
    ],
)
def test_where_a_chat_goes(model: str, provider: str | None, url: str, name: str) -> None:
    """A hub id goes to the router, the provider behind a colon; a URL gets the chat route of its server."""
    target = for_chat(model, provider=provider)
    assert (target.url, target.model) == (url, name)


def test_the_name_beside_an_address_is_the_servers_own() -> None:
    """What stands beside the address of a server goes into the body."""
    assert for_chat(f"{HOST}/v1", name="llama3").model == "llama3"


def test_the_address_that_is_gone_is_rewritten_with_a_notice() -> None:
    """A pasted URL of the old API still works, and the reader is told where the request went."""
    assert for_text("https://api-inference.huggingface.co/models/gpt2", stream=False).notices == (
        "api-inference.huggingface.co is gone: the router was asked",
    )
    assert for_text("gpt2", stream=False).notices == ()


def test_another_router_can_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NBINFER_HF_BASE` moves every Hugging Face route, also that of pasted URLs."""
    monkeypatch.setenv("NBINFER_HF_BASE", f"{HOST}/")
    assert for_text("gpt2", stream=True).url == f"{HOST}/hf-inference/models/gpt2"
    assert for_chat("org/name").url == f"{HOST}/v1/chat/completions"
    assert (
        for_text("https://api-inference.huggingface.co/models/gpt2", stream=True).url
        == f"{HOST}/hf-inference/models/gpt2"
    )
    assert is_billed(for_chat("org/name").url)


def test_two_providers_are_one_too_many() -> None:
    """A provider in the id and another beside it are refused, the same one twice is not."""
    with pytest.raises(ParameterError, match="names the provider together, and `provider` is novita"):
        split_id("org/name:together", "novita")
    assert split_id("org/name:together", "together") == ("org/name", "together")


def test_a_provider_that_offers_no_text_generation_says_what_to_do() -> None:
    """Text generation by a provider that has only chat is refused with the way out."""
    with pytest.raises(ParameterError) as refused:
        for_text("org/name:together", stream=True)
    assert "chat" in refused.value.hint


@given(st.from_regex(r"[A-Za-z0-9][\w.-]{0,20}/[A-Za-z0-9][\w.-]{0,20}", fullmatch=True))
def test_a_hub_id_keeps_its_name(hub_id: str) -> None:
    """Whatever an id looks like, it arrives as it was given."""
    assert split_id(hub_id, None) == (hub_id, "")
    assert for_chat(hub_id).model == hub_id


@pytest.mark.parametrize(
    "url",
    [HOST, f"{HOST}/", f"{HOST}/v1", f"{HOST}/v1/chat/completions?a=1", f"{HOST}/generate", f"{HOST}/generate_stream"],
)
def test_the_root_of_a_server(url: str) -> None:
    """What a server says of itself is asked for at its root, whatever route was given."""
    assert root(url) == HOST


def test_a_retry_asks_to_be_held() -> None:
    """Asked again, a server may wait until the model is loaded."""
    for task, form in FORMS.items():
        asked = form(Call(task=task, inputs="a", texts=("a",), messages=({"role": "user"},), model=HOST))
        request = Request(url=HOST, json=None)
        assert asked.patient(request, again=False) == request
        assert asked.patient(request, again=True).headers == {"x-wait-for-model": "true"}


def test_model_map_sends_ids_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NBINFER_MODEL_MAP` sends what its patterns name to other models, the first that fits; off unless set."""
    assert locate("meta-llama/Llama-2-7b-chat-hf")[0].name == "hugging_face"
    monkeypatch.setenv("NBINFER_MODEL_MAP", '{"meta-llama/Llama-3*": "http://127.0.0.1:1", "meta-llama/*": "local"}')
    assert locate("meta-llama/Llama-2-7b-chat-hf")[1] == "local/text"
    assert locate("meta-llama/Llama-3-8B")[1] == "http://127.0.0.1:1"
    assert locate("mistralai/Mixtral")[0].name == "hugging_face"


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}'])
def test_a_model_map_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A broken map is an error that shows the form, not a map that does nothing."""
    monkeypatch.setenv("NBINFER_MODEL_MAP", text)
    with pytest.raises(ParameterError, match="NBINFER_MODEL_MAP") as refused:
        locate("gpt2")
    assert "meta-llama/*" in refused.value.hint
