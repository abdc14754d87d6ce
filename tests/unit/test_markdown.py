import html
import re
from collections.abc import Callable
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from nbinfer.markdown import fenced, finished, safe

Render = Callable[[str], str]


FORMULA_PARTS = re.compile(
    r"(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|@@\d+@@|\\\\[()\[\]])", re.IGNORECASE
)
CLOSED_FENCE = re.compile(r"^(?P<fence>`{3,}|(?:~T){3,})[^`\n]*\n(?:[\s\S]*?)^(?P=fence)`*$", re.MULTILINE)
CODE_SPAN = re.compile(r"(^|[^\\])(`+)([^\n]*?[^`\n])\2(?!`)", re.MULTILINE)


def without_formulas(text: str) -> tuple[str, list[str]]:  # noqa: C901, PLR0912 - as it is over there
    """Put marks in place of formulas, as `removeMath` of JupyterLab 4.6 does."""

    def hidden(code: re.Match[str]) -> str:
        return code.group().replace("$", "~D")

    if "`" in text or "~~~" in text:
        text = CODE_SPAN.sub(hidden, CLOSED_FENCE.sub(hidden, text.replace("~", "~T")))
    parts = FORMULA_PARTS.split(re.sub("\r\n?", "\n", text))
    formulas: list[str] = []
    start: int | None = None
    last: int | None = None
    close, braces = "", 0

    def take(first: int, end: int) -> None:
        formula = "".join(parts[first : end + 1]).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        parts[first : end + 1] = [f"@@{len(formulas)}@@", *[""] * (end - first)]
        formulas.append(formula.replace("~D", "$").replace("~T", "~"))

    n = 1
    while n < len(parts):
        part = parts[n]
        if part.startswith("@"):
            parts[n] = f"@@{len(formulas)}@@"
            formulas.append(part)
        elif start is not None:
            if part == close and braces:
                last = n
            elif part == close:
                take(start, n)
                start = last = None
            elif re.search(r"\n.*\n", part):
                if last is not None:
                    take(start, last)
                    n = last
                start, last, braces = None, None, 0
            else:
                braces = max(0, braces + (part == "{") - (part == "}"))
        elif part in {"$", "$$"}:
            start, close, braces = n, part, 0
        elif part in {r"\\(", r"\\["}:
            start, close, braces = n, r"\\)" if part[-1] == "(" else r"\\]", 0
        elif part[1:6] == "begin":
            start, close, braces = n, r"\end" + part[6:], 0
        n += 2
    if start is not None and last is not None:
        take(start, last)
    return "".join(parts).replace("~D", "$").replace("~T", "~"), formulas


