import contextlib
import datetime as dt
import decimal
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbinfer.errors import TemplateError
from nbinfer.interpolation import PIPES, interpolate
from nbinfer.results import TextResult

FRAME = pd.DataFrame({"n": [1, 2], "word": ["é", None]})


class Unspeakable:
    """An object whose text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    @property
    def value(self) -> str:
        """Fail."""
        raise RuntimeError("no")


def filled(expression: str, **variables: Any) -> str:
    """Return what is inserted for one expression."""
    return interpolate("{{ " + expression + " }}", variables)


def refused(expression: str, **variables: Any) -> TemplateError:
    """Return the error that an expression leads to, which takes at most four lines."""
    with pytest.raises(TemplateError) as caught:
        filled(expression, **variables)
    assert len(caught.value.lines()) <= 4
    return caught.value


# --- names, attributes, items


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello {{ name }}!", "Hello Ada!"),
        ("{{name}}{{  name\t}}", "AdaAda"),
        ("{{ rows[0]['title'] }} and {{ rows[-1].title }}", "one and two"),
        ("{{ point.x }}, {{ words[1:] }}, {{ words[::-1] }}", "3, ['b', 'c'], ['c', 'b', 'a']"),
        ("{{ table.shape }} {{ table['n'] }}", "(2, 1) 0    1\n1    2\nName: n, dtype: int64"),
        ("{{ words[point.x - 1] }}", None),
        ("{{ result }}", "the answer"),
        ("{{ nothing }}", "None"),
        ("{{ array[1, 0] }}", None),
        ("{{ array[1] }}", "[3 4]"),
        ("{{ 'a' }} {{ 1 }} {{ -2 }}", "a 1 -2"),
    ],
)
def test_names_attributes_and_items_are_filled_in(text: str, expected: str | None) -> None:
    """An expression is a name, its attributes and its items; computing anything is refused."""
    variables = {
        "name": "Ada",
        "rows": [{"title": "one"}, SimpleNamespace(title="two")],
        "point": SimpleNamespace(x=3),
        "words": ["a", "b", "c"],
        "table": pd.DataFrame({"n": [1, 2]}),
        "array": np.array([[1, 2], [3, 4]]),
        "result": TextResult("the answer", model="m"),
        "nothing": None,
    }
    if expected is None:
        with pytest.raises(TemplateError):
            interpolate(text, variables)
    else:
        assert interpolate(text, variables) == expected


def test_the_last_result_has_a_name_too() -> None:
    """What a notebook keeps under `_` can be filled in; attributes that begin with it cannot."""
    assert filled("_", _="It is four.") == "It is four."
    assert "begins with _" in str(refused("x.__class__", x=1))


@given(st.text(alphabet="a{}%| \r\n"))
def test_single_braces_stay(text: str) -> None:
    """A text without double opening braces is sent to the letter: code, JSON and f-strings stay what they are."""
    single = text.replace("{{", "{ ")
    assert interpolate(single, {}) == single


@given(st.text().filter(lambda text: "{{" not in text), st.text().filter(lambda text: "{{" not in text))
def test_what_is_around_a_hole_stays(before: str, after: str) -> None:
    """Before and behind a hole every character stays, line ends and blanks too."""
    before = before.removesuffix("{")
    assert interpolate(before + "{{ x }}" + after, {"x": "1"}) == f"{before}1{after}"


@given(st.text(), st.text())
def test_values_are_not_looked_at_again(value: str, other: str) -> None:
    """What a variable holds is text, also when it looks like an expression or a reference to a group."""
    variables = {"value": value + "{{ other }}\\1\\g<0>", "other": other}
    assert interpolate("a{{ value }}b{{ other }}", variables) == f"a{variables['value']}b{other}"


@given(st.lists(st.text(alphabet="x{} |'\n")))
def test_values_of_pipes_are_not_looked_at_again(values: list[str]) -> None:
    """What comes out of a pipe is text too, whatever braces are in it."""
    assert filled("x | json", x=values) == json.dumps(values)
    assert filled("x | join", x=values) == ", ".join(values)


def test_an_expression_ends_on_its_line() -> None:
    """Braces that do not close on their line are text."""
    assert interpolate("{{ a\n}} {{", {}) == "{{ a\n}} {{"
    assert interpolate("{{ x\n| json }}\n{{ x }}", {"x": 1}) == "{{ x\n| json }}\n1"


def test_a_line_of_braces_takes_no_time() -> None:
    """However many braces stand open on a line, it is read once."""
    line = "}}" + "{" * 300_000
    assert interpolate(f"{line}\n{{{{ x }}}}", {"x": 1}) == f"{line}\n1"


# --- pipes


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rows | json", '[{"title": "né 🐦", "n": 1.5}, null]'),
        ("rows|json()", '[{"title": "né 🐦", "n": 1.5}, null]'),
        ("rows[0] | json(indent=2)", '{\n  "title": "né 🐦",\n  "n": 1.5\n}'),
        ("rows[0] | json(2)", '{\n  "title": "né 🐦",\n  "n": 1.5\n}'),
        ("rows | json(indent=None)", '[{"title": "né 🐦", "n": 1.5}, null]'),
        ("rows[0].title | json", None),
        ("rows[0]['title'] | json", '"né 🐦"'),
        ("True | json", "true"),
        ("-1.5 | json", "-1.5"),
        ("text | indent", "a\n    b\n    \n    c\n"),
        ("text | indent(2)", "a\n  b\n  \n  c\n"),
        ("text | indent(blanks=0)", "a\nb\n\nc\n"),
        ("names | join", "Ada, Tom, 3"),
        ("names | join('; ')", "Ada; Tom; 3"),
        ("names[:2] | join(separator='\\n')", "Ada\nTom"),
        ("(names | join)", "Ada, Tom, 3"),
        ("names | join('\\n') | indent(1) | json", '"Ada\\n Tom\\n 3"'),
        ("rows[0] | json(indent=1) | indent(2)", '{\n   "title": "né 🐦",\n   "n": 1.5\n  }'),
        ("json | json", '"a variable"'),
        ("empty | join", ""),
        ("nothing | indent", "None"),
    ],
)
def test_pipes_make_text_from_left_to_right(expression: str, expected: str | None) -> None:
    """JSON is not escaped, lines but the first are indented, items are joined; each pipe takes what the last gave."""
    variables = {
        "rows": [{"title": "né 🐦", "n": 1.5}, None],
        "text": "a\nb\n\nc\n",
        "names": ("Ada", "Tom", 3),
        "json": "a variable",
        "empty": [],
        "nothing": None,
    }
    if expected is None:
        refused(expression, **variables)
    else:
        assert filled(expression, **variables) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
    max_leaves=10,
)


@given(JSON, st.sampled_from(["json", "json(indent=2)", "json(indent=0)"]))
def test_json_can_be_read_back(value: Any, pipe: str) -> None:
    """What `json` writes is the value, whatever it holds."""
    assert json.loads(filled(f"value | {pipe}", value=value)) == value


@given(st.text(), st.integers(0, 9))
def test_indent_puts_blanks_before_lines_and_changes_nothing_else(text: str, blanks: int) -> None:
    """Each line but the first has as many blanks more; after the last line end there is no line."""
    first, *others = text.split("\n")
    expected = "".join(f"\n{' ' * blanks * (bool(line) or n < len(others))}{line}" for n, line in enumerate(others, 1))
    assert filled(f"text | indent({blanks})", text=text) == first + expected


@pytest.mark.parametrize("name", PIPES)
def test_every_pipe_is_described_and_takes_a_value_alone(name: str) -> None:
    """A pipe of the table says what it does in one line that shows how it is written, and needs no options."""
    description = inspect.getdoc(PIPES[name]) or ""
    assert f"`{name}" in description
    assert "\n" not in description
    assert filled(f"value | {name}", value=["a"])


# --- tables


def test_a_frame_is_inserted_with_all_its_columns_and_cells() -> None:
    """Without a pipe a DataFrame is no shortened view: up to 60 rows, every column, every cell to its end."""
    frame = pd.DataFrame({f"column{n}": [f"{'word ' * 40}{n}.{row}" for row in range(60)] for n in range(30)})
    lines = filled("frame", frame=frame).splitlines()
    assert len(lines) == 61
    assert all(f"column{n}" in lines[0] for n in range(30))
    assert all(f"{n}.{row}" in lines[row + 1] for n in range(30) for row in range(60))
    assert filled("frame", frame=frame) == frame.to_string()
    assert filled("rows | join(' ')", rows=[frame]) == frame.to_string()
    assert filled("frame | indent(2)", frame=FRAME) == FRAME.to_string().replace("\n", "\n  ")


def test_a_frame_of_more_rows_says_how_many() -> None:
    """Of more than 60 rows the first and the last 30 are inserted, with the number of all."""
    text = filled("frame", frame=pd.DataFrame({"n": range(1000, 1061)}))
    assert [str(n) in text for n in (1000, 1029, 1030, 1031, 1060)] == [True, True, False, True, True]
    assert text.endswith("[61 rows x 1 columns]")


def test_a_frame_is_json_as_its_rows() -> None:
    """A DataFrame is a list of records, a Series a list, also within other values; gaps are null, dates ISO 8601."""
    assert filled("frame | json", frame=FRAME) == '[{"n": 1, "word": "é"}, {"n": 2, "word": null}]'
    assert filled("frame['n'] | json", frame=FRAME) == "[1, 2]"
    assert filled("frame.word | json", frame=FRAME) == '["é", null]'
    assert filled("all | json", all={"rows": FRAME, "n": FRAME["n"]}) == (
        '{"rows": [{"n": 1, "word": "é"}, {"n": 2, "word": null}], "n": [1, 2]}'
    )
    kinds = pd.DataFrame(
        {
            "float": [0.1, np.nan],
            "whole": pd.array([1, None], dtype="Int64"),
            "kind": pd.Categorical(["a", None]),
            "when": pd.to_datetime(["2024-05-01 10:00", None]),
            "many": [[1, np.int64(2)], None],
            "yes": [True, False],
        }
    )
    assert json.loads(filled("kinds | json", kinds=kinds)) == [
        {"float": 0.1, "whole": 1, "kind": "a", "when": "2024-05-01T10:00:00", "many": [1, 2], "yes": True},
        {"float": None, "whole": None, "kind": None, "when": None, "many": None, "yes": False},
    ]
    assert filled("frame | json", frame=FRAME.iloc[:0]) == "[]"
    assert filled("days | json", days=pd.date_range("2024-05-01", periods=1).to_series()) == '["2024-05-01T00:00:00"]'


def test_numbers_of_numpy_and_dates_are_json() -> None:
    """Arrays are lists, their numbers are numbers, dates are ISO 8601."""
    numbers = np.array([[1], [2]])
    values = [np.int64(1), np.float32(0.5), numbers[0, 0] == 1, numbers, dt.date(2024, 5, 1), dt.time(10)]
    assert filled("values | json", values=values) == '[1, 0.5, true, [[1], [2]], "2024-05-01", "10:00:00"]'
    assert filled("index | json", index=pd.Index(["a", "b"])) == '["a", "b"]'


def test_a_series_is_joined() -> None:
    """The items of a Series, and of an array, are joined as those of a list."""
    assert filled("frame['n'] | join", frame=FRAME) == "1, 2"
    assert filled("array | join(' ')", array=np.array([1, 2])) == "1 2"


def test_prompts_without_tables_load_no_pandas() -> None:
    """Filling in loads none of the heavy libraries."""
    code = (
        "import sys; from nbinfer.interpolation import interpolate\n"
        "assert interpolate('{{ x | json }} {{ x }} {{ x | join }}', {'x': [1]}) == '[1] [1] 1'\n"
        "assert not {'pandas', 'numpy', 'IPython', 'jinja2', 'httpx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what is refused


@pytest.mark.parametrize(
    "expression",
    [
        *("f()", "f", "x.upper()", "[1].append(2)", "lambda: 1", "x if x else x", "x + x", "not x", "-x", "(x := 1)"),
        *("[y for y in x]", "f'{x}'", "x.__class__", "x._private", "x.__class__.__mro__", "x[0].__doc__", "x[f()]"),
        *("", "  ", "x y", "x.", "1x", "{x", "import os", "x; x", "*x", "await x", "[x]", "{}", "x\0"),
        *("x | f", "x | f()", "x | json(f())", "x | json(indent=x)", "x | json(*x)", "x | json(**x)"),
        *("x | join(f'{x}')", "x | json.dumps", "x | json()()", "x | (json | indent)", "x | json[0]", "x[0 | 1]"),
        *("(x | json).title", "x | join(','.upper())", "x | join([1])", "x |", "| json", "x || json", "x | json & x"),
        *("json(x)", "x | -1", "x | 'json'"),
    ],
)
def test_nothing_is_computed(expression: str) -> None:
    """Calls but of pipes, operators, private names and all else that is no name, attribute or item are refused."""
    called: list[int] = []

    def f() -> int:
        called.append(1)
        return 0

    variables: dict[str, Any] = {"x": "text", "_x": 0, "_": 0, "f": f} if expression != "f" else {"x": "text"}
    error = refused(expression, **variables)
    assert not called
    assert error.hint


SYNTAX = [
    *("x", "f", "rows", "frame", "_", "__import__", "os", "json", "indent", "join", "lambda", "if", "else", "for"),
    *("(", ")", "[", "]", "{", "}", "|", "||", ".", ",", ":", ":=", "=", "==", "-", "+", "*", "**", "~", "@", "\\"),
    *("0", "1", "-1", "1.5", "1j", "'", '"', "'a'", 'b"a"', 'f"{f()}"', '"\\d"', "None", "...", "f()", "# a", "\0"),
    *("\r", "\t", "\x0c", "é", "\ud800", "1is", "0_", "9" * 5000),
]


@given(
    st.lists(st.sampled_from(SYNTAX), max_size=10).map(" ".join)
    | st.lists(st.sampled_from(SYNTAX), max_size=10).map("".join)
    | st.text()
)
@example("(" * 300)
@example("x" + ".x" * 5000)
@example("x" + " | json" * 5000)
@example("x[" * 90 + "0" + "]" * 90)
@example("x | indent(99999999999999999999)")
@example("x[1:'a']")
@example("1is x")
@example("'\\d' | json")
def test_junk_is_text_or_a_template_error_and_never_run(junk: str) -> None:
    """Whatever stands between braces, it is filled in, left as text or refused with a TemplateError; nothing is run."""
    called: list[object] = []

    class Trap:
        def __call__(self, *values: object, **named: object) -> object:
            called.append((values, named))
            return self

        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    variables = {"x": "a\nb", "f": Trap(), "rows": [1, {"x": 2}], "frame": FRAME, "os": Trap(), "_": Trap()}
    with contextlib.suppress(TemplateError):
        assert isinstance(interpolate("{{" + junk + "}}", variables), str)
    assert not called
    assert variables.keys() == {"x", "f", "rows", "frame", "os", "_"}


def test_undefined_names_are_named_with_the_nearest() -> None:
    """An undefined name is an error that says which, and what was perhaps meant."""
    error = refused("questoin.text", question=1, _question=2)
    assert str(error) == "`questoin` in {{ questoin.text }} is not defined"
    assert error.hint == "Did you mean question?"
    assert "`rwos` in {{ rwos | json }}" in str(refused("rwos | json", rows=1))
    assert "--raw" in refused("zzz", question=1).hint


def test_unknown_pipes_are_named_with_the_nearest() -> None:
    """An unknown pipe is an error that names the near ones, or all, before the value is looked at."""
    error = refused("bad.value | jsn", bad=Unspeakable())
    assert str(error) == "{{ bad.value | jsn }} cannot be filled in: no pipe is called `jsn`"
    assert error.hint == "Did you mean json?"
    assert refused("x | zzz | json", x=1).hint == f"Known: {', '.join(sorted(PIPES))}."


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("n | join", "`join` needs a list, not a value of type int"),
        ("text | join", "`join` needs a list, not a value of type str"),
        ("rows | json | join", "`join` needs a list, not a value of type str"),
        ("rows | join(5)", "`join` puts a text between the items, not 5"),
        ("rows | join('a', 'b')", "`join` does not take these options"),
        ("rows | json(indet=2)", "`json` does not take these options"),
        ("rows | json(value=2)", "`json` does not take these options"),
        ("rows | json(indent='a')", "'a' is no number of blanks"),
        ("text | indent(-1)", "-1 is no number of blanks"),
        ("text | indent(1.5)", "1.5 is no number of blanks"),
        ("thing | json", "JSON cannot hold a value of type Unspeakable"),
        ("things | json", "JSON cannot hold a value of type Decimal"),
        ("letters | json", "JSON cannot hold a value of type set"),
        ("data | json", "JSON cannot hold a value of type bytes"),
        ("moments | json", "JSON cannot hold a value of type ndarray"),
        ("nan | json", "JSON cannot hold it: Out of range float values"),
        ("keys | json", "JSON cannot hold it: keys must be str"),
        ("circle | json", "JSON cannot hold it: Circular reference"),
        ("deep | json", "JSON cannot hold it: "),
        ("twins | json", "JSON cannot hold two columns of one name"),
    ],
)
def test_a_pipe_that_fails_says_why(expression: str, says: str) -> None:
    """What a pipe cannot do is told in plain words, with the hole."""
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    variables = {
        "n": 5,
        "text": "abc",
        "rows": [1],
        "thing": Unspeakable(),
        "things": [decimal.Decimal(1)],
        "letters": {"a"},
        "data": b"a",
        "moments": np.array(["2024-05-01"], dtype="datetime64[ns]"),
        "nan": [float("nan")],
        "keys": {(1, 2): 3},
        "circle": circle,
        "deep": deep,
        "twins": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    }
    error = refused(expression, **variables)
    assert str(error).startswith(f"{{{{ {expression} }}}} cannot be filled in: {says}")
    if "options" in says:
        assert "`json`" in error.hint or "`join`" in error.hint


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("rows[9]", "IndexError"),
        ("row['a']", "KeyError: 'a'"),
        ("rows.a", "AttributeError"),
        ("bad.value", "RuntimeError: no"),
        ("bad.value | json", "RuntimeError: no"),
        ("bad", "RuntimeError: no words"),
        ("bad | indent", "RuntimeError: no words"),
        ("many | join", "RuntimeError: no words"),
    ],
)
def test_what_fails_is_told(expression: str, says: str) -> None:
    """An item or attribute that is not there, or fails, and a value without text are told with the expression."""
    error = refused(expression, rows=[], row={}, bad=Unspeakable(), many=[Unspeakable()])
    assert str(error).startswith(f"{{{{ {expression} }}}} failed: {says}")


def test_a_long_hole_does_not_hide_what_was_wrong() -> None:
    """Of a long expression its start is shown, and the reason after it."""
    (line, hint) = refused("x + " * 500 + "x", x=1).lines()
    assert line.endswith("… }} cannot be filled in: only names, attributes, items and pipes can stand here")
    assert "--raw" in hint


# --- the magic


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """Return a shell of its own with nbinfer loaded."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_line_magic("load_ext", "nbinfer")
    yield shell
    shell.run_line_magic("unload_ext", "nbinfer")


def test_a_cell_is_filled_in_from_the_notebook(shell: InteractiveShell) -> None:
    """`%%infer` sends values of the notebook, through pipes, and with `--raw` the text as it was typed."""
    shell.user_ns |= {"frame": FRAME, "names": ["Ada", "Tom"]}
    cell = '{"rows": {{ frame | json }}, "of": {names}}\n{{ names | join(" & ") }}'
    place = "--dry-run -m http://127.0.0.1:1"
    asked = shell.run_cell_magic("infer", place, cell)
    rows = '[{"n": 1, "word": "é"}, {"n": 2, "word": null}]'
    assert asked["json"]["inputs"] == f'{{"rows": {rows}, "of": {{names}}}}\nAda & Tom'
    assert shell.run_cell_magic("infer", f"{place} --raw", cell)["json"]["inputs"] == cell
    with pytest.raises(TemplateError, match=r"no pipe is called `jion`"):
        shell.run_cell_magic("infer", place, "{{ names | jion }}")
