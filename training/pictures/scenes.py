"""Scenes that the model of images learns from: what is in them, how they are told, and how they are drawn.

Everything is measured in parts of the picture: (0, 0) is its upper left corner, (1, 1) its lower right one.
"""

# ruff: noqa: E501 - phrases read best unbroken

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from training.words import expand

RGB = tuple[int, int, int]
Point = tuple[float, float]

HELD_OUT = Path(__file__).parent / "heldout.jsonl"
HELD_OUT_SEED = 20261207

TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "fog")
GROUNDS = ("grass", "sand", "snow", "sea", "street")
SIZES = {"small": 0.7, "medium": 1.0, "big": 1.45}

# Width and height of each shape of medium size.
SHAPES: dict[str, Point] = {
    "ball": (0.25, 0.25), "square": (0.23, 0.23), "triangle": (0.28, 0.25), "star": (0.28, 0.27), "heart": (0.27, 0.25),
    "house": (0.28, 0.30), "tree": (0.25, 0.36), "boat": (0.33, 0.29), "lamp": (0.13, 0.44), "figure": (0.16, 0.33),
}  # fmt: skip
# What may be above other things; stars and hearts are mostly in the air even when they are alone.
LIGHT = ("star", "heart", "ball", "square", "triangle")
COLOURS: dict[str, RGB] = {
    "red": (214, 40, 40), "orange": (247, 133, 22), "yellow": (252, 214, 48), "green": (40, 146, 62),
    "blue": (32, 92, 214), "purple": (150, 58, 170), "pink": (247, 140, 188), "brown": (122, 76, 44),
    "white": (250, 250, 247), "black": (26, 26, 30),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Where and when a scene is; only a night is dark and only a street gothic."""

    time: str = "day"
    weather: str = "clear"
    ground: str = "grass"
    dark: bool = False
    gothic: bool = False


@dataclass(frozen=True)
class Thing:
    """A thing that is drawn; x is its middle and y its foot. What has no colour has its own."""

    shape: str
    colour: str
    size: str
    x: float
    y: float


@dataclass(frozen=True)
class Scene:
    """What is drawn; by the relation, the first thing is left of or above the second."""

    setting: Setting
    things: tuple[Thing, ...]
    relation: str = ""


@dataclass(frozen=True, order=True)
class Wanted:
    """What a caption says about one thing or two alike; empty is unsaid, and a count of 0 is several."""

    shape: str
    colour: str = ""
    size: str = ""
    count: int = 1
    side: str = ""


@dataclass(frozen=True)
class Facts:
    """What a caption says; without a relation, the things are sorted, so that the same is equal."""

    time: str = ""
    weather: str = ""
    ground: str = ""
    dark: bool = False
    gothic: bool = False
    things: tuple[Wanted, ...] = ()
    relation: str = ""


@dataclass(frozen=True)
class Said:
    """A caption and what it says."""

    text: str
    facts: Facts


SETTINGS = tuple(
    Setting(time, weather, ground, dark, gothic)
    for time in TIMES
    for weather in WEATHERS
    for ground in GROUNDS
    for dark in ((False, True) if time == "night" else (False,))
    for gothic in ((False, True) if ground == "street" else (False,))
)

# ---------------------------------------------------------------- colours in a light

Stops = tuple[tuple[float, RGB], ...]

# Colours of the sky from its top to the horizon.
SKIES: dict[str, Stops] = {
    "day": ((0.0, (96, 174, 236)), (1.0, (184, 224, 245))),
    "sunset": ((0.0, (104, 108, 178)), (0.55, (226, 152, 156)), (1.0, (255, 212, 142))),
    "night": ((0.0, (18, 24, 64)), (1.0, (64, 78, 136))),
}
# Colours of the ground from the horizon to the lower edge.
FLOORS: dict[str, dict[str, tuple[RGB, RGB]]] = {
    "grass": {
        "day": ((182, 218, 124), (128, 188, 84)),
        "sunset": ((190, 178, 104), (130, 140, 70)),
        "night": ((64, 104, 98), (38, 78, 70)),
    },
    "sand": {
        "day": ((240, 216, 164), (226, 190, 128)),
        "sunset": ((244, 198, 152), (206, 150, 112)),
        "night": ((132, 120, 112), (104, 92, 84)),
    },
    "snow": {
        "day": ((246, 250, 254), (222, 233, 246)),
        "sunset": ((250, 226, 222), (212, 194, 218)),
        "night": ((156, 172, 212), (120, 140, 188)),
    },
    "sea": {
        "day": ((112, 194, 206), (62, 152, 180)),
        "sunset": ((240, 180, 152), (106, 98, 150)),
        "night": ((58, 86, 136), (26, 52, 98)),
    },
    "street": {
        "day": ((180, 182, 190), (142, 144, 154)),
        "sunset": ((184, 152, 152), (128, 110, 124)),
        "night": ((94, 98, 124), (66, 70, 96)),
    },
}
WALLS: dict[str, RGB] = {"day": (112, 120, 146), "sunset": (102, 80, 110), "night": (36, 40, 76)}
MISTS: dict[str, RGB] = {"day": (214, 220, 224), "sunset": (238, 210, 190), "night": (124, 132, 156)}
# How much of each of red, green and blue the light of a time leaves to things.
TINTS = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.94, 0.9), "night": (0.76, 0.8, 0.92)}
DIMMED_THINGS, DIMMED_PLACES = 0.85, 0.74
DETAILS: dict[str, RGB] = {
    "trunk": (104, 72, 48), "cream": (252, 246, 226), "shaded cream": (228, 218, 196), "door": (92, 60, 44),
    "pane": (206, 230, 242), "iron": (26, 28, 36), "cloak": (18, 18, 24),
}  # fmt: skip
GLOW: RGB = (255, 220, 104)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Return a colour between two, with this share of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _times(colour: RGB, factors: Sequence[float]) -> RGB:
    red, green, blue = (round(part * factor) for part, factor in zip(colour, factors, strict=True))
    return red, green, blue


def _place(colour: RGB, setting: Setting) -> RGB:
    """Return the colour of a part of the background; only dark nights change it."""
    return _times(colour, (DIMMED_PLACES,) * 3) if setting.dark else colour


def mist(setting: Setting) -> RGB:
    """Return the colour of the fog."""
    return _place(MISTS[setting.time], setting)


def lit(colour: RGB, setting: Setting, distance: float = 0.5) -> RGB:
    """Return how a thing of a colour looks in a setting; `distance` is 0 in front and 1 far away."""
    seen = _times(colour, [tint * (DIMMED_THINGS if setting.dark else 1) for tint in TINTS[setting.time]])
    return mix(seen, mist(setting), 0.16 + 0.18 * distance) if setting.weather == "fog" else seen


# ---------------------------------------------------------------- drawing

_SHARPER = 3  # Pictures are drawn this much larger and then made smaller, which smooths all edges.


@dataclass(frozen=True)
class _Pen:
    """Draws in a box of the picture: (0, 0) is the upper left corner of the box, (1, 1) its lower right one."""

    draw: ImageDraw.ImageDraw
    tones: dict[str, RGB]
    left: float
    top: float
    width: float
    height: float

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(self.left + x * self.width, self.top + y * self.height) for x, y in points]

    def polygon(self, tone: str, *points: Point) -> None:
        self.draw.polygon(self._at(points), self.tones[tone])

    def oval(self, tone: str, *corners: Point) -> None:
        self.draw.ellipse(self._at(corners), self.tones[tone])

    def block(self, tone: str, *corners: Point) -> None:
        self.draw.rectangle(self._at(corners), self.tones[tone])

    def line(self, tone: str, width: float, *points: Point) -> None:
        self.draw.line(self._at(points), self.tones[tone], max(1, round(width * self.width)), "curve")


def _ball(pen: _Pen, _: Random) -> None:
    pen.oval("shade", (0, 0), (1, 1))
    pen.oval("base", (0.02, 0.02), (0.9, 0.9))
    pen.oval("shine", (0.22, 0.16), (0.42, 0.34))


def _square(pen: _Pen, _: Random) -> None:
    pen.block("base", (0, 0), (1, 1))
    pen.polygon("shade", (1, 0), (1, 1), (0, 1), (0.08, 0.92), (0.92, 0.92), (0.92, 0.08))
    pen.polygon("shine", (0, 0), (1, 0), (0.93, 0.07), (0.07, 0.07), (0.07, 0.93), (0, 1))


def _triangle(pen: _Pen, rng: Random) -> None:
    top = rng.uniform(0.47, 0.53)
    pen.polygon("base", (top, 0), (1, 1), (0, 1))
    pen.polygon("shade", (top, 0), (1, 1), (rng.uniform(0.66, 0.74), 1))


def _star(pen: _Pen, rng: Random) -> None:
    turn = rng.uniform(-0.12, 0.12)
    tips = [
        (0.5 + radius * math.sin(turn + step * math.pi / 5), 0.53 - radius * math.cos(turn + step * math.pi / 5))
        for step, radius in enumerate((0.52, 0.23) * 5)
    ]
    pen.polygon("base", *tips)
    for step in range(0, 10, 2):
        pen.polygon("shade", (0.5, 0.53), tips[step], tips[step + 1])


_HEART = [
    (0.5 + math.sin(a) ** 3 / 2, 0.44 - (13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 30)
    for a in (step * math.pi / 18 for step in range(36))
]  # fmt: skip


def _heart(pen: _Pen, _: Random) -> None:
    pen.polygon("shade", *_HEART)
    pen.polygon("base", *[(0.03 + 0.92 * x, 0.01 + 0.92 * y) for x, y in _HEART])
    pen.oval("shine", (0.17, 0.16), (0.33, 0.32))


def _house(pen: _Pen, rng: Random) -> None:
    if rng.random() < 0.6:
        side = rng.choice([0.2, 0.68])
        pen.block("shade", (side, 0.04), (side + 0.12, 0.3))
    pen.block("base", (0.09, 0.38), (0.91, 1))
    pen.polygon("shade", (0.5, 0), (1, 0.42), (0, 0.42))
    pen.line("shine", 0.03, (0, 0.42), (0.5, 0.01), (1, 0.42))
    door = rng.choice([0.2, 0.42, 0.64])
    pen.block("door", (door, 0.64), (door + 0.17, 1))
    for window in (0.17, 0.42, 0.67):
        if abs(window - door) > 0.2:
            pen.block("window", (window, 0.54), (window + 0.16, 0.7))
    if rng.random() < 0.5:
        pen.oval("window", (0.44, 0.2), (0.56, 0.31))


def _tree(pen: _Pen, rng: Random) -> None:
    pen.polygon("trunk", (0.43, 0.5), (0.57, 0.5), (0.62, 1), (0.38, 1))
    if rng.random() < 0.3:
        for top, bottom, half in ((0.36, 0.76, 0.5), (0.18, 0.54, 0.41), (0, 0.33, 0.3)):
            pen.polygon("base", (0.5, top), (0.5 + half, bottom), (0.5 - half, bottom))
            pen.polygon("shade", (0.5, top), (0.5 + half, bottom), (0.62, bottom))
        return
    wobble = [rng.uniform(-0.025, 0.025) for _ in range(5)]
    crown = ((0.27, 0.46, 0.27), (0.73, 0.45, 0.27), (0.32, 0.26, 0.26), (0.68, 0.25, 0.26), (0.5, 0.2, 0.28))
    for tone, shift, part in (("shade", 0.02, 1.0), ("base", -0.015, 0.93)):
        for (x, y, radius), off in zip(crown, wobble, strict=True):
            wide, high = radius * part, radius * part * 0.72
            pen.oval(tone, (x + off - wide, y + off + shift - high), (x + off + wide, y + off + shift + high))
    pen.oval("shine", (0.24, 0.14), (0.46, 0.26))


def _boat(pen: _Pen, rng: Random) -> None:
    pen.block("trunk", (0.47, 0.02), (0.5, 0.7))
    far = rng.uniform(0.84, 0.92)
    pen.polygon("cream", (0.51, 0.04), (far, 0.62), (0.51, 0.62))
    pen.polygon("shaded cream", (0.46, 0.14), (1.02 - far, 0.62), (0.46, 0.62))
    pen.polygon("base", (0, 0.64), (1, 0.64), (0.84, 1), (0.16, 1))
    pen.polygon("shade", (0.07, 0.82), (0.93, 0.82), (0.84, 1), (0.16, 1))


def _lamp(pen: _Pen, _: Random) -> None:
    pen.polygon("iron", (0.4, 0.24), (0.6, 0.24), (0.6, 0.94), (0.78, 1), (0.22, 1), (0.4, 0.94))
    pen.block("iron", (0.2, 0.24), (0.8, 0.275))
    pen.polygon("iron", (0.5, 0), (0.96, 0.075), (0.04, 0.075))
    pen.polygon("glow", (0.1, 0.07), (0.9, 0.07), (0.74, 0.245), (0.26, 0.245))


_CLOAK = (
    (0.36, 0.17), (0.64, 0.17), (0.84, 0.27), (0.92, 0.55), (1, 0.95), (0.8, 1), (0.5, 0.97), (0.2, 1), (0, 0.95),
    (0.08, 0.55), (0.16, 0.27),
)  # fmt: skip
_HOOD = (
    (0.5, 0), (0.66, 0.05), (0.76, 0.15), (0.72, 0.23), (0.5, 0.27), (0.28, 0.23), (0.24, 0.15), (0.34, 0.05),
)  # fmt: skip


def _figure(pen: _Pen, _: Random) -> None:
    pen.polygon("base", *_CLOAK)
    pen.polygon("shade", (0.64, 0.17), (0.84, 0.27), (0.92, 0.55), (1, 0.95), (0.8, 1), (0.76, 0.5))
    pen.line("shade", 0.05, (0.42, 0.34), (0.36, 0.6), (0.33, 0.97))
    pen.line("shade", 0.05, (0.56, 0.34), (0.58, 0.6), (0.56, 0.96))
    pen.polygon("base", *_HOOD)
    pen.polygon("shade", (0.5, 0), (0.66, 0.05), (0.76, 0.15), (0.72, 0.23), (0.58, 0.26), (0.64, 0.14))


_PAINTERS: dict[str, Callable[[_Pen, Random], None]] = {
    "ball": _ball, "square": _square, "triangle": _triangle, "star": _star, "heart": _heart, "house": _house,
    "tree": _tree, "boat": _boat, "lamp": _lamp, "figure": _figure,
}  # fmt: skip


def tones(thing: Thing, setting: Setting, distance: float) -> dict[str, RGB]:
    """Return the colours that a thing is painted with."""
    base = COLOURS[thing.colour] if thing.colour else DETAILS["cloak"]
    # What is black cannot have a darker side.
    shade = mix(base, (0, 0, 0), 0.15) if sum(base) > 150 else mix(base, (150, 150, 170), 0.14)
    named = {**DETAILS, "base": base, "shade": shade, "shine": mix(base, (255, 255, 255), 0.2)}
    seen = {name: lit(colour, setting, distance) for name, colour in named.items()}
    fog = 0.15 if setting.weather == "fog" else 0.0
    seen["glow"] = mix(GLOW, mist(setting), fog)
    seen["window"] = seen["glow"] if setting.time == "night" else seen["pane"]
    return seen


@cache
def _faded(strength: float) -> Image.Image:
    """Return a mask that fades from its middle to its edge."""
    across = np.linspace(-1, 1, 64)
    far = np.sqrt(across[:, None] ** 2 + across[None, :] ** 2)
    return Image.fromarray((255 * strength * np.clip(1 - far, 0, 1) ** 1.5).astype(np.uint8))


@dataclass
class _Canvas:
    """A picture in the making, its horizon, and where on it a street would end."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    setting: Setting
    rng: Random
    horizon: float
    end: float
    scale: int

    def colour(self, colour: RGB) -> RGB:
        return _place(colour, self.setting)

    def polygon(self, points: Sequence[Point], colour: RGB, at: Point = (0, 0), size: float = 1.0) -> None:
        """Draw points that are measured in `size` from the place `at`."""
        scale = self.scale
        self.draw.polygon([((at[0] + x * size) * scale, (at[1] + y * size) * scale) for x, y in points], colour)

    def oval(self, middle: Point, wide: float, high: float, colour: RGB) -> None:
        (x, y), scale = middle, self.scale
        self.draw.ellipse([(x - wide) * scale, (y - high) * scale, (x + wide) * scale, (y + high) * scale], colour)

    def soft_oval(self, middle: Point, wide: float, high: float, colour: RGB, strength: float) -> None:
        """Lay a colour over the picture that fades from the middle outward."""
        size = (max(2, round(2 * wide * self.scale)), max(2, round(2 * high * self.scale)))
        mask = _faded(strength).resize(size, Image.Resampling.BILINEAR)
        corner = (round((middle[0] - wide) * self.scale), round((middle[1] - high) * self.scale))
        self.image.paste(colour, (*corner, corner[0] + size[0], corner[1] + size[1]), mask)


def _bands(stops: Stops, height: int) -> np.ndarray:
    """Return a column of colours that go from one stop to the next."""
    at = np.linspace(0, 1, height)
    places = [place for place, _ in stops]
    parts = [np.interp(at, places, [colour[part] for _, colour in stops]) for part in range(3)]
    return np.stack(parts, axis=1)


def _floor(setting: Setting) -> Stops:
    far, near = FLOORS[setting.ground][setting.time]
    return ((0.0, _place(far, setting)), (1.0, _place(near, setting)))


def _backdrop(setting: Setting, rng: Random, scale: int) -> _Canvas:
    horizon = rng.uniform(0.61, 0.68)
    edge = round(horizon * scale)
    sky = _bands(tuple((at, _place(colour, setting)) for at, colour in SKIES[setting.time]), edge)
    column = np.concatenate([sky, _bands(_floor(setting), scale - edge)]) * rng.uniform(0.97, 1.02)
    image = Image.fromarray(np.clip(column, 0, 255).astype(np.uint8)[:, None]).resize((scale, scale))
    return _Canvas(image, ImageDraw.Draw(image), setting, rng, horizon, rng.uniform(0.46, 0.54), scale)


def _clouds(canvas: _Canvas) -> None:
    rng = canvas.rng
    for _ in range(rng.randint(1, 3)):
        x, y, wide = rng.uniform(0.05, 0.95), rng.uniform(0.07, 0.38), rng.uniform(0.06, 0.11)
        colour = mix(mix(*[stop for _, stop in SKIES["day"]], y / canvas.horizon), (255, 255, 255), 0.4)
        for shift, part in ((-0.9, 0.55), (0, 1.0), (0.9, 0.6)):
            canvas.oval(
                (x + shift * wide, y - part * wide * 0.18), wide * (0.5 + part * 0.35), wide * part * 0.5, colour
            )


def _sun(canvas: _Canvas) -> None:
    x = canvas.rng.uniform(0.2, 0.8)
    canvas.soft_oval((x, canvas.horizon), 0.5, 0.3, (255, 232, 176), 0.7)
    canvas.oval((x, canvas.horizon), 0.075, 0.075, (255, 238, 190))


def _stars(canvas: _Canvas) -> None:
    rng = canvas.rng
    top = canvas.colour(SKIES["night"][0][1])
    for _ in range(0 if canvas.setting.weather == "fog" else rng.randint(14, 26)):
        size = rng.uniform(0.003, 0.006)
        canvas.oval((rng.random(), rng.uniform(0, 0.5)), size, size, mix(top, (255, 250, 220), rng.uniform(0.4, 0.9)))
    if rng.random() < 0.75:
        x, y, size = rng.choice([rng.uniform(0.08, 0.24), rng.uniform(0.76, 0.92)]), rng.uniform(0.09, 0.17), 0.052
        canvas.soft_oval((x, y), 0.16, 0.16, (196, 204, 220), 0.35)
        behind = canvas.image.getpixel((x * canvas.scale + size * 0.9 * canvas.scale, (y - size) * canvas.scale))
        canvas.oval((x, y), size, size, canvas.colour((250, 240, 200)))
        canvas.oval((x + size * 0.55, y - size * 0.15), size * 0.85, size * 0.85, behind)


def _hills(canvas: _Canvas) -> None:
    """Draw two rows of hills, dunes or snowdrifts; the farther they are, the more they are like the sky."""
    rng, setting = canvas.rng, canvas.setting
    far = canvas.colour(FLOORS[setting.ground][setting.time][0])
    sky = canvas.colour(SKIES[setting.time][-1][1])
    for share, height in ((0.5, rng.uniform(0.06, 0.1)), (0.22, rng.uniform(0.025, 0.05))):
        start, speed = rng.uniform(0, 6), rng.uniform(4, 8)
        ridge = [
            (step / 24, canvas.horizon - height * (0.6 + 0.4 * math.sin(start + speed * step / 24)))
            for step in range(25)
        ]
        canvas.polygon([(0, canvas.horizon + 0.01), *ridge, (1, canvas.horizon + 0.01)], mix(far, sky, share))


_TUFT = ((-1, 0), (-0.7, -1.5), (-0.1, -0.5), (0.1, -1.8), (0.6, -0.4), (1, -1.2), (1, 0))


def _specks(canvas: _Canvas) -> None:
    """Draw tufts of grass, ripples of sand, marks in the snow or waves."""
    rng, setting = canvas.rng, canvas.setting
    far, near = (canvas.colour(colour) for colour in FLOORS[setting.ground][setting.time])
    tones = mix(far, (255, 255, 255), 0.2), mix(near, (0, 0, 0), 0.1)
    for _ in range(rng.randint(10, 18)):
        x, y = rng.random(), rng.uniform(canvas.horizon + 0.03, 0.99)
        nearness = (y - canvas.horizon) * 3
        if setting.ground == "grass":
            canvas.polygon(_TUFT, rng.choice(tones), (x, y), 0.008 + 0.012 * nearness)
        else:
            wide = rng.uniform(0.03, 0.07) * (0.6 + nearness)
            canvas.oval((x, y), wide, 0.003 + 0.003 * nearness, rng.choice(tones))


# The church at the end of a gothic street: its tower and its nave, from where the street ends.
_CHURCH = (
    ((-0.035, 0.02), (-0.035, -0.19), (0, -0.35), (0.035, -0.19), (0.035, 0.02)),
    ((-0.09, 0.02), (-0.09, -0.1), (0, -0.17), (0.09, -0.1), (0.09, 0.02)),
)
_WINDOW = ((-1, 1.6), (-1, -0.9), (1, -0.9), (1, 1.6))
_POINTED_WINDOW = ((-1, 1.6), (-1, -0.9), (0, -2.4), (1, -0.9), (1, 1.6))
# How far from the edge of the picture each building beside a street starts and ends, and how high it is.
_ROW = ((0.0, 0.13, 0.42), (0.13, 0.25, 0.3), (0.25, 0.36, 0.2))


def _building(canvas: _Canvas, outer: float, inner: float, height: float, tone: RGB) -> None:
    """Draw one building as a dark shape with some windows; a gothic one has a pointed roof and a spire."""
    rng, gothic = canvas.rng, canvas.setting.gothic
    panes = canvas.colour(GLOW) if canvas.setting.time == "night" else mix(tone, (255, 255, 255), 0.3)
    base = canvas.horizon + 0.015
    roof = base - height
    canvas.polygon([(outer, base), (outer, roof), (inner, roof), (inner, base)], tone)
    if gothic:
        middle, spire = (outer + inner) / 2, inner - math.copysign(0.035, inner - outer)
        canvas.polygon([(outer, roof), (middle, roof - rng.uniform(0.1, 0.15)), (inner, roof)], tone)
        canvas.polygon([(spire, roof), ((spire + inner) / 2, roof - 0.1 - height * 0.17), (inner, roof)], tone)
    for floor in range(round(height / 0.13)):
        for share in (0.3, 0.68):
            if rng.random() < 0.55:
                at = outer + (inner - outer) * share, roof + 0.06 + 0.085 * floor
                canvas.polygon(_POINTED_WINDOW if gothic else _WINDOW, mix(tone, panes, 0.8), at, 0.011)


def _buildings(canvas: _Canvas) -> None:
    """Draw the buildings on both sides of a street and, if it is gothic, the church at its end."""
    setting = canvas.setting
    walls, sky = canvas.colour(WALLS[setting.time]), canvas.colour(SKIES[setting.time][-1][1])
    for part in _CHURCH if setting.gothic else ():
        canvas.polygon(part, mix(walls, sky, 0.5), (canvas.end, canvas.horizon))
    for side in (-1, 1):
        for row, (start, end, height) in enumerate(_ROW):
            outer = 0.5 + side * (0.5 - start)
            inner = 0.5 + side * (0.5 - end) + 0.3 * (canvas.end - 0.5)
            _building(canvas, outer, inner, height * canvas.rng.uniform(0.85, 1.1), mix(walls, sky, 0.12 * row))


def _fog(canvas: _Canvas, strength: float) -> None:
    """Lay fog over all that is far away, thickest at the horizon."""
    scale, rng = canvas.scale, canvas.rng
    stops = ((0, 0.45), (canvas.horizon - 0.05, 0.78), (canvas.horizon + 0.02, 0.72), (0.85, 0.32), (1, 0.18))
    column = 255 * strength * np.interp(np.linspace(0, 1, scale), *zip(*stops, strict=True))
    mask = Image.fromarray(column.astype(np.uint8)[:, None]).resize((scale, scale))
    canvas.image.paste(mist(canvas.setting), (0, 0), mask)
    for _ in range(3):
        at = (rng.uniform(0, 1), canvas.horizon + rng.uniform(-0.12, 0.1))
        canvas.soft_oval(at, rng.uniform(0.4, 0.7), rng.uniform(0.05, 0.09), mist(canvas.setting), 0.5 * strength)


def _along_road(canvas: _Canvas) -> None:
    """Draw what is above the ground of a street."""
    setting, end = canvas.setting, (canvas.end, canvas.horizon)
    haze = canvas.colour((112, 124, 176))
    # At night there is moonlit haze behind the houses and at the end of the street: what is dark stands out before it.
    if setting.time == "night":
        canvas.soft_oval(end, 1.0, 0.7, haze, 0.8)
    if setting.weather == "fog":
        _fog(canvas, 1.0)
    _buildings(canvas)
    if setting.time == "night":
        canvas.soft_oval(end, 0.32, 0.3, haze, 0.7)


def _road(canvas: _Canvas) -> None:
    """Draw pavements on both sides of a road, and its middle line."""
    far, near = (canvas.colour(colour) for colour in FLOORS["street"][canvas.setting.time])
    pavement, line = mix(near, mix(far, (255, 255, 255), 0.12), 0.5), mix(near, (255, 255, 255), 0.35)
    horizon = canvas.horizon
    for side in (-1, 1):
        edge = 0.5 + side * 0.5
        canvas.polygon(
            [(edge, horizon), (canvas.end + side * 0.05, horizon), (edge + side * 0.02, 1), (edge, 1)], pavement
        )
    for step in range(5):
        ends = []
        for part in (step + 0.25, step + 0.7):
            down = (part / 5) ** 1.6
            middle, half = canvas.end + (0.5 - canvas.end) * down, 0.004 + 0.03 * (1 - horizon) * down
            ends.append(
                [(middle - half, horizon + (1 - horizon) * down), (middle + half, horizon + (1 - horizon) * down)]
            )
        canvas.polygon([*ends[0], *reversed(ends[1])], line)


def _background(setting: Setting, rng: Random, scale: int) -> _Canvas:
    canvas = _backdrop(setting, rng, scale)
    edge = round(canvas.horizon * scale)
    ground = canvas.image.crop((0, edge, scale, scale))
    {"day": _clouds, "sunset": _sun, "night": _stars}[setting.time](canvas)
    if setting.ground == "street":
        _along_road(canvas)
    # Nothing of all this lies on the ground.
    canvas.image.paste(ground, (0, edge))
    if setting.ground == "street":
        _road(canvas)
    else:
        if setting.ground != "sea":
            _hills(canvas)
        _specks(canvas)
    if setting.weather == "fog":
        _fog(canvas, 0.6 if setting.ground == "street" else 1.0)
    return canvas


def box(thing: Thing) -> tuple[float, float, float, float]:
    """Return where a thing is: left, top, width and height."""
    wide, high = (side * SIZES[thing.size] for side in SHAPES[thing.shape])
    return thing.x - wide / 2, thing.y - high, wide, high


_AFLOAT = 0.7  # The foot of what stands is below this, that of what is in the air above.


def island(setting: Setting) -> tuple[RGB, RGB]:
    """Return the colours of the sand of an island, dry and wet."""
    sand = lit(FLOORS["sand"]["day"][1], setting)
    return sand, mix(sand, _floor(setting)[1][1], 0.3)


def _under(canvas: _Canvas, thing: Thing, paints: dict[str, RGB]) -> None:
    """Draw what is below a thing: its shadow, an island in the sea, or the light of a lamp."""
    setting = canvas.setting
    _, _, wide, _ = box(thing)
    ground = _floor(setting)[1][1]
    dark = mix(ground, (0, 0, 0), 0.5)
    if setting.weather == "fog":
        dark = mix(dark, mist(setting), 0.35)
    if thing.shape == "lamp" and setting.time == "night":
        canvas.soft_oval((thing.x, thing.y), 0.2, 0.06, paints["glow"], 0.35)
    if setting.ground != "sea":
        canvas.soft_oval((thing.x + 0.02, thing.y), wide * 0.68, 0.022 + wide * 0.06, dark, 0.75)
    elif thing.shape in ("house", "tree", "lamp", "figure"):
        sand, wet = island(setting)
        canvas.oval((thing.x, thing.y + 0.012), wide * 0.5 + 0.09, 0.042, wet)
        canvas.oval((thing.x, thing.y + 0.004), wide * 0.5 + 0.08, 0.036, sand)


def _waves(canvas: _Canvas, thing: Thing) -> None:
    """Let the water cover the foot of what swims."""
    _, _, wide, _ = box(thing)
    stops = _floor(canvas.setting)
    share = (thing.y - canvas.horizon) / (1 - canvas.horizon)
    water = mix(stops[0][1], stops[1][1], share)
    if canvas.setting.weather == "fog":
        water = mix(water, mist(canvas.setting), 0.55)
    for shift in (-0.3, 0.3):
        canvas.oval((thing.x + shift * wide, thing.y + 0.008), wide * 0.42, 0.02, water)
    canvas.oval((thing.x, thing.y - 0.004), wide * 0.5, 0.004, mix(water, (255, 255, 255), 0.35))


def _draw_thing(canvas: _Canvas, thing: Thing) -> None:
    setting, rng = canvas.setting, canvas.rng
    left, top, wide, high = box(thing)
    standing = thing.y > _AFLOAT
    distance = min(1, max(0, (0.92 - thing.y) / 0.25))
    paints = tones(thing, setting, distance)
    if standing:
        _under(canvas, thing, paints)
    if thing.shape == "lamp" and (setting.time == "night" or setting.weather == "fog"):
        canvas.soft_oval((thing.x, top + high * 0.15), high * 0.36, high * 0.36, paints["glow"], 0.6)
    part, scale = rng.uniform(0.96, 1.02), canvas.scale
    wide, left = wide * part, left + wide * (1 - part) / 2
    high, top = high * part, top + high * (1 - part)
    pen = _Pen(canvas.draw, paints, left * scale, top * scale, wide * scale, high * scale)
    _PAINTERS[thing.shape](pen, rng)
    if standing and setting.ground == "sea" and thing.shape in (*LIGHT, "boat"):
        _waves(canvas, thing)


def draw(scene: Scene, rng: Random, size: int = 128) -> Image.Image:
    """Draw a scene; how exactly, the random numbers decide."""
    canvas = _background(scene.setting, rng, size * _SHARPER)
    for thing in sorted(scene.things, key=lambda thing: thing.y):
        _draw_thing(canvas, thing)
    return canvas.image.reduce(_SHARPER)


# ---------------------------------------------------------------- what is in a scene

# Colours that cannot be seen well at a time, in a weather or on a ground; trees may be green anywhere.
CLASHES: dict[str, tuple[str, ...]] = {
    "grass": ("green",), "snow": ("white",), "fog": ("white",), "sunset": ("pink",), "night": ("black", "brown"),
}  # fmt: skip

Group = tuple[str, str, str, int]  # A shape, its colour and size, and how many there are.

_TRIES = 60


def _hidden(colour: str, setting: Setting) -> bool:
    """Say whether a colour would be hard to see."""
    return any(colour in CLASHES.get(word, ()) for word in (setting.time, setting.weather, setting.ground))


def _setting(rng: Random, ground: str = "") -> Setting:
    time = rng.choices(TIMES, (50, 20, 30))[0]
    return Setting(
        time,
        rng.choices(WEATHERS, (80, 20))[0],
        ground or rng.choices(GROUNDS, (30, 21, 21, 20, 8))[0],
        dark=time == "night" and rng.random() < 0.3,
    )


def _size(rng: Random) -> str:
    return rng.choices(list(SIZES), (22, 53, 25))[0]


def _group(setting: Setting, rng: Random, shapes: Sequence[str] = tuple(SHAPES), count: int = 1) -> Group:
    shape = rng.choice(shapes)
    if shape == "lamp" or (shape == "figure" and rng.random() < 0.5):
        return shape, "", _size(rng), count
    if shape == "tree" and rng.random() < 0.4:
        return shape, "green", _size(rng), count
    return shape, rng.choice([name for name in COLOURS if not _hidden(name, setting)]), _size(rng), count


def _differ(first: Group, second: Group) -> bool:
    """Say whether two groups can be told apart, and if they are of one shape, by their colours."""
    return first[0] != second[0] or ("" not in (first[1], second[1]) and first[1] != second[1])


def _foot(shape: str, rng: Random) -> float:
    """Return how low the foot of a thing is; stars and hearts are mostly in the air."""
    if shape in ("star", "heart") and rng.random() < 0.9:
        return rng.uniform(0.4, 0.62)
    return rng.uniform(0.77, 0.92)


def _apart(things: Sequence[Thing]) -> bool:
    """Say whether all things are in the picture and none touches another."""
    boxes = [box(thing) for thing in things]
    if any(x < 0.02 or y < 0.03 or x + wide > 0.98 for x, y, wide, _ in boxes):
        return False
    return all(
        a[0] + a[2] + 0.05 < b[0] or b[0] + b[2] + 0.05 < a[0] or a[1] + a[3] + 0.04 < b[1] or b[1] + b[3] + 0.04 < a[1]
        for number, a in enumerate(boxes)
        for b in boxes[:number]
    )


def _anywhere(groups: Sequence[Group], rng: Random) -> tuple[Thing, ...]:
    things = []
    for shape, colour, size, count in groups:
        foot = _foot(shape, rng)
        for _ in range(count):
            level = min(0.92, foot + rng.uniform(-0.02, 0.02)) if foot > _AFLOAT else foot + rng.uniform(-0.05, 0.05)
            things.append(Thing(shape, colour, size, rng.uniform(0.12, 0.88), level))
    return tuple(things)


def _beside(groups: Sequence[Group], rng: Random) -> tuple[Thing, ...]:
    first, second = _anywhere(groups, rng)
    return replace(first, x=rng.uniform(0.16, 0.42)), replace(second, x=rng.uniform(0.58, 0.84))


def _over(groups: Sequence[Group], rng: Random) -> tuple[Thing, ...]:
    first, second = _anywhere(groups, rng)
    second = replace(second, x=rng.uniform(0.26, 0.74), y=rng.uniform(0.8, 0.93))
    top = box(second)[1]
    return replace(first, x=second.x + rng.uniform(-0.06, 0.06), y=top - rng.uniform(0.05, 0.12)), second


def _at_side(groups: Sequence[Group], rng: Random) -> tuple[Thing, ...]:
    (thing,) = _anywhere(groups, rng)
    return (replace(thing, x=rng.choice([rng.uniform(0.16, 0.32), rng.uniform(0.46, 0.54), rng.uniform(0.68, 0.84)])),)


def _along_street(groups: Sequence[Group], rng: Random) -> tuple[Thing, ...]:
    """Put two lamps at both sides of the street and all else between them."""
    things = list(_anywhere(groups, rng))
    lamps = [number for number, thing in enumerate(things) if thing.shape == "lamp"]
    if len(lamps) == 2:
        level, x = rng.uniform(0.78, 0.9), rng.uniform(0.12, 0.24)
        for number, at in zip(lamps, (x, 1 - x + rng.uniform(-0.04, 0.04)), strict=True):
            things[number] = replace(things[number], x=at, y=level)
    return tuple(things)


Placing = Callable[[Sequence[Group], Random], tuple[Thing, ...]]


def _place_groups(
    setting: Setting, groups: Sequence[Group], placing: Placing, rng: Random, relation: str = ""
) -> Scene | None:
    """Return a scene with these things, or None where they find no room."""
    for _ in range(_TRIES):
        things = placing(groups, rng)
        if _apart(things):
            return Scene(setting, things, relation)
    return None


def _one(rng: Random) -> Scene | None:
    setting = _setting(rng)
    return _place_groups(setting, [_group(setting, rng)], _at_side, rng)


def _two_alike(rng: Random) -> Scene | None:
    setting = _setting(rng)
    return _place_groups(setting, [_group(setting, rng, count=2)], _anywhere, rng)


def _and(rng: Random) -> Scene | None:
    setting = _setting(rng)
    counts = rng.choice([(1, 1), (1, 1), (1, 2), (2, 1)])
    groups = [_group(setting, rng, count=count) for count in counts]
    return _place_groups(setting, groups, _anywhere, rng) if _differ(*groups) else None


def _side_by_side(rng: Random) -> Scene | None:
    setting = _setting(rng)
    groups = [_group(setting, rng), _group(setting, rng)]
    return _place_groups(setting, groups, _beside, rng, "left") if _differ(*groups) else None


def _one_over_another(rng: Random) -> Scene | None:
    setting = _setting(rng)
    groups = [_group(setting, rng, LIGHT), _group(setting, rng)]
    return _place_groups(setting, groups, _over, rng, "above") if _differ(*groups) else None


def _street_scene(rng: Random) -> Scene | None:
    setting = replace(_setting(rng, "street"), gothic=rng.random() < 0.5)
    lamps: Group = ("lamp", "", rng.choice(["medium", "medium", "big"]), rng.choice([1, 2, 2]))
    figure = _group(setting, rng, ("figure",))
    groups = rng.choice([[lamps], [figure], [lamps, figure], [lamps, figure], [lamps, _group(setting, rng)]])
    if len(groups) == 2 and not _differ(*groups):
        return None
    return _place_groups(setting, groups, _along_street, rng)


_KINDS: dict[Callable[[Random], Scene | None], float] = {
    _street_scene: 13, _side_by_side: 32, _one_over_another: 18, _one: 17, _two_alike: 11, _and: 9,
}  # fmt: skip


def sample(rng: Random) -> Scene:
    """Return a scene by chance: half of them with a relation, an eighth of them streets."""
    while True:
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        for _ in range(_TRIES):
            if scene := kind(rng):
                return scene


# ---------------------------------------------------------------- how a scene is told

# One and several of each shape, the usual words first.
NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "ball": (("ball", "balls"), ("circle", "circles"), ("sphere", "spheres")),
    "square": (("square", "squares"), ("box", "boxes"), ("cube", "cubes")),
    "triangle": (("triangle", "triangles"), ("pyramid", "pyramids")),
    "star": (("star", "stars"),),
    "heart": (("heart", "hearts"),),
    "house": (("house", "houses"), ("cottage", "cottages"), ("hut", "huts")),
    "tree": (("tree", "trees"),),
    "boat": (("boat", "boats"), ("ship", "ships"), ("sailing boat", "sailing boats")),
    "lamp": (("street lamp", "street lamps"), ("lamp", "lamps"), ("street light", "street lights")),
    "figure": (
        ("figure in a cloak", "figures in cloaks"), ("person", "people"), ("hooded figure", "hooded figures"),
        ("figure", "figures"), ("man in a cloak", "men in cloaks"), ("figure in a cloak walking away", "figures in cloaks walking away"),
    ),
}  # fmt: skip
# What a coloured cloak makes of a figure: the colour is that of the cloak.
CLOAKED = (("figure in a {} cloak", "figures in {} cloaks"), ("person in a {} cloak", "people in {} cloaks"), ("{} figure", "{} figures"))  # fmt: skip
SHADES = {"red": "crimson", "yellow": "golden", "green": "emerald", "purple": "violet", "blue": "navy", "pink": "rosy"}
SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "big": ("big", "big", "large", "huge")}
COUNT_WORDS = ("two", "two", "two", "2", "a pair of")