def markdown_it(preset: str) -> Render:
    """Return a renderer that lets HTML and every link through, so that nothing but `safe` protects."""
    parser = MarkdownIt(preset, {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser.render


def jupyterlab(render: Render) -> Render:
    """Return a renderer that sets formulas aside meanwhile, and puts them back wherever their marks have got."""

    def with_formulas(text: str) -> str:
        bare, formulas = without_formulas(text)
        return re.sub(r"@@(\d+)@@", lambda mark: formulas[int(mark.group(1))], render(bare))

    return with_formulas


def language_as_typed(text: str) -> str:
    """Render as JupyterLab does, which writes what stands behind a fence into an attribute as it is."""
    parser = MarkdownIt("js-default", {"html": True})
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    tokens = parser.parse(text)
    return "".join(
        f'<pre><code class="language-{token.info.strip()}">{html.escape(token.content)}</code></pre>'
        if token.type == "fence"
        else parser.renderer.render([token], parser.options, {})
        for token in tokens
    )


# nbconvert's is mistune with HTML left in, as notebooks are exported.
RENDERERS: dict[str, Render] = {
    "commonmark": markdown_it("commonmark"),
    "gfm": markdown_it("js-default"),
    "mistune": markdown2html_mistune,
    "jupyterlab": jupyterlab(language_as_typed),
    "jupyterlab with bare links": jupyterlab(mistune.create_markdown(escape=False, plugins=["table", "url"])),
}
COMMONMARK = RENDERERS["commonmark"]

MADE_BY_MARKDOWN = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del"),
    "s",
    *("a", "hr", "br", "table", "thead", "tbody", "tr", "th", "td", "input", "dl", "dt", "dd", "sub", "div", "span"),
}
HARMLESS_ATTRIBUTES = {
    "a": {"href", "title", "class"},
    "code": {"class"},
    "ol": {"start"},
    "td": {"style", "class"},
    "th": {"style", "class"},
    "li": {"class"},
    "input": {"class", "type", "disabled", "checked"},
    **{f"h{level}": {"id"} for level in range(1, 7)},
    # nbconvert's mathematics and colours
    "div": {"class"},
    "span": {"class"},
    "pre": {"class"},
}


class Page(HTMLParser):
    """Reads rendered HTML as a browser would: its text, its code, and what it must not hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.harm: list[str] = []
        self.text = ""
        self.code: list[str] = []
        self._in_code = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at a tag and its attributes."""
        if tag not in MADE_BY_MARKDOWN:
            self.harm.append(f"<{tag}>")
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name not in HARMLESS_ATTRIBUTES.get(tag, ()) or (name == "href" and not harmless(address)):
                self.harm.append(f"<{tag} {name}={value}>")
        if tag == "code":
            self._in_code = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave code where it ends."""
        self._in_code = self._in_code and tag != "code"

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data
        if self._in_code:
            self.code[-1] += data

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.harm.append("<!-- -->")

    def handle_decl(self, decl: str) -> None:
        """Note a declaration."""
        self.harm.append("<!>")

    def handle_pi(self, data: str) -> None:
        """Note an instruction."""
        self.harm.append("<?>")

    def unknown_decl(self, data: str) -> None:
        """Note a section."""
        self.harm.append("<![]>")


def harmless(address: str) -> bool:
    """Say whether a link leads to the web, to a mail program or elsewhere in the page."""
    scheme = re.match(r"[a-z][a-z0-9+.-]*:", address)
    return scheme is None or scheme.group() in {"http:", "https:", "mailto:"}


def assert_harmless(text: str) -> None:
    """Render a text made safe with every renderer and look for anything that is not Markdown's own."""
    for name, render in RENDERERS.items():
        page = Page(render(safe(text)))
        assert not page.harm, f"{name}: {page.harm}"


TAG = "<img src=x onerror=alert(1)>"
PIECES = [
    *("`", "``", "```", "````", "~~~", "\n", "\n\n", " ", "  ", "    ", "\t", "- ", "> ", "1. ", "|", "|-|-|\n", "a"),
    "#",
    *("<script>", "<b", TAG, "</code>", "<a href=javascript:x>", "&lt;", "&#60;", "javascript:", "java", "script:"),
    "<",
    *("data:text/html,x", "[a](", "[a]: ", ")", "![", "!", "[a]", "[", "]", "](", "(", ">", "\\", "<!--", "-->"),
    "<![CDATA[",
    *("<?x", "$", "$$", "\\\\(", "\\\\)", "\\begin{a}", "\\end{a}", "]:", '" onfocus=x "', "http://h/", "*"),
    *("&#106;avascript:", "&colon;", '"', ' "t"', "%", "\u00a0", "\x0b", "\r", "\x00"),
]
LINES = [
    *("```", "````", "~~~", "``` js", "```a`b", "<b>x", TAG, "- a", "- ```", "  ```", "   ```", "    ```", "\t```"),
    "> ```",
    *("> a", ">```", "1. ```", "1. a", "   a", "", "", "", "    <b>", "* <b>", "# h", "===", "---", "|a|b|", "|-|-|"),
    "~~~ `",
    *('[a]: http://x "t', 't"', "term", ": def", "  : ```", "$$", "`", "``", "a `", "` <b>", "<!--", "-->", "<div>"),
    "a\\",
    *("$", "costs $5:", "echo $A", "```c", '```" onfocus=x', '- ```" onfocus=x', "http://x/$", "```~", "```\r<b>"),
    *("``` <b>", "~~~ <b>", "- ~~~", "  ~~~", "  <b>", "  - ```", "\t<b>", "```\r", "\u00a0```", "\x0c```"),
    "```\u2028",
]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_renders_without_harm(text: str) -> None:
    """However marks, tags and links are mixed, nothing renders but Markdown: no HTML, no script links, no images."""
    assert_harmless(text)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(LINES), max_size=9).map("\n".join))
@example(f"   ```\n```\n{TAG}")
@example(f" ~~~\n~~~~\n\n{TAG}")
@example(f"```\n\t```\n```\n{TAG}")
@example(f"```\n\x0c```\n```\n{TAG}")
@example(f"```\n```\u2028\n```\n{TAG}")
@example(f'[a]: http://x "t\n~~~\nt"\n{TAG}')
@example(f"term\n: ```\n```\n* {TAG}")
@example(f"a\n: b\n```\n\n{TAG}")
@example(f"```\n```\r{TAG}")
@example(f"```\r\n```\r{TAG}\r\n")
def test_fences_anywhere_let_no_tag_through(text: str) -> None:
    """Whatever a renderer takes for a fence in lists, quotes or indented, no tag outside of one survives."""
    assert_harmless(text)


