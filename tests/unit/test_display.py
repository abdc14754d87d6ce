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


def test_a_preview_is_a_plain_dict() -> None:
    """What would be sent can be used as data."""
    assert dict(Preview({"url": "http://x", "json": {"inputs": "Why?"}}))["url"] == "http://x"
