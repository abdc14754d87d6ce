import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nbinfer.errors import TemplateError
from nbinfer.infilling import (
    CODE_LLAMA,
    INFILLS,
    Infill,
    at_hole,
    code_llama_infill,
    infill,
    infill_of,
    infilled,
)
from nbinfer.known import KNOWN

TAGS = sorted({tag for form in INFILLS.values() for tag in form.tags})
codes = st.text(alphabet=st.sampled_from("ab \n\té🐦<>|_{}%PRESUFMIDOT▁｜")) | st.text()
# Code that ends in the letters of an end: what the well-known `rstrip(" <EOT>")` eats.
ENDINGS = ["return T", "list<T>", "SOME_CONST", "x = TO", "a <", "b > ", "E", "O", " ", "  ", "", "<EO", "<EOT"]


# --- The prompt


@pytest.mark.parametrize(
    ("prefix", "suffix", "first", "expected"),
    [
        ("def f(x):\n    ", "\n    return y", False, "<PRE> def f(x):\n     <SUF>\n    return y <MID>"),
        ("def f(x):\n    ", "\n    return y", True, "<PRE> <SUF>\n    return y <MID> def f(x):\n    "),
        ("", "", False, "<PRE>  <SUF> <MID>"),
        ("", "", True, "<PRE> <SUF> <MID> "),
        (" a ", " b ", False, "<PRE>  a  <SUF> b  <MID>"),
        ("{x}", "{prefix} %s {0}", False, "<PRE> {x} <SUF>{prefix} %s {0} <MID>"),
    ],
)
def test_code_llamas_prompt_is_the_reference_to_the_letter(
    prefix: str, suffix: str, *, first: bool, expected: str
) -> None:
    """Blanks belong to the tags as in Meta's code, nothing is trimmed, and nothing follows the last tag."""
    assert code_llama_infill(prefix, suffix, suffix_first=first) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("local/text", "<PRE> a <SUF>b <MID>"),
        ("bigcode/starcoder2-15b", "<fim_prefix>a<fim_suffix>b<fim_middle>"),
        ("deepseek-ai/deepseek-coder-6.7b-base", "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>"),
        ("google/codegemma-2b", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("Qwen/Qwen2.5-Coder-32B", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
    ],
)
def test_each_model_has_its_own_markers(model: str, expected: str) -> None:
    """The prompts are those of the models' cards."""
    form = infill_of(model)
    assert form is not None
    assert infill("a", "b", form) == expected


def test_markers_of_deepseek_are_its_own_letters() -> None:
    """DeepSeek's markers hold a wide bar and a low block, not those of a keyboard."""
    assert {character for tag in INFILLS["deepseek-coder"].tags for character in tag if not character.isascii()} == {
        "\uff5c",
        "\u2581",
    }


@given(prefix=codes, suffix=codes, form=st.sampled_from(list(INFILLS.values())), first=st.booleans())
def test_a_prompt_can_be_read_back(*, prefix: str, suffix: str, form: Infill, first: bool) -> None:
    """Between the markers stands what was given, to the letter, in both orders."""
    assume(not any(tag in prefix + suffix for tag in form.tags))
    first = first and bool(form.suffix_first)
    shape = re.escape(form.suffix_first if first else form.prompt)
    pattern = shape.replace(r"\{prefix\}", "(?P<prefix>.*)").replace(r"\{suffix\}", "(?P<suffix>.*)")
    found = re.fullmatch(pattern, infill(prefix, suffix, form, suffix_first=first), re.DOTALL)
    assert found is not None
    assert found.groupdict() == {"prefix": prefix, "suffix": suffix}


@pytest.mark.parametrize("name", INFILLS)
def test_a_form_says_all_that_it_needs(name: str) -> None:
    """A form has three markers, one to four ends that any server takes, and tags that are all of them."""
    form = INFILLS[name]
    assert len(form.markers) == 3
    assert 1 <= len(form.stop) <= 4
    assert set(form.tags) == {*form.markers, *form.stop}
    assert form.prompt.index("{prefix}") < form.prompt.index("{suffix}")
    if form.suffix_first:
        assert form.suffix_first.index("{suffix}") < form.suffix_first.index("{prefix}")
        assert all(marker in form.suffix_first for marker in form.markers)


@pytest.mark.parametrize("name", INFILLS)
@pytest.mark.parametrize("place", [0, 1])
def test_tags_in_code_are_refused(name: str, place: int) -> None:
    """Code with one of the form's own tags is refused, with the tag, where it is, and its position."""
    form = INFILLS[name]
    for tag in form.tags:
        code = ["x = 1", "y = 2"]
        code[place] = f"ab{tag}c"
        with pytest.raises(TemplateError) as caught:
            infill(*code, form)
        where = ("before", "after")[place]
        assert str(caught.value).startswith(f"the code {where} the hole contains the tag {tag} at position 2")


def test_tags_of_other_forms_are_code() -> None:
    """What another model's form uses is ordinary code in this one."""
    assert infill("<fim_prefix>", "<|fim_suffix|>", CODE_LLAMA) == "<PRE> <fim_prefix> <SUF><|fim_suffix|> <MID>"
    assert "<EOT>" in infill("<EOT>", "", INFILLS["starcoder"])


def test_an_order_that_a_model_does_not_know_is_refused() -> None:
    """Only forms that were trained with the suffix first take it first."""
    with pytest.raises(TemplateError, match="has the prefix first"):
        infill("a", "b", INFILLS["starcoder"], suffix_first=True)