@pytest.mark.parametrize(
    "text",
    [
        *("<script>alert(1)</script>", TAG, "<!-- x -->", "<?php x ?>", "<![CDATA[x]]>", "<!DOCTYPE x>", "</p>"),
        "<B\nonclick=x>",
        *("a\n<div>\n\nb", "- <b>x</b>", "> <b>x</b>", "    <b>x</b>", "|a|b|\n|-|-|\n|<b>|x|", "# <b>x", "*<b>*"),
        *("|`a|<b>`|x|\n|-|-|-|\n|1|2|3|", "`a\n<b>", "\\`<b>`", "`a``<b>`", "``<b>`", "`` ` <b> ` ``", "`<b>`<b>`"),
        *("- ```\n  <b>\n  ```\n<b>", "> ```\n> <b>\n\n<b>", "1. ```\n<b>", "- ~~~\n\n<b>\n", "```js `x`\n<b>\n```"),
        *("```\n<b>", "~~~\n<b>\n```\n<b>", "```\n```\n<b>", "````\n```\n<b>\n````\n<b>"),
        "```\n<b>\n    ```\n<b>\n```\n<b>",
        *("$<b>$", "$$\n<b>\n$$", "$a<b$ `x` $c>d$", "$`<b>`$", "$`$<b>`"),
    ],
)
def test_no_html_survives(text: str) -> None:
    """HTML is text, in prose, tables, lists, quotes, formulas, and where code only seems to begin."""
    assert_harmless(text)


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "JAVASCRIPT:x", "JaVaScRiPt:x", "data:text/html,<b>", "vbscript:x"),
        "file:///etc/passwd",
        *("&#106;avascript:x", "&#x6A;avascript:x", "&#0000106;avascript:x", "javascript&colon;x", "javascript&#58;x"),
        *("java&Tab;script:x", "java&NewLine;script:x", "&#1;javascript:x", "&amp;#106;avascript:x"),
        *("\\javascript:x", "j\\avascript:x"),
        *("<javascript:x>", "<javascript:x y>", "\x01javascript:x", "\x00javascript:x", "java\x00script:x", "x:y"),
        "blob:x",
        *("javascript://%0aalert(1)", "http&colon;//x:javascript:x", "[javascript:x", "http://[::1", "about:blank"),
    ],
)
@pytest.mark.parametrize(
    "link",
    [
        *("[a]({})", '[a]({} "t")', "[a]( {} )", "[a](\n{})", "[a]: {}\n\n[a]", "[a]:\n{}\n\n[a]", "![a]({})"),
        *("[![a]({})]({})", "[a\\]]: {}\n\n[a\\]]", "]:/[a]({})", "x](/[a]({}))", "<{}>", "- [a]({})"),
        *("|[a]({})|\n|-|\n|x|", "> [a]: {}\n\n[a]"),
    ],
)
def test_links_lead_nowhere_but_to_the_web(link: str, address: str) -> None:
    """Script, data and other schemes are gone from links and reference definitions, however they are spelled."""
    assert_harmless(link.format(address, address))


@pytest.mark.parametrize(
    "address", ["http://x/y?a=1&b=2#c", "https://x", "mailto:a@b", "#part", "/path", "../x:y", "a/b:c", "?q"]
)
@pytest.mark.parametrize("name", RENDERERS)
def test_harmless_links_stay(name: str, address: str) -> None:
    """Links to the web, to mail and within the site are left as they are."""
    assert safe(f"[a]({address})") == f"[a]({address})"
    assert f'href="{address}"'.replace("&", "&amp;") in RENDERERS[name](safe(f"[a]({address})"))


@pytest.mark.parametrize(
    "text",
    [
        "![a](http://x/y.png)",
        '![a](http://x/y.png "t")',
        "![a][r]\n\n[r]: http://x/y.png",
        "![r]\n\n[r]: http://x/y.png",
        "!![a](http://x/y.png)",
        "!!![a](http://x/y.png)",
    ],
)
@pytest.mark.parametrize("name", RENDERERS)
def test_remote_images_are_links(name: str, text: str) -> None:
    """An image, which would tell its server who reads, is a link to it."""
    page = RENDERERS[name](safe(text))
    assert "<img" not in page
    assert 'href="http://x/y.png"' in page


QUOTE = '" autofocus onfocus=alert(1) "'


