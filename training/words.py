"""The words that the generators choose from, and the small grammar they are put together with."""

# ruff: noqa: E501, SIM905 - word lists read best as text

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

GIRLS = """Ada Alma Amelia Anna Aria Astrid Bella Bonnie Cara Celia Clara Cora Daisy Dora Edith Elena Elise Ella Elsie Emma
Esme Eva Fay Flora Freya Gemma Grace Greta Hana Hazel Heidi Holly Ida Ines Iris Isla Ivy Jana Jane Jill June Kate Kira Lara
Lea Lena Leila Lily Lina Lola Lucy Luna Mabel Maja Maria Marta Maya Mia Mila Mina Molly Nadia Nell Nina Nora Olga Olive
Paula Penny Petra Pia Polly Rosa Rose Ruby Ruth Sana Sara Sofia Stella Tara Tess Tilda Tina Uma Vera Wanda Willa Yara Yuki
Zara Zelda Zoe""".split()
BOYS = """Adam Albert Alex Anton Arlo Ari Ben Bert Bo Bruno Carl Caspar Colin Dan Dario David Eli Emil Eric Ethan Felix
Finn Frank Fred Gus Hamid Hank Hans Henry Hugo Ian Igor Ivan Jack Jakob Jan Jay Jim Joel John Jonas Jules Karl Ken Kofi Lars
Leo Leon Levi Liam Louis Luca Lukas Malik Marco Mark Martin Mateo Max Milo Nico Nils Noah Oliver Omar Oscar Otto Owen Pablo
Paul Pedro Pete Ravi Remy Rico Robin Sam Samir Simon Sven Theo Tim Timo Toby Tom Tony Ulf Victor Walt Will Yusuf Zack
Ziggy""".split()
ANIMALS = """ant badger bat bear beaver bee beetle bird bunny butterfly camel cat caterpillar chick cow crab cricket crow deer
dog dolphin donkey dove dragon duck duckling eagle elephant elf fawn firefly fish fox frog giant giraffe goat goose gorilla
hamster hare hawk hedgehog hen hippo horse kangaroo kitten koala ladybug lamb lion lizard llama lobster mole monkey moose moth
mouse octopus otter owl panda parrot peacock pelican penguin pig pigeon polar~bear pony porcupine puppy rabbit raccoon robot
rooster seal sheep shark snail snake sparrow spider squirrel starfish stork swan tiger toad turtle unicorn walrus whale wolf
worm zebra""".split()
THINGS = """acorn apple arrow axe bag ball balloon banner basket bell bicycle blanket boat bone book boot bottle bow bowl box
bracelet broom brush bucket button cake camera candle cap card carrot chair chest clock coat coin comb compass cookie crayon
crown cup cushion diamond doll door drawing dress drum egg fan feather flag flower flute fork fossil gem glass glove guitar
hammer harp hat helmet horn jar jewel kettle key kite ladder lamp lantern leaf letter locket lollipop magnet map marble mask
medal mirror mitten mushroom necklace needle nest net notebook nut oar onion painting pan pancake paper parcel pearl pebble
pen pencil piano picture pie pillow pipe plate pot pumpkin purse puzzle quilt radio ribbon ring rocket rope sack sandwich saw
scarf scooter seashell seed shell shoe shovel skateboard sled slipper snowball sock soup spoon star stick stone sugar~cube
sunflower sword teacup teapot telescope tent ticket tool~box top torch tower toy~car train trophy trumpet turnip umbrella vase
violin wagon wand watch watering~can wheel whistle wooden~horse wool~hat yo-yo""".split()
FOODS = """apples bananas berries biscuits bread cake carrots cheese cherries chocolate cookies corn grapes honey jam
lemons muffins noodles nuts oranges pancakes peaches pears peas pie plums porridge potatoes pudding pumpkin~soup rice salad
sandwiches soup strawberries toast tomatoes waffles""".split()
COLOURS = "red blue green yellow orange purple pink white black brown silver golden grey".split()
ADJECTIVES = """big small tiny little shiny old new round soft smooth bright beautiful heavy light strange pretty wooden
lovely dusty warm""".split()
TRAITS = """brave kind clever shy quiet curious gentle cheerful happy patient funny friendly lively lonely sleepy careful
proud busy grumpy hungry""".split()
PLACES = {
    "forest": "in a deep forest", "village": "in a small village", "city": "in a big city", "town": "in a sunny town",
    "sea": "by the sea", "river": "by a wide river", "lake": "near a calm lake", "mountain": "on a tall mountain",
    "hill": "on a green hill", "farm": "on a farm", "garden": "in a lovely garden", "park": "near a big park",
    "beach": "near a sandy beach", "castle": "in an old castle", "island": "on a small island", "desert": "in a hot desert",
    "jungle": "in a warm jungle", "valley": "in a green valley", "meadow": "in a quiet meadow", "pond": "by a little pond",
    "cave": "in a cosy cave", "zoo": "at the zoo", "school": "near a school", "library": "next to a library",
    "market": "near a busy market", "harbour": "by the harbour", "lighthouse": "in a lighthouse", "mill": "in an old mill",
    "moon": "on the moon", "ship": "on a big ship", "cottage": "in a tiny cottage", "bakery": "above a bakery",
    "station": "next to a train station", "museum": "near a museum", "swamp": "at the edge of a swamp", "palace": "in a palace",
    "orchard": "in an apple orchard", "bridge": "under a stone bridge", "barn": "in a red barn", "waterfall": "near a waterfall",
    "kingdom": "in a faraway kingdom", "tower": "in a high tower", "circus": "with a travelling circus", "windmill": "in a windmill",
    "treehouse": "in a treehouse", "field": "at the edge of a field", "snow": "in the land of snow", "hotel": "in a small hotel",
    "space station": "on a space station", "playground": "near a playground", "bookshop": "above a bookshop",
    "cloud": "on a soft white cloud", "volcano": "near a sleeping volcano", "canal": "beside a canal",
}  # fmt: skip


def _plain(words: list[str]) -> list[str]:
    return [word.replace("~", " ") for word in words]


ANIMALS, THINGS, FOODS = _plain(ANIMALS), _plain(THINGS), _plain(FOODS)
NAMES = GIRLS + BOYS
_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=(?!(?:un?i|one|use|eu|uk)[a-z])[aeiouAEIOU])")


def expand(template: str, slots: Mapping[str, str], rng: Random) -> str:
    """Pick one of each [a|b|c], fills each {slot} and mends a and an."""
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(match[1].split("|")) + template[match.end() :]
    text = re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], template)
    text = _ARTICLE.sub(r"\1n ", text)
    return re.sub(r"  +", " ", text).strip()


def pronouns(kind: str, prefix: str = "") -> dict[str, str]:
    """Return the slots he, him, his and He, His for a girl, a boy or a thing."""
    forms = {"girl": ("she", "her", "her"), "boy": ("he", "him", "his")}[kind]
    slots = dict(zip(("he", "him", "his"), forms, strict=True))
    slots |= {key.capitalize(): value.capitalize() for key, value in slots.items()}
    return {prefix + key: value for key, value in slots.items()}


def name_and_kind(rng: Random) -> tuple[str, str]:
    """Pick a name and says whether it is a girl's or a boy's."""
    if rng.random() < 0.5:
        return rng.choice(GIRLS), "girl"
    return rng.choice(BOYS), "boy"