# What is said after or before the things, and what of it in a list of keywords.
TIME_PHRASES = {
    "day": ("during the day", "in the daytime", "by day"),
    "sunset": ("at sunset", "in the evening", "at dusk"),
    "night": ("at night", "at night", "by night", "in the night"),
}
TIME_KEYWORDS = {
    "day": ("day", "daytime", "daylight"), "sunset": ("sunset", "evening", "dusk"),
    "night": ("night", "night sky", "night time", "at night"),
}  # fmt: skip
WEATHER_PHRASES = {"clear": ("under a clear sky", "in clear weather"), "fog": ("in the fog", "in the mist", "in fog")}
WEATHER_KEYWORDS = {"clear": ("clear sky", "clear"), "fog": ("fog", "foggy", "mist")}
# Both at once.
TOGETHER = {"day": "on a {} day", "sunset": "on a {} evening", "night": "on a {} night"}
GROUND_PHRASES = {
    "grass": ("on the grass", "in a meadow", "on grass"),
    "sand": ("on the sand", "on a beach", "in the desert"),
    "snow": ("in the snow", "on snow", "on the snow"),
    "sea": ("on the sea", "on the water", "at sea"),
    "street": ("in a {}street", "on a {}street", "in a {}town"),
}
GROUND_KEYWORDS = {
    "grass": ("grass", "meadow"), "sand": ("sand", "beach", "desert"), "snow": ("snow", "snowy"), "sea": ("sea", "ocean"),
    "street": ("{}street", "{}street", "{}road"),
}  # fmt: skip
SIDE_PHRASES = {
    "left": ("on the left", "on the left side"), "right": ("on the right", "on the right side"),
    "middle": ("in the middle", "in the centre"),
}  # fmt: skip
RELATIONS = {
    "left": (
        "{A} [|is ]to the left of {B}", "{A} left of {B}", "{A} on the left of {B}", "{B} [|is ]to the right of {A}", "{B} right of {A}",
        "[there is |]{A} to the left of {B}", "to the left of {B} is {A}", "to the right of {A} is {B}", "{B} with {A} to its left",
        "{A} with {B} to its right",
    ),
    "above": (
        "{A} [|is ]above {B}", "{A} above {B}", "{A} over {B}", "{B} [|is ]below {A}", "{B} under {A}", "{B} beneath {A}",
        "[there is |]{A} above {B}", "above {B} is {A}", "under {A} is {B}", "{B} with {A} above it",
    ),
}  # fmt: skip
BEGINNINGS = ("",) * 12 + ("a picture of ", "a painting of ", "an illustration of ", "a drawing of ")

