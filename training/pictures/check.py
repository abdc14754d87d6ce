"""Looks at the pixels of a picture and says what of the facts of a caption it does not show.

The background is compared with drawn backgrounds, place by place. What is unlike all that the best of them has is a
thing: it has the colour that most of it is nearest to, and the shape whose drawn silhouettes cover it best. Whether a
street is gothic is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

import numpy as np
from PIL import Image

from training.pictures import scenes
from training.pictures.scenes import COLOURS, SETTINGS, SHAPES, Facts, Scene, Setting, Thing, Wanted

SIDE = 128
_CELLS = 16  # The background is compared in so many rows and columns.
_GROUND_ROW = 11  # The first row that is all ground.
_KEPT = 0.5  # The share of its places that must fit: the others may be behind things.
_SEEDS = 3  # How many pictures are drawn of each background.
_GRAIN = 5.0  # Colours of a background that are nearer than this are one.
_FINE = 1.2  # Colours of a picture that are nearer than this are looked at once.
_APART = 7.0  # What is nearer than this to a colour of the background is background.
_SMALLEST = 36  # What has fewer pixels is no thing.
_SMALLEST_HEAD = 12  # The light of a lamp has so many pixels.
_DARKER = 3.5  # How much darker the post of a lamp is than what is beside it.
_GAP = 3  # How many rows of a post may be missing in one place.
_MASK = 24  # The side of a silhouette.
_ZONES = ((0, 64), (64, 90), (90, 128))  # Rows of the sky, of the horizon with what is behind it, and of the ground.
# Which part of a thing, from its top to its foot, has its colour.
_COLOURED = {"boat": (0.64, 1.0), "tree": (0.0, 0.62)}
# Shapes that are known by their whole outline or by that of their main colour: sails may be hard to see.
_EITHER = ("boat",)
# How much worse than the best the stated background may fit, and how much worse than the best shape the stated one.
_FAIR = {"time": 3.0, "weather": 1.2, "ground": 0.8, "dark": 2.0}
_FAIR_SHAPE = 0.03
_LEAST_SHAPE = 0.5  # How much of the stated shape must be covered in any case.
_FAIR_COLOUR = 0.1  # How much less of the stated colour there may be than of the commonest.

_NAMES = tuple(COLOURS)
_OUTLINED = tuple(shape for shape in SHAPES if shape != "lamp")  # Lamps are found in another way.
# Details of things that have a colour of their own.
_MORE = {
    "white": ("cream", "shaded cream"),
    "brown": ("trunk", "door"),
    "black": ("iron", "cloak"),
    "yellow": ("glow",),
}

# From linear red, green and blue to XYZ, where white is (1, 1, 1).
_TO_XYZ = np.array([[0.4339, 0.2126, 0.0177], [0.3762, 0.7152, 0.1095], [0.1899, 0.0722, 0.8728]], np.float32)


def lab(pixels: np.ndarray) -> np.ndarray:
    """Return colours in CIELAB, where equal distances look equally far."""
    part = np.asarray(pixels, np.float32) / 255
    linear = np.where(part > 0.04045, ((part + 0.055) / 1.055) ** 2.4, part / 12.92)
    xyz = linear @ _TO_XYZ
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _smooth(pixels: np.ndarray) -> np.ndarray:
    """Return each pixel as the mean of itself and its neighbours."""
    padded = np.pad(np.asarray(pixels, np.float32), ((1, 1), (1, 1), (0, 0)), "edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


# ---------------------------------------------------------------- backgrounds


def _cells(colours: np.ndarray) -> np.ndarray:
    step = SIDE // _CELLS
    return colours.reshape(_CELLS, step, _CELLS, step, 3).mean(axis=(1, 3))


@cache
def _empty(setting: Setting) -> np.ndarray:
    """Return some drawn pictures of a setting in which nothing is."""
    pictures = [scenes.draw(Scene(setting, ()), Random(seed)) for seed in range(_SEEDS)]
    return np.stack([lab(_smooth(np.asarray(picture))) for picture in pictures])


@cache
def _patterns() -> np.ndarray:
    return np.stack([np.stack([_cells(picture) for picture in _empty(setting)]).mean(axis=0) for setting in SETTINGS])


def fits(colours: np.ndarray) -> np.ndarray:
    """Return how far a picture is from each setting, not counting the places where it is farthest."""
    far = np.linalg.norm(_patterns() - _cells(colours), axis=-1)
    parts = [np.sort(part.reshape(len(SETTINGS), -1), axis=1) for part in (far[:, :_GROUND_ROW], far[:, _GROUND_ROW:])]
    return sum(part[:, : int(_KEPT * part.shape[1])].mean(axis=1) for part in parts) / 2


def _background_problems(distances: np.ndarray, facts: Facts) -> list[str]:
    problems = []
    for name, allowed in _FAIR.items():
        wanted = getattr(facts, name)
        true = [getattr(setting, name) == wanted for setting in SETTINGS]
        if wanted and distances[true].min() > distances.min() + allowed:
            problems.append(f"{name} is not {str(wanted).lower()}")
    return problems


# ---------------------------------------------------------------- things


@cache
def _behind(setting: Setting) -> list[np.ndarray]:
    """Return the colours of a background, by zone."""
    shown = _empty(setting)
    zones = [_common(shown[:, top:bottom]) for top, bottom in _ZONES]
    if setting.ground != "sea":
        return zones
    islands = lab(np.array(scenes.island(setting)))
    return [zones[0], *(np.concatenate([zone, islands]) for zone in zones[1:])]


def _common(colours: np.ndarray) -> np.ndarray:
    kinds, counts, _ = _distinct(colours, _GRAIN)
    return kinds[counts >= 4]


def _distinct(colours: np.ndarray, grain: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the colours that there are, in steps, how often each is, and which of them each pixel has."""
    steps = np.round(colours.reshape(-1, 3) / grain).astype(int) + 128
    kinds, where, counts = np.unique(steps @ (1 << 16, 1 << 8, 1), return_inverse=True, return_counts=True)
    parts = np.stack([kinds >> 16, kinds >> 8 & 255, kinds & 255], axis=1) - 128
    return parts.astype(np.float32) * grain, counts, where