@pytest.mark.parametrize(
    "text",
    [
        f"[a](http://x/${QUOTE}$)",
        f"[a](http://x/$) {QUOTE} [b](http://y/$)",
        f"[a](http://x '${QUOTE}$')",
        f"[a]: http://x '${QUOTE}$'\n\n[a]",
        f"[a](http://x/$${QUOTE}$$)",
        f"[a](http://x/$\n{QUOTE}$)",
        f"[a](http://x/\\\\({QUOTE}\\\\))",
        f"[a](http://x/\\begin{{a}}{QUOTE}\\end{{a}})",
        f"http://x/${QUOTE}$",
        f"http://x/$ {QUOTE} $",
        f"www.x/${QUOTE}$",
    ],
)
def test_formulas_do_not_break_out_of_links(text: str) -> None:
    """JupyterLab puts formulas back after rendering, quotes and all: none of them may end an attribute."""
    assert_harmless(text)


@pytest.mark.parametrize(
    "text",
    [
        f"costs $5:\n```bash\necho $HOME {TAG}",
        f"$$\n```\n$$\n{TAG}",
        f"$\n```\n$\n{TAG}\n```",
        f"\\begin{{a}}\n```\n\\end{{a}}\n{TAG}",
        f"\\\\[\n~~~\n\\\\]\n{TAG}",
    ],
)
def test_formulas_do_not_swallow_the_beginning_of_code(text: str) -> None:
    """Where what opens a fence could belong to a formula, what follows is not taken for code."""
    assert_harmless(text)


@pytest.mark.parametrize(
    "fence", ["```{}\nx\n```", "~~~ {}\nx\n~~~", "```{}\nx", "- ```{}\n  x\n  ```", "> ~~~{}\n> x", "  ```{}\nx\n```"]
)
@pytest.mark.parametrize(
    "info", [f'">{TAG}', f"x{QUOTE}", 'py" onclick="x', f"${QUOTE}$", '`" onclick="x', '" onclick="x`']
)
def test_the_language_of_code_is_no_place_for_markup(fence: str, info: str) -> None:
    """What stands behind a fence names a language; JupyterLab writes it into an attribute as it is."""
    assert_harmless(fence.format(info))


@pytest.mark.parametrize(
    "text",
    [
        # No fence in a last line without line end below a paragraph.
        *(f"Hi\n~~~{TAG}", f"Hi\n```{TAG}", f"- a\n~~~ {TAG}"),
        # A fence ends also where other marks follow.
        *(f"```\n```~\n{TAG}", f"~~~\n~~~`\n{TAG}", f"```\n```~~~\n{TAG}"),
        # The title of a reference goes on over blank lines.
        *(f'[a]: http://x "t\n```\nt"\n{TAG}', f'[a]: http://x "t\n\n```\nt"\n{TAG}'),
        f'[a]: http://x "t\n\n~~~\n\nt"\n{TAG}',
    ],
)
def test_what_marked_alone_reads_as_prose_holds_no_tag(text: str) -> None:
    """JupyterLab's renderer sees no code in these places, so a tag in them would be one."""
    assert TAG not in safe(text)


@given(
    st.text(alphabet="ab <>&*_|`~#-+.:()[\\$\n\t'éx\u2028", max_size=60).filter(
        lambda text: not re.search("<[A-Za-z/!?]", text)
    )
)
@example('He said: "Why?" [x] and `a["b"]`.')
def test_text_without_risk_is_unchanged(text: str) -> None:
    """What holds no tag, link, image or quote within a formula is not touched."""
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("List<String> and a<b and b>c", "List<String> and a<b and b>c"),
        ("use `<div>` here", "use <div> here"),
        ("``` <b>&amp;</b> ```", "<b>&amp;</b>"),
        ("`Vec<T>` not `Vec<&str>`", "Vec<T> not Vec<&str>"),
        ("| `<a>` | x<y |\n|-|-|\n| `<b>` | z |", "<a>x<y<b>z"),
        ("1 &lt; 2 &amp; <b>", "1 < 2 & <b>"),
        ("$x<y$", "$x< y$"),
    ],
)
def test_what_looks_like_html_is_shown_as_typed(text: str, shown: str) -> None:
    """A reader sees the text that the model wrote, generics, comparisons and tags in code included."""
    page = Page(COMMONMARK(safe(text)))
    assert re.sub(r"\n", "", page.text) == shown