_JAPANESE: dict[str, str] = {
    "ball": "ボール", "square": "四角", "triangle": "三角", "star": "星", "heart": "ハート", "house": "家", "tree": "木", "boat": "船",
    "lamp": "街灯", "figure": "マントの人", "red": "赤い", "orange": "オレンジ色の", "yellow": "黄色い", "green": "緑の", "blue": "青い",
    "purple": "紫の", "pink": "ピンクの", "brown": "茶色の", "white": "白い", "black": "黒い", "small": "小さい", "big": "大きい",
    "day": "昼", "sunset": "夕焼け", "night": "夜", "clear": "晴れ", "fog": "霧", "grass": "草原", "sand": "砂浜", "snow": "雪原",
    "sea": "海", "street": "街", "dark": "暗い", "gothic": "ゴシックの", "left": "左側", "right": "右側", "middle": "中央",
}  # fmt: skip
_JAPANESE_RELATIONS = {
    "left": ("{B}の左に{A}", "{A}の右に{B}", "{A}が{B}の左にあります", "{B}が{A}の右にあります"),
    "above": ("{B}の上に{A}", "{A}の下に{B}", "{A}が{B}の上にあります", "{B}が{A}の下にあります"),
}

# How often what is in a scene is said; what goes without saying is said less often.
_OFTEN = {
    "day": 0.3, "sunset": 0.85, "night": 0.88, "clear": 0.08, "fog": 0.9, "grass": 0.5, "sand": 0.75, "snow": 0.8, "sea": 0.75,
    "street": 0.85, "dark": 0.8, "gothic": 0.9,
}  # fmt: skip