@cache
def _palette(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Return how things of all colours look in a setting, and of which colour each is."""
    looks, names = [], []
    for number, name in enumerate(_NAMES):
        for distance in (0.0, 1.0):
            tones = scenes.tones(Thing("ball", name, "medium", 0.5, 0.9), setting, distance)
            for tone in ("base", "shade", *_MORE.get(name, ())):
                looks.append(tones[tone])
                names.append(number)
    return lab(np.array(looks)), np.array(names)


def _nearest(colours: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the nearest reference to each colour and how far it is."""
    far = (colours**2).sum(1)[:, None] + (references**2).sum(1)[None] - 2 * colours @ references.T
    best = far.argmin(axis=1)
    return best, np.sqrt(np.maximum(far[np.arange(len(far)), best], 0))


def segment(colours: np.ndarray, setting: Setting) -> np.ndarray:
    """Return for each pixel the number of the colour of the thing there, or -1 for the background."""
    looks, names = _palette(setting)
    result = np.empty((SIDE, SIDE), int)
    for (top, bottom), behind in zip(_ZONES, _behind(setting), strict=True):
        kinds, _, where = _distinct(colours[top:bottom], _FINE)
        best, far = _nearest(kinds, looks)
        _, off = _nearest(kinds, behind)
        result[top:bottom] = np.where(off > np.maximum(far, _APART), names[best], -1)[where].reshape(-1, SIDE)
    return result


@dataclass(frozen=True)
class Found:
    """Something in the picture that is no background."""

    colours: np.ndarray  # Within its box: the number of its colour for each pixel, or -1.
    left: int
    top: int

    @property
    def middle(self) -> tuple[float, float]:
        """Return where its middle is, in parts of the picture."""
        rows, columns = np.nonzero(self.colours >= 0)
        return (self.left + float(columns.mean())) / SIDE, (self.top + float(rows.mean())) / SIDE

    def size(self, shape: str) -> float:
        """Return how large it is, measured by what is of medium size; what is hidden of it does not count."""
        height, width = self.colours.shape
        wide, high = SHAPES[shape]
        return max(height / high, width / wide) / SIDE


def _runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the row, the start and the end of all runs of pixels that are set, from the upper left on."""
    turns = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (rows, starts), (_, ends) = np.nonzero(turns > 0), np.nonzero(turns < 0)
    return list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))


def components(mask: np.ndarray) -> np.ndarray:
    """Return for each pixel the number of the connected part that it is in, or 0."""
    labels = np.zeros(mask.shape, int)
    parent = [0]

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    numbered: dict[int, list[tuple[int, int, int]]] = {}
    for row, start, end in _runs(mask):
        above = numbered.get(row - 1, ())
        touching = {root(number) for left, right, number in above if left < end and start < right}
        number = min(touching, default=len(parent))
        if not touching:
            parent.append(number)
        for other in touching:
            parent[other] = number
        labels[row, start:end] = number
        numbered.setdefault(row, []).append((start, end, number))
    return np.array([root(number) for number in range(len(parent))])[labels]


def _grown(mask: np.ndarray) -> np.ndarray:
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    return wide


def _boxes(mask: np.ndarray, labels: np.ndarray, smallest: int) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield the pixels of each part of a mask within its box, with the left and the top of the box."""
    labels = np.where(mask, labels, 0)
    for number in np.flatnonzero(np.bincount(labels.ravel())[1:] >= smallest) + 1:
        part = labels == number
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        yield part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], int(columns[0]), int(rows[0])


