"""The pictures that the model of images learns from, how they are told, and what judges them."""

import hashlib
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from training.pictures import check, scenes, words
from training.pictures.scenes import COLOURS, GROUNDS, SHAPES, TIMES, WEATHERS

FROZEN = "ced4a340224bde6fc81da4a3f7a4b5cafb705cdabc5e72a18c0bc60cf72069d4"


def drawn(count, seed):
    """Return pictures as pixels, with what their captions state."""
    rng = Random(seed)
    chosen = [scenes.sample(rng) for _ in range(count)]
    return [(np.asarray(scenes.draw(scene, rng)), scenes.stated(scene, rng)) for scene in chosen]


@pytest.fixture(scope="module")
def pictures():
    return drawn(200, 1)


def softened(pixels, seed):
    soft = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1))
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    return np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "text",
    [
        "dark gothic street, foggy night, street lamps, a figure in a cloak walking away",
        "暗いゴシックの街、霧の中の夜、街灯に照らされています。マントをまとった男性が私たちから離れて歩いています",
    ],
)
def test_both_languages_mean_the_same(text):
    """The prompt of the documentation is read in full, in English and in Japanese."""
    tokens, unknown = words.read(text)
    assert set(tokens) == {"dark", "gothic", "street", "fog", "night", "lamp", "figure"}
    assert not unknown


@pytest.mark.parametrize(
    ("text", "tokens", "unknown"),
    [
        ("A Red BALL to the left of two houses", ["red", "ball", "left", "two", "house"], []),
        ("a skydiver, a balloon and redwood", [], ["skydiver", "balloon", "redwood"]),
        ("two cats and a cat, cats in the snow-covered town", ["two", "snow", "street"], ["cats", "cat"]),
        ("a house with a ball to its left", ["house", "ball", "right"], []),
        ("犬と２つの大きい赤い星", ["two", "big", "red", "star"], ["犬"]),
        ("家の左に木", ["house", "right", "tree"], []),
        ("木が家の左にあります。夜", ["tree", "house", "left", "night"], []),
        ("怪獣が海で泳ぐ", ["sea"], ["怪獣", "泳ぐ"]),
        ("кот at night", ["night"], ["кот"]),
        ("", [], []),
    ],
)
def test_prompts_are_read_by_whole_words(text, tokens, unknown):
    """The longest known phrase counts, in Latin letters only whole words, and what is not known is told once."""
    assert words.read(text) == (tokens, unknown)


def test_a_word_means_one_thing():
    """No phrase is in two concepts, or both in a concept and without effect, and tokens are numbered from 2 on."""
    phrases = [phrase for line in words.CONCEPTS.values() for phrase in line.split(", ")]
    phrases += words.WITHOUT_EFFECT.replace("\n", " ").strip().split(", ")
    assert len(set(phrases)) == len(phrases) == len(words.phrases())
    assert len(words.TOKENS) <= 120
    assert words.phrases()["red"] == words.TOKENS.index("red") + 2
    assert words.phrases()["the"] == 0
    for token in words.TOKENS:
        assert any(phrase.isascii() for phrase in words.CONCEPTS[token].split(", "))
        assert not all(phrase.isascii() for phrase in words.CONCEPTS[token].split(", "))


def implied(facts):
    """Return the tokens that a caption with these facts must and may have, but for the relation."""
    must = {facts.weather, facts.ground, "dark" if facts.dark else "", "gothic" if facts.gothic else ""}
    for thing in facts.things:
        side = f"{thing.side} side" if thing.side in ("left", "right") else thing.side
        must |= {thing.shape, thing.colour, thing.size, side, "two" if thing.count == 2 else ""}
    # Who says that it is dark need not say that it is night.
    must |= set() if facts.dark else {facts.time}
    return must - {""}, {"one", facts.time}


def related(tokens, facts):
    """Return what is left of or above what, by the grammar of tokens: each as its shape and colour."""
    at, relation = next((at, token) for at, token in enumerate(tokens) if token in ("left", "right", "above", "below"))
    places = {}
    for thing in facts.things[:2]:
        wanted = [thing.colour, thing.shape] if thing.colour else [thing.shape]
        where = [place for place in range(len(tokens)) if tokens[place : place + len(wanted)] == wanted]
        places[thing] = where[0]
    first, second = sorted(places, key=places.get)
    if at < places[first]:
        first, second = second, first
    return (first, second) if relation in ("left", "above") else (second, first)


def test_captions_say_the_facts_and_nothing_else():
    """What a caption is read as is what it states, and which thing is left of or above the other comes out right."""
    rng = Random(3)
    counted = 0
    for _ in range(3000):
        said = scenes.describe(scenes.sample(rng), rng)
        tokens, unknown = words.read(said.text)
        assert not unknown, said
        must, may = implied(said.facts)
        relations = {"left": {"left", "right"}, "above": {"above", "below"}, "": set()}[said.facts.relation]
        assert must <= set(tokens) <= must | may | relations, said
        shapes = {thing.shape for thing in said.facts.things}
        if said.facts.relation and len(shapes) == 2 and not shapes & {"figure"}:
            assert related(tokens, said.facts) == said.facts.things, said
            counted += 1
    assert counted > 600