def _side(thing: Thing) -> str:
    if abs(thing.x - 0.5) < 0.05:
        return "middle"
    return "left" if thing.x < 0.34 else "right" if thing.x > 0.66 else ""


def _wanted(things: Sequence[Thing], rng: Random, *, coloured: bool) -> Wanted:
    """Return what is said about things that are alike; `coloured` if they need their colour to be known."""
    thing = things[0]
    plain = thing.shape == "tree" and thing.colour == "green"
    # A figure of which no more is said wears black.
    colour = thing.colour if coloured or thing.shape == "figure" or rng.random() < (0.4 if plain else 0.9) else ""
    size = thing.size if thing.size != "medium" and rng.random() < 0.85 else ""
    some = thing.shape == "lamp" and len(things) > 1 and rng.random() < 0.7
    return Wanted(thing.shape, colour, size, 0 if some else len(things))


def _groups(scene: Scene) -> list[list[Thing]]:
    alike: dict[tuple[str, str, str], list[Thing]] = {}
    for thing in scene.things:
        alike.setdefault((thing.shape, thing.colour, thing.size), []).append(thing)
    return list(alike.values())


def stated(scene: Scene, rng: Random) -> Facts:
    """Return a part of what is true of a scene, as a caption would say it."""
    setting = scene.setting
    groups = _groups(scene)
    alike = len({group[0].shape for group in groups}) < len(groups)
    wanted = [_wanted(group, rng, coloured=alike) for group in groups]
    if len(scene.things) == 1 and rng.random() < 0.35:
        wanted = [replace(wanted[0], side=_side(scene.things[0]))]
    ground = setting.ground if rng.random() < _OFTEN[setting.ground] else ""
    dark = setting.dark and rng.random() < _OFTEN["dark"]
    return Facts(
        setting.time if dark or rng.random() < _OFTEN[setting.time] else "",
        setting.weather if rng.random() < _OFTEN[setting.weather] else "",
        ground,
        dark,
        setting.gothic and ground == "street" and rng.random() < _OFTEN["gothic"],
        tuple(wanted if scene.relation else sorted(wanted)),
        scene.relation,
    )


