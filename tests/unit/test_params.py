import math
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbinfer.dialects import native, streaming_problems
from nbinfer.errors import ParameterError
from nbinfer.params import (
    Call,
    Limits,
    Param,
    TextGeneration,
    TextGenerationCall,
    defaults,
    resolve,
    sampling,
    split,
    table,
)

# text-generation-inference's parameters, and one of our own.
TGI = {
    "best_of": int,
    "temperature": float,
    "repetition_penalty": float,
    "frequency_penalty": float,
    "top_p": float,
    "typical_p": float,
    "top_k": int,
    "max_new_tokens": int,
    "stop": list,
    "seed": int,
    "top_n_tokens": int,
    "truncate": int,
    "do_sample": bool,
    "return_full_text": bool,
    "decoder_input_details": bool,
    "watermark": bool,
    "grammar": dict,
    "adapter_id": str,
}
BEFORE = math.nextafter(1.0, 0.0)
LEGAL = [
    *(("best_of", 1), ("best_of", 5), ("temperature", 5e-324), ("temperature", 1e9), ("temperature", 0)),
    *(("repetition_penalty", 5e-324), ("repetition_penalty", 1), ("frequency_penalty", -2), ("frequency_penalty", 2.0)),
    *(("frequency_penalty", 0), ("top_p", 5e-324), ("top_p", BEFORE), ("typical_p", 5e-324), ("typical_p", BEFORE)),
    *(("top_k", 1), ("max_new_tokens", 1), ("seed", 0), ("seed", 2**64 - 1), ("top_n_tokens", 0), ("truncate", 1)),
]
# What the server says of the value, after the parameter's name.
ILLEGAL = [
    *(
        (name, value, "must be strictly positive")
        for name in ("temperature", "repetition_penalty")
        for value in (-1, -5e-324)
    ),
    ("repetition_penalty", 0, "must be strictly positive"),
    *(("frequency_penalty", value, "must be >= -2.0 and <= 2.0") for value in (-2.0000001, 2.1, 100)),
    *((name, value, "must be > 0.0 and < 1.0") for name in ("top_p", "typical_p") for value in (0, 1, 1.0, -0.1, 2)),
    *(
        (name, value, "must be strictly positive")
        for name in ("top_k", "max_new_tokens", "truncate")
        for value in (0, -1)
    ),
    *(("best_of", value, "must be strictly positive") for value in (0, -1)),
    *(("seed", value, "must be >= 0 and < 18446744073709551616") for value in (-1, 2**64)),
    ("top_n_tokens", -1, "must be >= 0"),
]
NUMBERS = [name for name, kind in TGI.items() if kind in {int, float}]


def refused(group: type = TextGeneration, /, limits: Limits | None = None, **given: Any) -> ParameterError:
    """Return the refusal of some parameters."""
    with pytest.raises(ParameterError) as caught:
        resolve(group, given, limits=limits)
    return caught.value


def test_the_table_holds_the_servers_parameters() -> None:
    """Every parameter of the server is declared once with its type, in the order in which the server checks."""
    rows = table(TextGeneration)
    assert {name: row.type if row.type != list[str] else list for name, row in rows.items() if row.sent} == TGI
    assert [name for name in rows if name in TGI] == list(TGI)


@pytest.mark.parametrize("group", [TextGeneration, Call, TextGenerationCall])
def test_every_row_can_be_understood(group: type) -> None:
    """Each option has a sentence that describes it, and its worthwhile values and default are legal."""
    for name, row in table(group).items():
        assert row.name == name
        assert row.description.endswith(".")
        assert row.flag == "--" + name.replace("_", "-")
        for value in (*row.usual, *([] if row.default is None else [row.default])):
            assert row.check(value) == value


def test_the_keywords_are_the_rows() -> None:
    """What a type checker allows as keyword arguments is what is understood at run time."""
    assert table(TextGenerationCall).keys() == table(TextGeneration).keys() | table(Call).keys()
    assert get_type_hints(TextGenerationCall).keys() == table(TextGenerationCall).keys()


@pytest.mark.parametrize(("name", "value"), LEGAL)
def test_values_at_the_bounds_are_legal(name: str, value: float) -> None:
    """What the server takes is taken, up to the last representable number, in the option's own type."""
    given = {"temperature": 0.5} if name == "best_of" else {}
    found = resolve(TextGeneration, given | {name: value})[name]
    assert found == value
    assert type(found) is TGI[name]


