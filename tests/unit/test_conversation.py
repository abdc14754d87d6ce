import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from protocol.tgi import ANSWER, Drop, Server, Stream
from traitlets.config import Config

import nbinfer
from nbinfer.client import InferenceClient
from nbinfer.conversation import Conversation, conversations, fitted
from nbinfer.errors import InferError, ParameterError
from nbinfer.notebook.magics import InferMagics

SYSTEM = {"role": "system", "content": "Be brief."}
TALK = [
    SYSTEM,
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "2"},
]


def letters(messages: object) -> int:
    """Count letters in place of tokens."""
    return sum(len(message["content"]) for message in messages)  # type: ignore[attr-defined]


# --- a conversation


def test_a_question_goes_behind_what_was_said() -> None:
    """The messages to send are those so far and the question; the newest system text is the first of all."""
    assert Conversation(TALK).asked("Three?") == [*TALK, {"role": "user", "content": "Three?"}]
    told = Conversation(TALK).asked("Three?", system="Be long.")
    assert [message["content"] for message in told if message["role"] == "system"] == ["Be long."]
    assert told[0]["role"] == "system"
    assert Conversation().asked("Hi") == [{"role": "user", "content": "Hi"}]


def test_turns_can_be_taken_back() -> None:
    """A turn is a question with all that follows it; more than there are cannot be taken back."""
    talk = Conversation(TALK)
    assert talk.undo() == TALK[3:]
    assert talk.messages == TALK[:3]
    assert talk.undo() == TALK[1:3]
    assert talk.messages == [SYSTEM]
    for turns in (1, 0, -1):
        with pytest.raises(ParameterError, match="turns"):
            talk.undo(turns)


def test_what_was_said_can_be_changed() -> None:
    """A message gets other words and keeps all else; a place that there is not is an error."""
    talk = Conversation(TALK).edit(-1, "two").edit(0, "Be kind.")
    assert [message["content"] for message in talk.messages] == ["Be kind.", "One?", "1", "Two?", "two"]
    assert TALK[-1]["content"] == "2"
    with pytest.raises(ParameterError, match="no message 9"):
        talk.edit(9, "")


def test_a_fork_goes_its_own_way() -> None:
    """What is done to a copy, at any depth, leaves the first as it is."""
    talk = Conversation([{"role": "user", "content": [{"type": "text", "text": "a"}]}])
    other = talk.fork()
    other.messages[0]["content"][0]["text"] = "b"
    other.messages.append({"role": "assistant", "content": "c"})
    assert talk.messages == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]


def test_it_is_a_table() -> None:
    """A row for each message, content as text whatever its form."""
    frame = Conversation([*TALK, {"role": "user", "content": [{"type": "text", "text": "Three?"}]}]).to_frame()
    assert list(frame["role"]) == ["system", "user", "assistant", "user", "assistant", "user"]
    assert frame["content"].iloc[-1] == "Three?"


def test_it_is_shown_without_running_anything() -> None:
    """What was said is escaped in a cell."""
    shown = Conversation([{"role": "user", "content": "<script>alert(1)</script>"}])._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert "alert(1)" in shown["text/html"]
    assert "user: <script>" in shown["text/plain"]


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text()})))
def test_what_is_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, messages: list[dict[str, str]]) -> None:
    """A file in OpenAI's form holds all of it, whatever the words."""
    path = Conversation(messages).save(tmp_path_factory.mktemp("talk") / "talk.json")
    assert json.loads(path.read_text("utf-8")) == messages
    assert Conversation.load(path).messages == messages


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "no JSON"), ("3", "no list"), ('{"a": 1}', "no list"), ('[{"content": "a"}]', "message 0 has no role")],
)
def test_a_file_that_is_no_conversation_is_told(tmp_path: Path, text: str, says: str) -> None:
    """The error says what is wrong with the file."""
    path = tmp_path / "talk.json"
    path.write_text(text)
    with pytest.raises(ParameterError, match=says):
        Conversation.load(path)


