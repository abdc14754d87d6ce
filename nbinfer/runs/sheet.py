"""A contact sheet: many pictures as one, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SIDE, GAP, LINE = 256, 8, 20
"""The longest side of a picture, the space between two, and the height of a label, in pixels."""
WIDEST = 6
"""Pictures in a row where the caller does not say."""
PAPER, INK, MISSING = (255, 255, 255), (60, 60, 60), (235, 235, 235)


def sheet(pictures: Sequence[tuple[str, Any]], *, columns: int | None = None) -> Any:
    """Return pictures, each with its label below it, as one image of Pillow; None leaves a grey place."""
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns or WIDEST, len(pictures))
    made = [_small(picture) for _, picture in pictures]
    width = max((picture.width for picture in made if picture), default=SIDE)
    height = max((picture.height for picture in made if picture), default=SIDE)
    rows = -(-len(pictures) // columns)
    paper = Image.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + LINE + GAP)), PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    for place, ((label, _), picture) in enumerate(zip(pictures, made, strict=True)):
        x, y = GAP + place % columns * (width + GAP), GAP + place // columns * (height + LINE + GAP)
        if picture is None:
            pen.rectangle((x, y, x + width, y + height), fill=MISSING)
        else:
            paper.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        pen.text((x + width // 2, y + height + LINE // 2), label, fill=INK, font=font, anchor="mm")
    return paper


def _small(picture: Any) -> Any:
    """Return a picture that is no larger than its place."""
    if picture is None:
        return None
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    return small