def _noun(wanted: Wanted, rng: Random) -> str:
    """Return the noun with its colour."""
    number = 0 if wanted.count == 1 else 1
    names = NOUNS[wanted.shape]
    noun = names[0 if rng.random() < 0.6 else rng.randrange(len(names))][number]
    if not wanted.colour:
        return noun
    colour = SHADES.get(wanted.colour, wanted.colour) if rng.random() < 0.12 else wanted.colour
    return rng.choice(CLOAKED)[number].format(colour) if wanted.shape == "figure" else f"{colour} {noun}"


def _phrase(wanted: Wanted, rng: Random, *, bare: bool = False) -> str:
    """Return what is said about things; a bare phrase has no article."""
    if wanted.count == 1:
        number = "" if bare else rng.choices(["a", "one", "a single"], (92, 5, 3))[0]
    else:
        number = rng.choice(COUNT_WORDS) if wanted.count else ""
    size = rng.choice(SIZE_WORDS[wanted.size]) if wanted.size else ""
    side = rng.choice(SIDE_PHRASES[wanted.side]) if wanted.side else ""
    return " ".join(part for part in (number, size, _noun(wanted, rng), side) if part)


def _moods(facts: Facts, rng: Random) -> tuple[str, str]:
    """Return what comes before the word street, and what before the word night."""
    gothic = "gothic " if facts.gothic else ""
    dark = "dark " if facts.dark else ""
    return (dark + gothic, "") if facts.ground == "street" and rng.random() < 0.6 else (gothic, dark)