def test_a_request_of_openais_is_a_conversation(tmp_path: Path) -> None:
    """The body of a request has its messages under `messages`."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"model": "m", "messages": TALK}))
    assert Conversation.load(path).messages == TALK


# --- a budget


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.text(max_size=9)), max_size=9),
    st.booleans(),
    st.integers(0, 60),
)
def test_the_oldest_turns_are_left_out(turns: list[tuple[str, str]], with_system: bool, room: int) -> None:  # noqa: FBT001
    """What is left fits, unless it is the system text and the last turn alone; nothing else is lost or moved."""
    said = [
        message
        for asked, answer in turns
        for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
    ]
    messages = [*([SYSTEM] if with_system else []), *said, {"role": "user", "content": "last"}]
    kept, dropped = fitted(messages, room, letters)
    first = messages[:1] if with_system else []
    assert kept == [*first, *messages[len(first) + 2 * dropped :]]
    assert letters(kept) <= room or len(kept) == len(first) + 1
    if dropped:
        assert letters([*first, *messages[len(first) + 2 * (dropped - 1) :]]) > room


def test_the_embedded_model_counts_what_it_has_room_for() -> None:
    """On `local` the turns that do not fit its context are left out, counted by its own tokenizer; and it answers."""
    client = InferenceClient()
    turn = [{"role": "user", "content": "word " * 60}, {"role": "assistant", "content": "word " * 60}]
    question = {"role": "user", "content": "What is a list?"}
    sent, dropped = client.fitted([*turn * 6, question], max_tokens=60)
    assert 0 < dropped < 6
    assert len(sent) == 2 * (6 - dropped) + 1
    assert client.run("chat", sent, max_tokens=60).text
    assert client.fitted([*turn, question], budget=20)[1] == 1


def test_elsewhere_nothing_is_left_out_unless_something_is_known(tgi: Server) -> None:
    """A server's own word, or the known context of a model, or a budget; else all is sent."""
    long = [{"role": "user", "content": "word " * 4000}, {"role": "assistant", "content": "ok"}] * 3
    asked = [*long, {"role": "user", "content": "And?"}]
    with InferenceClient(tgi.url) as client:
        assert client.fitted(asked) == (asked, 0)
        assert client.fitted(asked, budget=50)[1] == 3
        client.get_endpoint_info()
        assert client.fitted(asked)[1] == 3
    assert InferenceClient("meta-llama/Llama-2-7b-chat-hf").fitted(asked)[1] == 3
    assert InferenceClient("org/unknown").fitted(asked)[1] == 0


# --- in a cell


@pytest.fixture
def magics() -> InferMagics:
    """Return the magics of a shell, which have no conversations yet."""
    config = Config()
    config.HistoryManager.enabled = False
    conversations.clear()
    return InferMagics(InteractiveShell(config=config))


def test_cells_go_on_with_a_conversation(magics: InferMagics, tgi: Server) -> None:
    """Each cell sends what was said before; the name is that of a conversation at hand."""
    where = f"chat -m {tgi.url}/v1 --max-tokens 5 --chat tea"
    magics.infer(f"{where} --system Brief.", "One?")
    magics.infer(where, "Two?")
    body = [request.body for request in tgi.requests if request.path.endswith("/chat/completions")][-1]
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    talk = nbinfer.conversations["tea"]
    assert [message["content"] for message in talk.messages if message["role"] == "user"] == ["One?", "Two?"]
    assert talk.messages[-1]["role"] == "assistant"


def test_a_long_conversation_is_shortened_in_sight(magics: InferMagics, tgi: Server) -> None:
    """What was left out is told below the answer, and is still in the conversation."""
    where = f"chat -m {tgi.url}/v1 --max-tokens 5 --chat tea --budget 20"
    magics.infer(where, "word " * 30)
    result = magics.infer(where, "Two?")
    assert "the oldest 1 turn of tea" in "".join(result.notices)
    assert len(nbinfer.conversations["tea"]) == 4


def test_what_breaks_off_is_kept_and_what_fails_is_not(magics: InferMagics, tgi: Server) -> None:
    """After an answer that broke off the conversation has what came; after one that never came it is as before."""
    where = f"chat -m {tgi.url}/v1 --max-tokens 50 --retries 0 --chat tea"
    piece = {"choices": [{"index": 0, "delta": {"content": "Half"}}]}
    tgi.script(Stream([piece], cut=True), path="/v1/chat/completions")
    with pytest.raises(InferError):
        magics.infer(where, "One?")
    assert nbinfer.conversations["tea"].messages[-1]["content"] == "Half"
    tgi.script(Drop(), path="/v1/chat/completions")
    with pytest.raises(InferError):
        magics.infer(where, "Two?")
    assert len(nbinfer.conversations["tea"]) == 2
    magics.infer(where, "Two?")
    assert ANSWER.startswith(nbinfer.conversations["tea"].messages[-1]["content"])


@pytest.mark.parametrize(
    ("line", "says"),
    [("--chat tea", "text-generation has no --chat"), ("chat --budget 5", "--budget is for a conversation")],
)
def test_flags_of_conversations_belong_to_them(magics: InferMagics, line: str, says: str) -> None:
    """Elsewhere they are refused, with the way to use them."""
    with pytest.raises(ParameterError, match=says):
        magics.infer(line, "Hi")
