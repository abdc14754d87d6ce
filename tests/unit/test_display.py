import re

import pytest
from markdown_it import MarkdownIt

from nbinfer.notebook.display import Preview

TAG = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "prompt", ["Why?", TAG, f"```\n{TAG}", f"`````\n{TAG}\n````\n{TAG}", f"~~~~\n{TAG}", f"````\n\n{TAG}"]
)
def test_a_preview_shows_the_prompt_as_typed(prompt: str) -> None:
    """The prompt of a dry run is shown as code that nothing in it can leave, and in plain text as it is."""
    data = Preview({"url": "http://x", "json": {"inputs": prompt}})._repr_mimebundle_()
    page = MarkdownIt("commonmark", {"html": True}).render(data["text/markdown"])
    assert "<img" not in page
    assert data["text/plain"].startswith(f"{prompt}\n\n")


def test_special_tags_of_a_prompt_are_marked_and_counted() -> None:
    """Each tag of a known form, or of the usual look, is in colour and has its number; the rest stays as typed."""
    prompt = f"<s>[INST] 1 < 2 {TAG} [/INST] A </s><s>[INST] <|im_start|>? [/INST]"
    data = Preview({"json": {"inputs": prompt}})._repr_mimebundle_()
    assert "Special tags: <s> 2 · [INST] 2 · [/INST] 2 · </s> 1 · <|im_start|> 1" in data["text/plain"]
    page = data["text/html"]
    found = re.findall(r"<mark [^>]*>(.*?)</mark>", page)
    assert len(found) == 8
    assert {"&lt;s&gt;", "[/INST]", "&lt;|im_start|&gt;"} <= set(found)
    assert "1 &lt; 2 &lt;img src=x onerror=alert(1)&gt;" in page


def test_a_preview_is_a_plain_dict() -> None:
    """What would be sent can be used as data."""
    assert dict(Preview({"url": "http://x", "json": {"inputs": "Why?"}}))["url"] == "http://x"