def _post(light: np.ndarray, column: int, top: int, half: int) -> int:
    """Return how far down something goes on that is darker than what is half a light to its sides."""
    columns = np.clip(np.arange(column - 2, column + 3), 0, SIDE - 1)
    sides = np.clip(column + np.array([-half - 1, -half, half, half + 1]), 0, SIDE - 1)
    darker = light[top:, columns].min(axis=1) < light[top:, sides].mean(axis=1) - _DARKER
    last = missed = 0
    for row, dark in enumerate(darker, 1):
        missed = 0 if dark else missed + 1
        if missed > _GAP:
            break
        last = row if dark else last
    return last


def _lamps(colours: np.ndarray, segments: np.ndarray) -> list[Found]:
    """Return the lamps: a light with a dark post below. Their glow and the dark around hide the outline."""
    bright = segments == _NAMES.index("yellow")
    lamps = []
    for head, left, top in _boxes(bright, components(bright), _SMALLEST_HEAD):
        height, width = head.shape
        column = left + round(float(np.nonzero(head)[1].mean()))
        post = _post(colours[..., 0], column, top + height, max(4, width // 2 + 1))
        if min(height, width) >= 4 and post > max(8, 1.4 * height, 0.9 * width):
            half = max(width // 2, 3)
            lamps.append(Found(np.zeros((height + post, 2 * half + 1), int), column - half, top))
    return lamps


def find(colours: np.ndarray, setting: Setting) -> tuple[list[Found], list[Found]]:
    """Return the lamps in a picture and all other things."""
    segments = segment(colours, setting)
    lamps = _lamps(colours, segments)
    for lamp in lamps:
        height, width = lamp.colours.shape
        segments[max(0, lamp.top - 8) : lamp.top + height + 4, max(0, lamp.left - 4) : lamp.left + width + 4] = -1
    labels = components(_grown(segments >= 0))
    return lamps, [
        Found(np.where(part, segments[top : top + part.shape[0], left : left + part.shape[1]], -1), left, top)
        for part, left, top in _boxes(segments >= 0, labels, _SMALLEST)
    ]


def _colour_shares(thing: Found, shape: str) -> np.ndarray:
    """Return how much of the part of a thing that is coloured in its shape has each colour, not counting its edge."""
    first, last = _COLOURED.get(shape, (0.0, 1.0))
    height = thing.colours.shape[0]
    inner = np.where(_grown(thing.colours < 0), -1, thing.colours)
    for colours in (inner, thing.colours):
        part = colours[int(first * height) : max(int(last * height), int(first * height) + 1)]
        counts = np.bincount(part[part >= 0], minlength=len(_NAMES))
        if counts.sum() >= 8:
            break
    return counts / max(1, counts.sum())


def _silhouettes(thing: Found) -> list[np.ndarray]:
    """Return the outline of a thing, and that of its main colour, at one size."""
    whole = thing.colours >= 0
    counts = np.bincount(thing.colours[whole], minlength=len(_NAMES))
    plain = np.where(np.arange(len(_NAMES)) == _NAMES.index("white"), counts / 3, counts)
    main = thing.colours == plain.argmax()
    rows, columns = np.flatnonzero(main.any(axis=1)), np.flatnonzero(main.any(axis=0))
    return [_scaled(whole), _scaled(main[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])]


def _scaled(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    side = max(height, width)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = 255 * mask
    small = Image.fromarray(square).resize((_MASK, _MASK), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() / 255


@cache
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Return silhouettes of drawn things, by shape: whole, and of their main colour."""
    masks = [
        [_drawn(shape, *way) for way in product(("sand", "sea"), ("small", "big"), range(4))] for shape in _OUTLINED
    ]
    whole, main = np.array(masks).transpose(2, 0, 1, 3)
    return whole, main


def _drawn(shape: str, ground: str, size: str, seed: int) -> list[np.ndarray]:
    setting = Setting(ground=ground)
    thing = Thing(shape, "purple", size, 0.5, 0.9)
    picture = np.asarray(scenes.draw(Scene(setting, (thing,)), Random(seed)))
    _, things = find(lab(_smooth(picture)), setting)
    return _silhouettes(max(things, key=lambda found: found.colours.size))


def shapes(thing: Found) -> dict[str, float]:
    """Return for each shape how much of a thing and of a drawn one cover each other, at best."""
    whole, main = (_cover(mask, drawn) for mask, drawn in zip(_silhouettes(thing), _templates(), strict=True))
    either = np.array([shape in _EITHER for shape in _OUTLINED])[:, None]
    best = np.where(either, np.maximum(whole, main), (whole + main) / 2).max(axis=1)
    return dict(zip(_OUTLINED, best.tolist(), strict=True))


def _cover(mask: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the common part of a mask and of each drawn one, as a share of both together."""
    return np.minimum(mask, drawn).sum(axis=-1) / np.maximum(mask, drawn).sum(axis=-1)


# ---------------------------------------------------------------- what is stated

_NEAR = 0.06  # What is nearer to each other than this is not left of or above the other.


def _shows(thing: Found, wanted: Wanted) -> bool:
    """Say whether a thing that is no lamp has the shape and the colour that are stated."""
    scores = shapes(thing)
    if scores[wanted.shape] < max(_LEAST_SHAPE, max(scores.values()) - _FAIR_SHAPE):
        return False
    colour = wanted.colour or ("black" if wanted.shape == "figure" else "")
    shares = _colour_shares(thing, wanted.shape)
    return not colour or shares[_NAMES.index(colour)] >= shares.max() - _FAIR_COLOUR


# The least and the most that a size may measure, of what is of medium size, and where the middle of a side may be.
_MEASURES = {"small": (0.0, 0.95), "big": (1.12, 9.0), "": (0.0, 9.0)}
_SIDES = {"left": (0.0, 0.43), "right": (0.57, 1.0), "middle": (0.36, 0.64), "": (0.0, 1.0)}


def _fitting(lamps: list[Found], things: list[Found], wanted: Wanted) -> list[Found]:
    """Return what has all that is stated of one thing."""
    found = lamps if wanted.shape == "lamp" else [thing for thing in things if _shows(thing, wanted)]
    (least, most), (left, right) = _MEASURES[wanted.size], _SIDES[wanted.side]
    return [thing for thing in found if least <= thing.size(wanted.shape) <= most and left <= thing.middle[0] <= right]


def _related(first: Found, second: Found, relation: str) -> bool:
    right, down = (b - a for a, b in zip(first.middle, second.middle, strict=True))
    return right > _NEAR if relation == "left" else down > max(_NEAR, abs(right))


def _name(wanted: Wanted) -> str:
    return " ".join(word for word in (wanted.size, wanted.colour, wanted.shape, wanted.side) if word)


def _thing_problems(lamps: list[Found], things: list[Found], facts: Facts) -> list[str]:
    fitting = [_fitting(lamps, things, wanted) for wanted in facts.things]
    problems = []
    for wanted, found in zip(facts.things, fitting, strict=True):
        # Who says lamps may get one or several, and so may who says a lamp: to the model it is the same word.
        some = not wanted.count or (wanted.shape == "lamp" and wanted.count == 1)
        if not (found if some else len(found) == wanted.count):
            problems.append(f"{_name(wanted)}: {len(found)} in place of {wanted.count or 'some'}")
    if facts.relation and not any(_related(a, b, facts.relation) for a in fitting[0] for b in fitting[1]):
        problems.append(f"{_name(facts.things[0])} is not {facts.relation} of {_name(facts.things[1])}")
    return problems


def problems(pixels: np.ndarray, facts: Facts) -> list[str]:
    """Return what of the facts a picture does not show."""
    colours = lab(_smooth(pixels))
    distances = fits(colours)
    lamps, things = find(colours, SETTINGS[distances.argmin()])
    return _background_problems(distances, facts) + _thing_problems(lamps, things, facts)
