import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protocol.tgi import ANSWER, Server

from nbinfer import InferenceClient
from nbinfer.errors import ParameterError
from nbinfer.flows import Request
from nbinfer.snippets import LANGUAGES, written

KEY = "hf_abcdefghijklmnop"
HARD = 'It\'s "quoted" $HOME `ls` \\ \n newline {{x}} é 🐦'


def request_to(url: str, text: str = HARD, **more: Any) -> Request:
    """Return a request with a key and a text."""
    return Request(
        url=url, json={"inputs": text} | more, headers={"authorization": f"Bearer {KEY}", "x-use-cache": "0"}
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_written(language: str) -> None:
    """Code names the variable that holds the key, Hugging Face's usual one for its hosts, and never the key."""
    code = written(request_to("https://router.huggingface.co/x"), language)
    assert KEY not in code
    assert "HF_TOKEN" in code
    assert "MY_KEY" in written(request_to("http://127.0.0.1:1"), language, variable="MY_KEY")
    assert "API_KEY" in written(request_to("http://127.0.0.1:1"), language)


def test_hugging_face_gets_a_token_even_where_none_is_found() -> None:
    """Code for Hugging Face names the variable of the token; code for a server that was given no key names none."""
    for url, named in (("https://router.huggingface.co/x", True), ("http://127.0.0.1:1/huggingface.co/", False)):
        assert ("Bearer $" in written(Request(url=url, json={}), "curl")) == named


@pytest.mark.needs("curl")
@pytest.mark.parametrize("stream", [False, True])
def test_curl_asks_the_same(tgi: Server, stream: bool) -> None:  # noqa: FBT001
    """The command, run in a shell, sends the very request and prints the server's answer."""
    asked = request_to(f"{tgi.url}/", stream=stream, parameters={"max_new_tokens": 500, "return_full_text": False})
    command = written(asked, "curl")
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={"API_KEY": KEY}, check=True)
    assert tgi.requests[-1].body == asked.json
    assert tgi.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert tgi.requests[-1].headers["x-use-cache"] == "0"
    if stream:
        assert run.stdout.count("data:") > 10
    else:
        assert json.loads(run.stdout)[0]["generated_text"] == ANSWER


def test_python_asks_the_same(tgi: Server) -> None:
    """The script, run by itself, sends the very request."""
    asked = request_to(f"{tgi.url}/generate", stop=["\\n"], x=None, y=True)
    subprocess.run([sys.executable, "-c", written(asked, "python")], env={"API_KEY": KEY}, check=True)
    assert tgi.requests[-1].body == asked.json
    assert tgi.requests[-1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.needs("node")
def test_javascript_asks_the_same(tgi: Server) -> None:
    """The script, run in Node, sends the very request."""
    asked = request_to(f"{tgi.url}/generate")
    run = ["node", "--input-type=module", "-e", written(asked, "javascript")]
    subprocess.run(run, env={"API_KEY": KEY}, check=True)
    assert tgi.requests[-1].body == asked.json
    assert tgi.requests[-1].headers["authorization"] == f"Bearer {KEY}"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(min_size=1, alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_escapes_from_its_quotes(text: str) -> None:
    """Whatever a prompt holds, the shell passes it on as it is."""
    command = written(request_to("http://x", text), "curl").replace("curl ", "printf '%s\\0' ", 1)
    run = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env={})
    *_, body, _ = run.stdout.split(b"\0")
    assert json.loads(body)["inputs"] == text


def test_another_language_is_refused() -> None:
    """What nobody can write is an error that names what can be had."""
    with pytest.raises(ParameterError, match="cannot be written as cobol") as refused:
        written(request_to("http://x"), "cobol")
    assert "curl" in refused.value.hint


def test_a_client_writes_its_calls(tgi: Server) -> None:
    """`preview` of a call and its code are about the same request."""
    client = InferenceClient(f"{tgi.url}/v1", token=KEY)
    code = client.snippet("chat", "Why?", language="curl", max_tokens=3)
    assert json.dumps(client.preview("chat", "Why?", max_tokens=3)["json"], separators=(",", ":")) in code
    with pytest.raises(ParameterError, match="runs in this process"):
        client.snippet("chat", "Why?", model="local")