def _background_phrases(facts: Facts, rng: Random) -> list[str]:
    street, night = _moods(facts, rng)
    phrases = [rng.choice(GROUND_PHRASES[facts.ground]).format(street)] if facts.ground else []
    if facts.time and (night or (facts.weather and rng.random() < 0.5)):
        weather = {"": "", "fog": "foggy", "clear": "clear"}[facts.weather]
        return [*phrases, TOGETHER[facts.time].format(" ".join(f"{night}{weather}".split()))]
    if facts.weather:
        phrases.append(rng.choice(WEATHER_PHRASES[facts.weather]))
    if facts.time and not (facts.dark and rng.random() < 0.3):
        phrases.append(rng.choice(TIME_PHRASES[facts.time]))
    return phrases


def _background_keywords(facts: Facts, rng: Random) -> list[str]:
    street, night = _moods(facts, rng)
    words = [rng.choice(GROUND_KEYWORDS[facts.ground]).format(street)] if facts.ground else []
    if facts.weather == "fog" and facts.time and rng.random() < 0.4:
        return [*words, f"{night}foggy {TIME_KEYWORDS[facts.time][0]}"]
    if facts.weather:
        words.append(rng.choice(WEATHER_KEYWORDS[facts.weather]))
    if facts.time:
        words.append(night + rng.choice(TIME_KEYWORDS[facts.time]))
    return words