@pytest.mark.parametrize(("name", "value", "says"), ILLEGAL)
def test_values_beyond_the_bounds_are_refused_in_the_servers_words(name: str, value: float, says: str) -> None:
    """What the server refuses is refused before it is sent, in its words, with the value that was given."""
    message = str(refused(**{name: value}))
    assert message.startswith(f"`{name}` {says}")
    assert str(value) in message


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, np.nan, True, False, np.True_, "1", "", b"1", [1], {}, 1j, ()]
)
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    """NaN, infinity, booleans, texts and containers are no numbers."""
    assert str(refused(**{name: value})).startswith(f"`{name}` must be a")


@pytest.mark.parametrize("name", [name for name in NUMBERS if TGI[name] is int])
@pytest.mark.parametrize("value", [1.5, np.float64(0.1), Decimal("1.5")])
def test_a_fraction_is_no_whole_number(name: str, value: Any) -> None:
    """A count with decimals is refused, not rounded."""
    assert f"`{name}` must be a whole number. Given: " in str(refused(**{name: value}))


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8, np.float32, np.float64, float, int])
def test_numbers_of_other_types_are_taken(kind: type) -> None:
    """Scalars of numpy, and floats that are whole, become Python's own numbers."""
    found = resolve(TextGeneration, {"top_k": kind(5), "repetition_penalty": kind(1)})
    assert found == {"top_k": 5, "repetition_penalty": 1.0}
    assert [type(value) for value in found.values()] == [float, int]  # in the server's order


@given(st.integers(2**53, 2**64 - 1))
def test_seeds_stay_exact(seed: int) -> None:
    """A seed beyond what a float can hold is kept to the last digit."""
    assert resolve(TextGeneration, {"seed": seed}) == {"seed": seed}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_temperature_is_legal_from_zero_up(value: float) -> None:
    """Every finite temperature that is not negative is taken; the others are refused."""
    if value >= 0:
        assert resolve(TextGeneration, {"temperature": value}) == {"temperature": value}
    else:
        refused(temperature=value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *((value, True) for value in (True, 1, 1.0, np.True_, "true", "True", "yes", "on", "1")),
        *((value, False) for value in (False, 0, np.False_, "false", "NO", "off", "0")),
    ],
)
def test_words_for_yes_and_no_are_booleans(value: Any, *, found: bool) -> None:
    """Booleans may also be written as people write them; what comes out is a bool."""
    assert resolve(TextGeneration, {"watermark": value})["watermark"] is found


@pytest.mark.parametrize("value", [2, -1, "maybe", "", 0.5, [True], {}, np.array([1, 0])])
def test_what_is_no_boolean_is_refused(value: Any) -> None:
    """Anything else than yes and no is refused, containers too."""
    assert "`watermark` must be true or false" in str(refused(watermark=value))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        ([], []),
        (np.array(["a", "b"]), ["a", "b"]),
        ({"a": 1}.keys(), ["a"]),
    ],
)
def test_one_text_is_a_list_of_one(value: Any, found: list[str]) -> None:
    """A list of texts may be any iterable or a single text; its texts are Python's own."""
    texts = resolve(TextGeneration, {"stop": value})["stop"]
    assert texts == found
    assert all(type(text) is str for text in texts)


@pytest.mark.parametrize("value", ["", [""], ["a", ""], [1], 1, [None], b"ab", [b"a"]])
def test_what_is_no_list_of_texts_is_refused(value: Any) -> None:
    """Empty stop texts, which would end everything at once, and other types are refused."""
    assert "`stop` must be a list of texts, none of them empty" in str(refused(stop=value))


def test_objects_and_texts_are_checked() -> None:
    """A grammar is an object and an adapter a text; neither is guessed from anything else."""
    assert resolve(TextGeneration, {"grammar": {"type": "regex", "value": "a"}, "adapter_id": "x"})
    assert "`grammar` must be an object" in str(refused(grammar="a+"))
    assert "`adapter_id` must be a text" in str(refused(adapter_id=1))


@pytest.mark.parametrize("name", [*table(TextGeneration), "stop_sequences"])
def test_none_means_not_given(name: str) -> None:
    """None leaves an option out, whatever its type."""
    assert resolve(TextGeneration, {name: None}) == {}