@given(st.text(alphabet="ab<>/&;=*_ \"'#-!.:", min_size=1).filter(lambda text: text.strip() == text))
@example("![a](http://x/y.png)")
@example("[a](javascript:x)")
def test_code_in_a_line_is_shown_as_typed(content: str) -> None:
    """Inline code shows the same characters as before, with every renderer."""
    for name, render in RENDERERS.items():
        assert Page(render(safe(f"x `{content}` y"))).code == [content], name


def test_code_with_backticks_inside_is_shown_as_typed() -> None:
    """A span that is quoted by two backticks, because it holds one, shows what was typed."""
    assert Page(COMMONMARK(safe("`` ` <b> ` ``"))).code == ["` <b> `"]


@pytest.mark.parametrize("mark", ["```", "~~~", "`````"])
@pytest.mark.parametrize("name", RENDERERS)
def test_fenced_code_is_left_as_typed(name: str, mark: str) -> None:
    """In a fence at the margin nothing is changed: tags, images and links are code."""
    code = "<div>&lt;\n![a](javascript:x)\n\n    <b>\n"
    text = f"before <b>\n\n{mark}html\n{code}{mark}\n\nafter <b>\n"
    assert code in Page(RENDERERS[name](safe(text))).text
    assert f"\n{code}{mark}\n" in safe(text)


def test_a_fence_that_is_still_open_is_code() -> None:
    """While the end of a fence has not arrived, what did arrive shows as code."""
    assert Page(COMMONMARK(safe("```\n<div>"))).text.strip() == "<div>"


# --- finished blocks

BLOCK_LINES = [
    *("text", "text *a*", "# h", "- a", "  b", "1. a", "> q", "```", "``` py", "~~~", "|a|b|", "|-|-|", "|c|d|"),
    *("===", "---"),
    *("", "", "", " a", "  - b", "* * *", "```x", "`a`", "a\\", "a  ", "$$", "<b>", "[a](b)"),
]


def sealed(pieces: list[str]) -> list[str]:
    """Cut a growing text as a display does: what is finished is sealed, the rest goes on growing."""
    parts, growing = [], ""
    for piece in pieces:
        growing += piece
        if end := finished(growing):
            parts.append(growing[:end])
            growing = growing[end:]
    return [*parts, growing]


def rendered(text: str) -> list[str]:
    """Return the lines of the rendered text, blank ones left out."""
    return [line for line in COMMONMARK(safe(text)).split("\n") if line]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(BLOCK_LINES), max_size=9), st.integers(1, 9))
@example(["1. a", "text", "", "2. b", ""], 3)
@example(["- a", "text", "", "- b", ""], 100)
def test_sealed_parts_never_change(lines: list[str], size: int) -> None:
    """The parts of a growing text, rendered one by one, look like the whole: nothing to come changes what is sealed."""
    text = "\n".join(lines)
    parts = sealed([text[start : start + size] for start in range(0, len(text), size)])
    assert "".join(parts) == text
    assert [line for part in parts for line in rendered(part)] == rendered(text)


def test_indented_code_goes_on_after_a_blank_line() -> None:
    """Indented code is one block, whatever blank lines are in it."""
    text = "    a\n\n    b\n\nc\n\n"
    assert [line for part in sealed(list(text)) for line in rendered(part)] == rendered(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", 0),
        ("a", 0),
        ("a\n", 0),
        ("a\n\n", 3),
        ("a\n\nb", 3),
        ("a\n\nb\n\n", 6),
        ("```\na\n\nb", 0),
        ("```\na\n```\n", 10),
        ("```\na\n```", 0),
        ("- a\n\n", 0),
        ("- a\n\n- b\n\n", 0),
        ("- a\n\nb\n\n", 8),
        ("> a\n\n", 0),
    ],
)
def test_a_blank_line_ends_a_block_except_in_fences_and_lists(text: str, end: int) -> None:
    """Paragraphs and closed fences are finished at once, lists and quotes when something else has followed."""
    assert finished(text) == end


def test_most_of_a_long_answer_is_sealed() -> None:
    """Of many paragraphs only the last is still open, so that updates stay small."""
    text = "".join(f"Paragraph {number}.\n\n" for number in range(100)) + "The last"
    assert text[finished(text) :] == "The last"


# --- code alone


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nand\n~~~\ny\n~~~\n", "x = 1\n\ny"),
        ("```\nx\n", "x"),
        ("```json\n{}\n```", "{}"),
        ("  x = 1  \n", "x = 1"),
        ("````\n```\n````", "```"),
        ("```\n```", ""),
        ("", ""),
    ],
)
def test_code_is_what_stands_in_fences(text: str, code: str) -> None:
    """The code of an answer is the content of its fences, or all of it where it has none."""
    assert fenced(text) == code