def _related(facts: Facts, rng: Random) -> str:
    first, second = (_phrase(wanted, rng) for wanted in facts.things[:2])
    return expand(rng.choice(RELATIONS[facts.relation]), {"A": first, "B": second}, rng)


def _keywords(facts: Facts, rng: Random) -> str:
    """Say it as words between commas."""
    if facts.relation:
        things = [_related(facts, rng)]
    else:
        bare = rng.random() < 0.6
        things = [_phrase(wanted, rng, bare=bare) for wanted in facts.things]
    words = _background_keywords(facts, rng) + things
    rng.shuffle(words)
    return ", ".join(words)


def _sentence(facts: Facts, rng: Random) -> str:
    """Say it as one sentence, with the background before, after or around the things."""
    if facts.relation:
        core = _related(facts, rng)
    else:
        phrases = [_phrase(wanted, rng) for wanted in facts.things]
        rng.shuffle(phrases)
        core = rng.choice(BEGINNINGS) + rng.choice([" and ", " and ", " with ", ", "]).join(phrases)
    around = _background_phrases(facts, rng)
    rng.shuffle(around)
    before = around.pop() + ", " if around and rng.random() < 0.3 else ""
    return before + " ".join([core, *around]) + rng.choice(["", "", "."])


def _japanese_thing(wanted: Wanted, rng: Random) -> str:
    number = {1: "一つの" if rng.random() < 0.06 else "", 2: "二つの"}.get(wanted.count, "")
    words = [_JAPANESE[word] for word in (wanted.size, wanted.colour, wanted.shape) if word]
    return (_JAPANESE[wanted.side] + "に" if wanted.side else "") + number + "".join(words)