def test_synonyms_come_out_under_one_name() -> None:
    """`stop_sequences` is `stop`; to give both is refused."""
    assert resolve(TextGeneration, {"stop_sequences": ["a"]}) == {"stop": ["a"]}
    assert resolve(TextGeneration, {"stop_sequences": ["a"], "stop": None}) == {"stop": ["a"]}
    assert "are the same" in str(refused(stop=["a"], stop_sequences=["b"]))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """A misspelt name, which servers ignore, is an error that names what was meant."""
    error = refused(temprature=0.5)
    assert (str(error), error.hint) == ("unknown parameter `temprature`", "Did you mean temperature?")
    assert "top_k" in refused(topk=None).hint


def test_an_unknown_name_that_is_near_none_lists_all() -> None:
    """Where nothing is near, the hint lists what there is, synonyms too."""
    hint = refused(zzzzzz=1).hint
    assert all(name in hint for name in (*table(TextGeneration), "stop_sequences"))


def test_all_offenders_are_named_at_once() -> None:
    """One error tells of everything that is wrong, in at most four lines for the reader."""
    error = refused(top_p=2, temprature=1, top_k=0, seed="x", best_of=0)
    for name in ("top_p", "temprature", "top_k", "seed", "best_of"):
        assert f"`{name}`" in str(error)
    assert len(error.lines()) <= 4


def test_choices_are_named() -> None:
    """An option with a few choices takes those and names them otherwise."""

    class Sides(TypedDict, total=False):
        side: Annotated[Literal["left", "right"], Param(description="Side.")]

    assert resolve(Sides, {"side": "left"}) == {"side": "left"}
    assert str(refused(Sides, side="top")) == "`side` must be one of left, right. Given: 'top'"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
        ({"best_of": 2, "temperature": 0}, "you must use sampling when `best_of` is > 1"),
        ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
        ({"do_sample": False, "top_k": 5}, "`do_sample` is False but `top_k` asks for sampling"),
        (
            {"do_sample": False, "temperature": 0.5, "top_p": 0.5},
            "`do_sample` is False but `temperature`, `top_p` asks",
        ),
        ({"do_sample": True, "temperature": 0}, "`do_sample` is True but `temperature` 0 asks for no sampling"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given: dict[str, Any], says: str) -> None:
    """What the server refuses together, and what can only be a mistake, is refused, naming both."""
    assert says in str(refused(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"best_of": 2, "top_k": 5},
        {"best_of": 2, "do_sample": True},
        {"best_of": 1, "seed": 1},
        {"do_sample": False, "temperature": 0},
        {"temperature": 0, "top_k": 5},
        {"do_sample": False, "seed": 1},
    ],
)
def test_options_that_go_together_are_taken(given: dict[str, Any]) -> None:
    """What makes sense together is not refused."""
    assert resolve(TextGeneration, given) == given


LIMITS = Limits(max_best_of=2, max_stop_sequences=2, max_top_n_tokens=5, max_input_tokens=10, max_total_tokens=20)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
        ({"stop": ["a", "b", "c"]}, "`stop` supports up to 2 stop sequences. Given: 3"),
        ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
    ],
)
def test_limits_of_a_server_hold_only_where_they_are_known(given: dict[str, Any], says: str) -> None:
    """A server's own limits are checked in its words once it has told them, and not guessed before."""
    assert says in str(refused(limits=LIMITS, **given))
    assert resolve(TextGeneration, given) == given


@pytest.mark.parametrize("given", [{"best_of": 2, "do_sample": True}, {"stop": ["a", "b"]}, {"top_n_tokens": 5}])
def test_the_limit_itself_is_allowed(given: dict[str, Any]) -> None:
    """What equals the limit passes."""
    assert resolve(TextGeneration, given, limits=LIMITS) == given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"seed": 1, "repetition_penalty": 1.2}, False),
        *(({name: 0.5}, True) for name in ("temperature", "top_p", "typical_p")),
        ({"top_k": 5}, True),
        ({"temperature": 1.0}, True),
        ({"do_sample": True}, True),
        ({"do_sample": False}, False),
        ({"temperature": 0}, False),
        ({"temperature": 0, "top_k": 5}, False),
    ],
)
def test_sampling_is_on_exactly_when_asked_for(given: dict[str, Any], *, expected: bool) -> None:
    """temperature, top_k, top_p and typical_p switch sampling on, temperature 0 and do_sample=False off."""
    assert sampling(given) is expected
    assert native(given)[0]["do_sample"] is expected