def test_every_word_is_drawn_often():
    """Among a thousand captions, each concept is told at least ten times, relations in half, Japanese in some."""
    rng = Random(4)
    said = [scenes.describe(scenes.sample(rng), rng) for _ in range(1000)]
    told = [set(words.read(one.text)[0]) for one in said]
    assert min(sum(token in tokens for tokens in told) for token in words.TOKENS) >= 10
    assert 400 < sum(bool(one.facts.relation) for one in said) < 600
    assert 40 < sum(not one.text.isascii() for one in said) < 130


def test_a_seed_gives_one_picture():
    """The same seed gives the same scene, caption and picture, and another seed another picture."""
    one, same, other = (drawn(1, seed)[0] for seed in (5, 5, 6))
    assert one[1] == same[1]
    assert np.array_equal(one[0], same[0])
    assert not np.array_equal(one[0], other[0])
    assert one[0].shape == (128, 128, 3)


def test_no_colour_is_asked_for_where_it_cannot_be_seen():
    """The generator avoids all clashes, but for green trees on grass."""
    rng = Random(8)
    for scene in (scenes.sample(rng) for _ in range(500)):
        setting = scene.setting
        for thing in scene.things:
            hidden = {
                c for word in (setting.time, setting.weather, setting.ground) for c in scenes.CLASHES.get(word, ())
            }
            assert thing.colour not in hidden or (thing.shape, thing.colour) == ("tree", "green")


def test_the_held_out_prompts_are_as_frozen():
    """There are 200 English prompts, all different in what they state, and they have the hash from before training."""
    prompts = scenes.held_out()
    assert len({said.facts for said in prompts}) == len(prompts) == 200
    assert all(said.text.isascii() and not words.read(said.text)[1] for said in prompts)
    assert all(map(scenes.is_held_out, prompts))
    assert hashlib.sha256(scenes.HELD_OUT.read_bytes()).hexdigest() == FROZEN


def test_held_out_is_what_is_stated():
    """Other words for the same are held out too, what states less or more is not."""
    facts = next(said.facts for said in scenes.held_out() if said.facts.relation and said.facts.ground)
    told = [scenes.Said(scenes.tell(facts, Random(seed)), facts) for seed in range(20)]
    assert len({said.text for said in told}) > 5
    assert all(map(scenes.is_held_out, told))
    assert not scenes.is_held_out(scenes.Said("", replace(facts, ground="", weather="")))


def test_drawn_pictures_show_what_is_stated(pictures):
    """At least 98 of 100 pictures have no problem with their own facts, 95 when they are blurred and noisy."""
    assert sum(not check.problems(pixels, facts) for pixels, facts in pictures) >= 0.98 * len(pictures)
    soft = [(softened(pixels, seed), facts) for seed, (pixels, facts) in enumerate(pictures[:120])]
    assert sum(not check.problems(pixels, facts) for pixels, facts in soft) >= 0.95 * len(soft)


def test_other_facts_are_not_shown(pictures):
    """At most 4 of 100 pictures pass with the facts of another prompt."""
    others = [facts for _, facts in pictures[7:] + pictures[:7]]
    pairs = [(pixels, other) for (pixels, facts), other in zip(pictures, others, strict=True) if facts != other][:120]
    assert sum(not check.problems(pixels, other) for pixels, other in pairs) <= 0.04 * len(pairs)


def another(value, values, rng):
    return rng.choice([one for one in values if one != value])


def with_thing(facts, **changes):
    return replace(facts, things=(replace(facts.things[0], **changes), *facts.things[1:]))


# One wrong fact each, or None where nothing is stated that could be wrong.
MISTAKES = {
    "time": lambda facts, rng: facts.time and replace(facts, time=another(facts.time, TIMES, rng), dark=False),
    "weather": lambda facts, rng: facts.weather and replace(facts, weather=another(facts.weather, WEATHERS, rng)),
    "ground": lambda facts, rng: facts.ground and replace(facts, ground=another(facts.ground, GROUNDS, rng)),
    "colour": lambda facts, rng: (
        facts.things[0].colour and with_thing(facts, colour=another(facts.things[0].colour, COLOURS, rng))
    ),
    "shape": lambda facts, rng: with_thing(facts, shape=another(facts.things[0].shape, SHAPES, rng)),
    "number": lambda facts, _: (
        facts.things[0].shape != "lamp" and with_thing(facts, count=3 - facts.things[0].count)
    ),
    "relation": lambda facts, _: facts.relation and replace(facts, things=facts.things[1::-1]),
    "size": lambda facts, rng: (
        facts.things[0].size and with_thing(facts, size=another(facts.things[0].size, ("small", "big"), rng))
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_mistake_is_noticed(pictures, kind):
    """Of pictures with one wrong fact of a kind, at least 9 of 10 have a problem."""
    rng = Random(9)
    wrong = [(pixels, MISTAKES[kind](facts, rng)) for pixels, facts in pictures]
    wrong = [(pixels, facts) for pixels, facts in wrong if facts][:30]
    assert len(wrong) >= 25
    assert sum(bool(check.problems(pixels, facts)) for pixels, facts in wrong) >= 0.9 * len(wrong)


def test_parts_are_told_apart():
    """Parts that touch only at a corner are two, a ring with its gap at the top is one."""
    mask = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], bool)
    labels = check.components(mask)
    assert labels[0, 0] == labels[0, 2] == labels[1, 1] != labels[2, 3]
    assert len(np.unique(labels)) == 3
