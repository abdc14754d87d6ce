import itertools
import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbinfer.errors import BadAnswerError
from nbinfer.sse import LARGEST_EVENT, Decoder, Event, events

BOM = b"\xef\xbb\xbf"
FRAGMENTS = [
    *(b"data", b"event", b"id", b"retry", b"other", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"a", b"\0", b"{}"),
    *("é".encode(), "🐦".encode(), "\u2028".encode(), "\x85".encode(), b"\x0b", b"\x0c", b"\x1c", BOM, b"\xf0\x9f"),
    b"\xff",
    *(b"data: a\n", b"data:b\r\n", b"data: {}\n\n", b": still here\n\n", b"id: 7\n", b"event: ping\n", b"data\n\n"),
]
SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def standard(body: bytes) -> list[Event]:  # noqa: C901 - the standard is one procedure
    """Interpret a whole event stream by the words of the HTML standard, one character after the other."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    found: list[Event] = []
    data, kind, last_id, buffered_id = "", "", "", ""
    line, position = "", 0
    while position < len(text):
        character = text[position]
        position += 1
        if character not in "\r\n":
            line += character
            continue
        if character == "\r" and text[position : position + 1] == "\n":
            position += 1
        if line == "":
            last_id = buffered_id
            if data != "":
                found.append(Event(data[:-1], kind or "message", last_id))
            data, kind = "", ""
        elif line[0] != ":":
            field, value = line, ""
            if ":" in line:
                field, value = line[: line.index(":")], line[line.index(":") + 1 :]
                value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                buffered_id = value
        line = ""
    return found


@st.composite
def pieces(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> list[bytes]:
    """Cut a body anywhere, inside characters and line ends too."""
    body = draw(bodies)
    places = [0, *sorted(draw(st.lists(st.integers(0, len(body)), max_size=12))), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(places)]


bodies = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join)
whole_events = st.lists(
    st.sampled_from([b"data: a\n\n", b"data: b\r\n\r\n", b"data: c\r\r", b"\n", b":\n\n", b"id: 1\n\n"])
)


@given(pieces(bodies))
@example([BOM + b"data: a\n\n"])
@example([BOM[:1], BOM[1:] + b"data: a\n\n", BOM + b"data: b\n\n"])
@example([b"data: a\r", b"\n\r", b"\ndata: b\r", b"\r"])
@example([b"data: a\n\r", b"data: b\n\n", b"\ndata: c\n\n"])
def test_the_standard_is_followed_however_bytes_are_cut(body: list[bytes]) -> None:
    """Any stream of bytes, cut anywhere, gives the events that the HTML standard gives for the whole."""
    assert list(events(body)) == standard(b"".join(body))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_two_pieces_may_meet_anywhere(end: str) -> None:
    """Wherever a stream is cut in two, between CR and LF too, the events are the same."""
    body = end.join(["\ufeffid: 1", "data: é", "data: 🐦", "", ": x", "", "data: c", "event: ping", "", ""]).encode()
    for place in range(len(body) + 1):
        assert list(events([body[:place], body[place:]])) == [Event("é\n🐦", "message", "1"), Event("c", "ping", "1")]


@given(whole_events)
def test_pieces_that_are_whole_events_are_read_like_all_others(body: list[bytes]) -> None:
    """Events that arrive one a piece, as they do from a model, are those of the joined bytes."""
    assert list(events(body)) == standard(b"".join(body))


@given(
    texts=st.lists(st.text(alphabet=st.sampled_from(SEPARATORS + "aé🐦 "), min_size=1), min_size=1),
    one_by_one=st.booleans(),
)
def test_lines_end_at_cr_and_lf_only(texts: list[str], *, one_by_one: bool) -> None:
    """U+2028, U+0085 and the other separators are characters of the data, never line ends."""
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    cut = [body[n : n + 1] for n in range(len(body))] if one_by_one else [body]
    assert [event.data for event in events(cut)] == texts


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_ends_a_line(end: bytes) -> None:
    """LF, CR and CRLF alike end lines, and two of them an event."""
    body = end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])
    assert [event.data for event in events([body])] == ["a\nb", "c"]


def test_fields_are_read_as_the_standard_says() -> None:
    """One blank after the colon goes, a line without colon is empty, comments and unknown fields are nothing."""
    body = b": comment\nevent: ping\nid: 7\nretry: 10\nother: x\ndata:  two blanks\ndata\ndata:none\n\ndata: next\n\n"
    assert list(events([body])) == [Event(" two blanks\n\nnone", "ping", "7"), Event("next", "message", "7")]


def test_an_id_with_a_null_character_is_ignored() -> None:
    """An id that holds U+0000 leaves the last one in force; an empty one takes it back."""
    body = b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n"
    assert [event.id for event in events([body])] == ["1", "1", ""]


def test_comments_alone_are_no_event() -> None:
    """Keep-alive comments and events without data are not handed out."""
    assert list(events([b":\n\n", b": hello\n\n", b"event: ping\n\n"])) == []


@given(pieces(st.sampled_from([b"data: a\n\ndata: {}", b"data: a\n\ndata: {}\n", b"data: a\r\rdata: {}\r"])))
def test_an_unterminated_event_is_kept_apart(body: list[bytes]) -> None:
    """The standard drops an event that no blank line ends: it is not handed out, but can be asked for."""
    decoder = Decoder()
    found = [event.data for piece in body for event in decoder.feed(piece)]
    assert (found, decoder.rest()) == (["a"], "{}")


def test_nothing_is_left_after_the_last_blank_line() -> None:
    """A stream that ended as it should has no rest."""
    decoder = Decoder()
    assert decoder.feed(b"data: a\n\n")[0].data == "a"
    assert decoder.rest() == ""


def test_an_event_that_never_ends_is_refused() -> None:
    """An event larger than 16 MiB raises, so that a server cannot fill the memory."""
    decoder = Decoder()
    piece = b"x" * 2**20
    for _ in range(LARGEST_EVENT // len(piece)):
        decoder.feed(piece)
    with pytest.raises(BadAnswerError, match="larger than 16 MiB"):
        decoder.feed(piece)


def test_many_small_events_do_not_count_as_one() -> None:
    """The limit is one event's, not the stream's."""
    decoder = Decoder()
    body = json.dumps("x" * 2**19).encode()
    assert sum(len(decoder.feed(b"data: " + body + b"\n\ndata: ")) for _ in range(40)) == 40


def test_a_long_event_of_many_lines_is_read_at_once() -> None:
    """Megabytes of lines that belong to one event take no longer than other megabytes."""
    decoder = Decoder()
    began = time.monotonic()
    for _ in range(1200):
        decoder.feed(b"data: a line\n" * 300)
    assert len(decoder.feed(b"\n")) == 1
    assert time.monotonic() - began < 1.5