def _japanese(facts: Facts, rng: Random) -> str:
    """Say it in Japanese, as words between commas or as a short phrase."""
    things = [_japanese_thing(wanted, rng) for wanted in facts.things]
    if facts.relation:
        pattern = rng.choice(_JAPANESE_RELATIONS[facts.relation])
        things = [pattern.format(A=things[0], B=things[1])]
    moods = [_JAPANESE[word] for word, true in (("dark", facts.dark), ("gothic", facts.gothic)) if true]
    ground = "".join(moods) + _JAPANESE[facts.ground] if facts.ground else "".join(moods)
    around = [_JAPANESE[word] for word in (facts.time, facts.weather) if word]
    if ground and facts.ground and rng.random() < 0.5:
        return "".join(f"{word}の" for word in around) + f"{ground}に" + "と".join(things)
    words = [word for word in (ground, *around) if word] + things
    rng.shuffle(words)
    return "、".join(words)


def tell(facts: Facts, rng: Random) -> str:
    """Return a caption that says these facts and nothing else; one in twelve is Japanese."""
    way = rng.choices([_sentence, _keywords, _japanese], (60, 32, 8))[0]
    # The grammar of articles is mended here.
    return expand(way(facts, rng), {}, rng)


def describe(scene: Scene, rng: Random) -> Said:
    """Return a caption of a scene with what it says."""
    facts = stated(scene, rng)
    return Said(tell(facts, rng), facts)


# ---------------------------------------------------------------- what is held out


def _facts(row: dict[str, object]) -> Facts:
    things = tuple(Wanted(**thing) for thing in row["things"])  # type: ignore[attr-defined]
    return Facts(**{**row, "things": things})  # type: ignore[arg-type]


def _rich(facts: Facts) -> bool:
    """Say whether facts are so many that nothing common is lost when they are held out."""
    said = sum(bool(part) for part in (facts.time, facts.weather == "fog", facts.ground, facts.relation))
    said += sum(bool(part) for wanted in facts.things for part in (wanted.colour, wanted.size, wanted.side))
    return said + len(facts.things) >= 4


def freeze(count: int = 200) -> None:
    """Write the held-out prompts; done once, before the first training."""
    rng = Random(HELD_OUT_SEED)
    rows: dict[Facts, str] = {}
    while len(rows) < count:
        said = describe(sample(rng), rng)
        if said.text.isascii() and _rich(said.facts):
            rows.setdefault(said.facts, said.text)
    lines = [json.dumps({"text": text, "facts": asdict(facts)}) + "\n" for facts, text in rows.items()]
    HELD_OUT.write_text("".join(lines), encoding="utf-8")


@cache
def held_out() -> tuple[Said, ...]:
    """Return the held-out prompts with what they say."""
    rows = map(json.loads, HELD_OUT.read_text(encoding="utf-8").splitlines())
    return tuple(Said(row["text"], _facts(row["facts"])) for row in rows)


@cache
def _held_out_facts() -> frozenset[Facts]:
    return frozenset(said.facts for said in held_out())


def is_held_out(said: Said) -> bool:
    """Say whether a held-out prompt says the same, in whatever words."""
    return said.facts in _held_out_facts()