def test_length_sampling_and_prompt_are_always_said() -> None:
    """Every server gets max_new_tokens, do_sample and return_full_text, so that all do the same."""
    assert native({}) == ({"max_new_tokens": 256, "return_full_text": False, "do_sample": False}, [])
    assert native({"max_new_tokens": 5, "return_full_text": True})[0] == {
        "max_new_tokens": 5, "return_full_text": True, "do_sample": False,
    }  # fmt: skip


def test_temperature_zero_is_no_sampling() -> None:
    """The server refuses temperature 0: it is left out, and so is what would switch sampling on, with a notice."""
    wire, notices = native({"temperature": 0, "top_k": 5, "top_p": 0.5})
    assert wire == {"max_new_tokens": 256, "return_full_text": False, "do_sample": False}
    assert notices == ["no effect at temperature 0: top_p, top_k"]
    assert native({"temperature": 0.0})[1] == []


def test_what_nbinfer_does_itself_is_not_sent() -> None:
    """`keep_stop` is ours, the server never sees it."""
    assert "keep_stop" not in native({"keep_stop": True, "stop": ["a"]})[0]


def test_defaults_are_what_is_sent_without_being_asked() -> None:
    """Only rows with a default are sent unasked."""
    assert defaults(TextGeneration) == {"max_new_tokens": 256, "return_full_text": False}
    assert defaults(Call) == {"retries": 3, "bridge": True}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"best_of": 2}, ["`best_of` != 1 is not supported when streaming tokens"]),
        ({"decoder_input_details": True}, ["`decoder_input_details` == true is not supported when streaming tokens"]),
        ({"best_of": 1, "decoder_input_details": False}, []),
        ({}, []),
    ],
)
def test_streams_refuse_what_the_server_refuses_for_them(given: dict[str, Any], says: list[str]) -> None:
    """What cannot be streamed is said in the server's words."""
    assert streaming_problems(given) == says


def test_names_go_to_the_group_that_knows_them() -> None:
    """Options of the task and of the call are told apart; an unknown one goes where it will be refused."""
    given = {"top_k": 1, "stop_sequences": "a", "timeout": 2.0, "zzz": 3}
    assert split(given, TextGeneration, Call) == ({"top_k": 1, "stop_sequences": "a", "zzz": 3}, {"timeout": 2.0})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.5", 0.5),
        ("temperature", "1e-1", 0.1),
        ("top_k", "50", 50),
        ("seed", "18446744073709551615", 2**64 - 1),
        ("do_sample", "false", False),
        ("stop", r"a\n", ["a\n"]),
        ("stop", r"\tb", ["\tb"]),
        ("grammar", '{"type": "regex", "value": "a"}', {"type": "regex", "value": "a"}),
        ("grammar", "{'type': 'regex', 'value': 'a'}", {"type": "regex", "value": "a"}),
        ("grammar", '{"type": "json", "value": {"properties": {"a": {"const": null}}}}',
         {"type": "json", "value": {"properties": {"a": {"const": None}}}}),
        ("adapter_id", "x", "x"),
    ],
)  # fmt: skip
def test_options_are_read_from_text(name: str, text: str, value: Any) -> None:
    """What is typed after a flag becomes the option's type; JSON may use either kind of quotes."""
    assert table(TextGeneration)[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("temperature", "hot", "must be a number. Given: 'hot'"),
        ("temperature", "nan", "must be a number"),
        ("top_k", "5.5", "must be a whole number. Given: '5.5'"),
        ("top_k", "0", "must be strictly positive. Given: 0"),
        ("do_sample", "perhaps", "must be true or false"),
        ("grammar", "{a", "must be a JSON object: "),
        ("grammar", "[1]", "must be an object"),
        ("grammar", "__import__('os')", "must be a JSON object"),
        ("grammar", "(" * 9000, "must be a JSON object"),
        ("grammar", "[" * 100_000, "must be a JSON object"),
    ],
)
def test_text_that_does_not_fit_is_refused(name: str, text: str, says: str) -> None:
    """A reason is given; nothing that is typed is ever run."""
    with pytest.raises(ValueError, match=r".") as caught:
        table(TextGeneration)[name].parse(text)
    assert says in str(caught.value)
