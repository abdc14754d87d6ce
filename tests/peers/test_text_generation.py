"""`text-generation`, the client that comes with TGI: the same server, the same call, the same answer."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from environments import peer
from protocol.tgi import Server

from nbinfer.client import InferenceClient
from nbinfer.errors import ApiError

pytestmark = pytest.mark.needs("text-generation")
PROMPT = "What is it?"
# Calls in our words; what TGI's client calls otherwise is under THEIRS.
CALLS: dict[str, dict[str, Any]] = {
    "greedy": {"max_new_tokens": 12},
    "sampled": {"max_new_tokens": 12, "temperature": 0.7, "top_k": 50, "top_p": 0.95, "seed": 2**63 + 5},
    "penalties": {"max_new_tokens": 8, "repetition_penalty": 1.2, "frequency_penalty": 0.5, "typical_p": 0.9},
    "top tokens": {"max_new_tokens": 5, "top_n_tokens": 2},
    "truncated": {"max_new_tokens": 5, "truncate": 2},
    "to the end": {"max_new_tokens": 500},
    "too many stops": {"max_new_tokens": 5, "stop": ["a", "b", "c", "d", "e"]},
    "too long": {"max_new_tokens": 5000},
}
WHOLE_ONLY: dict[str, dict[str, Any]] = {
    "best of two": {"max_new_tokens": 8, "best_of": 2, "do_sample": True},
    "prefill": {"max_new_tokens": 5, "decoder_input_details": True},
}
THEIRS = {"stop": "stop_sequences"}


def theirs(url: str) -> dict[tuple[str, bool], Any]:
    """Ask all with TGI's client; an answer for each call, whole and streamed."""
    names = [*CALLS, *WHOLE_ONLY]
    calls = [
        (PROMPT, {THEIRS.get(name, name): value for name, value in (CALLS | WHOLE_ONLY)[call].items()})
        for call in names
    ]
    command = [str(peer("text-generation") / "python"), str(Path(__file__).with_name("tgi_client.py")), url]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    keys = [(call, stream) for stream in (False, True) for call in names]
    return dict(zip(keys, json.loads(done.stdout), strict=True))


def test_answers_are_those_of_tgis_own_client(tgi: Server) -> None:
    """Text, tokens, log-probabilities, seed and reason of every call; refusals have the same words."""
    for (call, stream), expected in theirs(tgi.url).items():
        if stream and call in WHOLE_ONLY:
            continue
        tgi.model.cache.clear()
        options = (CALLS | WHOLE_ONLY)[call]
        with InferenceClient(tgi.url) as client:
            if "error" in expected:
                with pytest.raises(ApiError) as caught:
                    list(client.text_generation(PROMPT, stream=stream, details=True, **options))
                assert str(caught.value) == expected["message"], call
                continue
            answer = client.text_generation(PROMPT, stream=stream, details=True, **options)
            ours = msgspec.to_builtins(list(answer) if stream else answer)
        assert known(ours) == known(expected), (call, stream)


FACTS = ("generated_text", "token", "tokens", "top_tokens", "prefill", "details", "finish_reason", "generated_tokens")
OF_TOKENS = ("id", "text", "logprob", "special")


def known(answer: Any) -> Any:
    """Return what both clients know of an answer; a seed that the server drew is another each time."""
    if isinstance(answer, list):
        return [known(part) for part in answer]
    if isinstance(answer, dict):
        names = OF_TOKENS if "id" in answer else FACTS
        return {name: known(answer[name]) for name in names if answer.get(name) not in (None, [])}
    return answer