# --- The models


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("codellama/CodeLlama-7b-hf", "code-llama"),
        ("codellama/CodeLlama-13b-Instruct-hf", "code-llama"),
        ("meta-llama/CodeLlama-7b-hf:together", "code-llama"),
        ("TheBloke/CodeLlama-13B-GGUF", "code-llama"),
        ("codellama:7b-code", "code-llama"),
        ("local", "code-llama"),
        ("local/text", "code-llama"),
        ("bigcode/starcoder", "starcoder"),
        ("bigcode/starcoderbase-1b", "starcoder"),
        ("bigcode/tiny_starcoder_py", "starcoder"),
        ("starcoder2:3b", "starcoder"),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "deepseek-coder"),
        ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek-coder"),
        ("google/codegemma-1.1-2b", "codegemma"),
        ("codegemma:2b-code", "codegemma"),
        ("QWEN/QWEN2.5-CODER-0.5B", "qwen2.5-coder"),
        ("qwen2.5-coder:7b-base", "qwen2.5-coder"),
        ("codellama/CodeLlama-34b-hf", None),
        ("codellama/CodeLlama-70b-Instruct-hf", None),
        ("codellama/CodeLlama-7b-Python-hf", None),
        ("codellama/CodeLlama-13b-Python-hf", None),
        ("bigcode/starcoder2-15b-instruct-v0.1", None),
        ("deepseek-ai/deepseek-coder-33b-instruct", None),
        ("google/codegemma-7b-it", None),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", None),
        ("Qwen/Qwen2.5-7B", None),
        ("meta-llama/Llama-2-7b-chat-hf", None),
        ("local/embed", None),
        ("org/local", None),
        ("", None),
    ],
)
def test_models_are_known_by_their_names(model: str, name: str | None) -> None:
    """Models that have learnt infilling have their form, whatever the case; all others have none."""
    assert infill_of(model) is (INFILLS[name] if name else None)


def test_known_models_and_forms_agree() -> None:
    """What the list of known models says of markers and ends is what the forms say."""
    told = [model for model in KNOWN if model.infill]
    assert told
    for model in told:
        form = infill_of(model.id)
        assert form is not None, model.id
        assert " ".join(form.markers) == model.infill
        assert model.stop in {"", *form.stop}


# --- The answer


@pytest.mark.parametrize("code", ENDINGS)
def test_no_code_is_eaten(code: str) -> None:
    """Code stays as it is whatever it ends in; of what follows it only the end goes, with the one blank before it."""
    assert infilled(code) == code
    assert infilled(f"{code} <EOT>") == code
    assert infilled(f"{code} <EOT> more <EOT>") == code
    assert infilled(f"{code}<EOT>") == code.removesuffix(" ")


@given(codes, codes)
def test_the_first_end_ends(code: str, rest: str) -> None:
    """Whatever follows the first end, the code before it is what is returned; without an end, all of it."""
    assume("<EOT>" not in code)
    assert infilled(code) == code
    assert infilled(f"{code} <EOT>{rest}") == code
    assert code.startswith(infilled(f"{code}<EOT>{rest}"))
    assert len(infilled(f"{code}<EOT>{rest}")) >= len(code) - code.endswith(" ")


@pytest.mark.parametrize("name", [name for name in INFILLS if name != "code-llama"])
def test_other_forms_have_their_own_ends(name: str) -> None:
    """Each end of a form ends its code, blanks before it are code, and Code Llama's end is none of theirs."""
    form = INFILLS[name]
    for end in form.stop:
        assert infilled(f"x = 1 {end}y", form) == "x = 1 "
    assert infilled("x <EOT>", form) == "x <EOT>"


@given(codes, codes, codes)
def test_the_parts_make_the_whole(prefix: str, middle: str, suffix: str) -> None:
    """Prefix, what came, and suffix are the code again, wherever the hole was."""
    assume(not any(tag in prefix + middle + suffix for tag in (*CODE_LLAMA.tags, "<FILL")))
    before, after = at_hole(f"{prefix}<FILL>{suffix}")
    assert code_llama_infill(before, after)
    assert before + infilled(f"{middle} <EOT>") + after == prefix + middle + suffix


# --- The hole


@pytest.mark.parametrize("hole", ["<FILL>", "<FILL_ME>"])
def test_a_text_is_split_at_its_hole(hole: str) -> None:
    """What stands before and after the hole is returned, blanks and all."""
    assert at_hole(f"def f():\n    {hole}\n    return x\n") == ("def f():\n    ", "\n    return x\n")
    assert at_hole(hole) == ("", "")
    assert at_hole(f"{hole}<FILL_IN>") == ("", "<FILL_IN>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no <FILL> in the text"),
        ("def f(): <fill> <FILL ME> FILL", "there is no <FILL> in the text"),
        ("a<FILL>b<FILL>", "there are 2 holes: <FILL> at position 1, <FILL> at position 8"),
        ("<FILL_ME><FILL>x<FILL>", "there are 3 holes: <FILL_ME> at position 0, <FILL> at position 9, <FILL> at"),
    ],
)
def test_one_hole_is_needed(text: str, words: str) -> None:
    """No hole and several are errors that say so, with their positions."""
    with pytest.raises(TemplateError) as caught:
        at_hole(text)
    assert words in str(caught.value)
    assert caught.value.hint


def test_all_tags_are_told_apart() -> None:
    """No tag is a part of another, so that the one that is named is the one that is there."""
    assert [(a, b) for a in TAGS for b in TAGS if a != b and a in b] == []
