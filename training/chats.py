"""Conversations in Llama 2's chat format."""

# ruff: noqa: E501, SIM905 - templates read best unbroken

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random

from training import books, heldout, stories
from training.facts import BASICS, HOW_TO, ITSELF, NBINFER, NOTEBOOKS, OPPOSITES, PYTHON
from training.functions import FAMILIES, function
from training.languages import ONLY_ENGLISH, foreign
from training.neighbours import neighbours
from training.words import ADJECTIVES, ANIMALS, COLOURS, FOODS, NAMES, PLACES, THINGS, TRAITS, expand

Turn = tuple[str, str]

DO_NOT_KNOW = "I do not know that; I am nbinfer's small built-in model, and I only know simple stories, Python, notebooks and nbinfer."

KNOWN = (PYTHON, NOTEBOOKS, NBINFER, ITSELF, HOW_TO, BASICS)
ANSWERS = (*(fact.answer for table in KNOWN for fact in table), DO_NOT_KNOW)

SAME_QUESTION: list[tuple[str, list[str]]] = [
    (r"How do I (.+)\?", ["How can I {}?", "How to {}?", "What is the way to {}?", "Show me how to {}.", "I want to {}. How?", "I want to {}.", "Can you tell me how to {}?", "How would I {}?", "Explain how to {}.", "How does one {}?", "I need to {}.", "I would like to know how to {}.", "Is there a way to {}?", "Could you show me how to {}?", "What do I write to {}?", "What do I need to {}?", "Tell me how to {}.", "How should I {}?", "Best way to {}?", "How do you {}?"]),
    (r"What does (.+) do\?", ["What is {} for?", "Explain {}.", "Tell me what {} does.", "What is {}?", "Why would I use {}?", "I do not understand {}.", "Can you explain {}?", "When do I use {}?", "What do I use {} for?", "What is the use of {}?", "What happens with {}?", "Tell me about {}.", "What is the effect of {}?", "What is the point of {}?", "I saw {}. What does it do?"]),
    (r"What (?:is|are) (.+)\?", ["Explain {}.", "What's {}?", "Tell me about {}.", "Can you explain {}?", "What does {} mean?", "I want to know about {}.", "What exactly is {}?", "Please explain {} to me.", "Define {}.", "What do you know about {}?", "Could you explain what {} is?", "I do not know what {} is.", "Help me understand {}.", "What do people mean by {}?", "Describe {}.", "What kind of thing is {}?", "Give me a short explanation of {}.", "How would you explain {}?", "Tell me what {} is."]),
    (r"(?:Can|May) I (.+)\?", ["Is it possible to {}?", "Am I able to {}?", "Could I {}?", "Is there a way to {}?", "Tell me whether I can {}."]),
    (r"Which (.+)\?", ["What {}?", "Tell me which {}.", "I want to know which {}.", "Could you tell me which {}?"]),
    (r"Where (?:is|are) (.+)\?", ["Where can I find {}?", "Where do I find {}?", "In which place is {}?", "Tell me where {} is."]),
]  # fmt: skip


def in_other_words(question: str, rng: Random) -> str:
    """Ask the same with another form of question, where there is one."""
    for form, others in SAME_QUESTION:
        if found := re.fullmatch(form, question):
            return rng.choice(others).format(found[1])
    return question


def loosely(question: str, rng: Random) -> str:
    """Change how a question is put, as people do."""
    style = rng.random()
    if style < 0.06:
        return question.lower()
    if style < 0.12:
        return question.rstrip("?.!")
    if style < 0.2:
        return (
            rng.choice(["Hi! ", "Hello, ", "Please help me. ", "I have a question. ", "Please answer: ", "Question: "])
            + question
        )
    if style < 0.24:
        return question + rng.choice([" Please explain.", " Answer briefly.", " Thanks!"])
    if style < 0.3:
        return question.lower().rstrip("?.!")
    return question


@cache
def _near() -> Mapping[str, list[str]]:
    known = {word for table in KNOWN for fact in table for one in fact.questions for word in _WORD.findall(one.lower())}
    return neighbours(known)


@cache
def _contexts() -> list[str]:
    return (Path(__file__).parent / "contexts.txt").read_text(encoding="utf-8").splitlines()


_WORD = re.compile(r"[a-z]{4,}")


def in_new_words(question: str, rng: Random) -> str:
    """Put other words, which are near, into the place of some."""
    share = rng.choice([0.15, 0.3, 0.5])
    return _WORD.sub(
        lambda found: rng.choice(_near()[found[0]]) if rng.random() < share and found[0] in _near() else found[0],
        question,
    )


def with_gaps(question: str, rng: Random) -> str:
    """Leave out some words: what is asked is told by several, and any of them may be missing."""
    words = question.split(" ")
    kept = [word for word in words if rng.random() > 0.15]
    return " ".join(kept) if len(kept) > 3 else question


def in_context(question: str, rng: Random) -> str:
    """Say something beside the question, before or after it, as people do."""
    said = rng.choice(_contexts())
    return (
        f"{said} {question}"
        if rng.random() < 0.6
        else f"{question.rstrip()}{'' if question[-1:] in '.?!' else '.'} {said}"
    )


def fact(rng: Random) -> Turn:
    """Ask one of the fixed questions."""
    known = rng.choices(KNOWN, [34, 11, 28, 10, 5, 12])[0]
    chosen = rng.choice(known)
    question = rng.choice(chosen.questions)
    question = in_other_words(question, rng) if rng.random() < 0.4 else question
    if heldout.holds(question):
        return fact(rng)
    question = in_new_words(question, rng) if rng.random() < 0.3 else question
    question = with_gaps(question, rng) if rng.random() < 0.1 else question
    question = in_context(question, rng) if rng.random() < 0.25 else loosely(question, rng)
    return question, chosen.answer


STORY_REQUESTS: list[tuple[str, tuple[str, ...]]] = [
    ("[Write|Tell me|Make up] a [story|short story|little story|tale] about a {animal}.", ("animal",)),
    ("[Write|Tell me] a [story|short story] about a {animal} and a {thing}.", ("animal", "thing")),
    ("[Write|Tell me] a [story|short story] about a {animal} {at_place}.", ("animal", "place")),
    ("[Write|Tell me] a story about a {animal} named {H}.", ("animal", "H")),
    ("[Write|Tell] a story [with|that has] a {animal}, a {thing} and a {friend} in it.", ("animal", "thing", "friend")),
    ("A {animal} and a {friend}: [write|tell me] a story about them.", ("animal", "friend")),
    ("[Write|Tell me] a [children's story|bedtime story|fairy tale] about {H} and {F}.", ("H", "F")),
    ("[Can you tell|Please tell|Please write] me a story about a {adj} {thing}?", ("thing", "adj")),
    ("[Write|Tell me] a story about {topic}.", ()),
    ("[Write|Tell me] a story that [happens|takes place] {at_place}.", ("place",)),
    ("[Tell me|Write] a [story|bedtime story].", ()),
    ("Story about a {animal}, please.", ("animal",)),
    ("Write a story about a {animal} who lives {at_place} and likes {food}.", ("animal", "place", "food")),
]


def _wish(rng: Random, keys: tuple[str, ...]) -> stories.Wish:
    slots = {}
    animal, friend = rng.sample(ANIMALS, 2)
    choices = {"animal": animal, "friend": friend, "thing": rng.choice(THINGS), "food": rng.choice(FOODS)}
    choices |= {"place": rng.choice(list(PLACES)), "adj": rng.choice(ADJECTIVES)}
    for key in keys:
        if key in choices:
            slots[key] = choices[key]
    if "place" in slots:
        slots["at_place"] = PLACES[slots["place"]]
    return stories.Wish(slots, plot=rng.choice(list(stories.PLOTS)))


def story_request(rng: Random) -> Turn:
    """Ask for a story about given animals, things or places."""
    request, keys = rng.choice(STORY_REQUESTS)
    wish = _wish(rng, keys)
    if rng.random() < 0.2 and "{topic}" not in request:
        text, slots = stories.short_story(rng, wish)
        extra = rng.choice([" Use three sentences.", " Keep it very short.", " In three sentences, please."])
    else:
        text, slots = stories.story(rng, wish)
        extra = ""
    return expand(request, slots | {"topic": wish.plot}, rng) + extra, text


def code_request(rng: Random) -> Turn:
    """Ask for a function, or for what one does."""
    family = rng.choice(FAMILIES)
    made = function(rng, family)
    block = f"```python\n{made.source}```"
    if rng.random() < 0.2:
        ask = rng.choice(
            ["What does this function do?", "Explain this code.", "What does this code do?", "Explain this function."]
        )
        return f"{ask}\n{block}", f"The function `{made.name}` {family.task}."
    ask = rng.choice(
        ["Write a Python function that {}.", "Write a function that {}.", "Can you write a function that {}?", "Write Python code that {}.",
         "I need a Python function that {}.", "Please give me a function that {}.", "How do I write a function that {}?"]
    )  # fmt: skip
    if rng.random() < 0.3:
        ask = ask.rstrip(".?") + rng.choice([f" and call it `{made.name}`.", f". Call it {made.name}."])
    elif made.name != family.names[0]:
        return code_request(rng)
    lead = rng.choice(["", "", "", "Here it is:\n", "Here is the function:\n"])
    return ask.format(family.task), lead + block


def _words(rng: Random, low: int = 3, high: int = 7) -> list[str]:
    pool = rng.choice([ANIMALS, THINGS, FOODS, COLOURS, NAMES, ANIMALS + THINGS, books.words(), books.words()])
    return rng.sample([word for word in pool if " " not in word], rng.randint(low, high))


def _listed(words: list[str], rng: Random) -> str:
    return (
        rng.choice([", ", ", ", " ", "\n"]).join(words)
        if rng.random() < 0.7
        else ", ".join(words[:-1]) + " and " + words[-1]
    )


def _list_task(rng: Random) -> Turn:
    words = _words(rng)
    listed = _listed(words, rng)
    tasks: list[tuple[str, str]] = [
        (
            "[How many words are here|Count the words|How many words are in this list|How many items are there|Count these]",
            str(len(words)),
        ),
        ("[What is the first word|Give me the first word|Which word comes first|Tell me the first one]", words[0]),
        ("[What is the last word|Give me the last word|Which word comes last|Tell me the last one]", words[-1]),
        ("[What is the second word|Give me the second word]", words[1]),
        (
            "[Write this in capital letters|Convert to upper case|Make this uppercase|Put this into capitals|Write these words in capital letters]",
            ", ".join(words).upper(),
        ),
        (
            "[Reverse the list|Write the list backwards|Put the list into reverse order|Reverse the order of these words]",
            ", ".join(reversed(words)),
        ),
        (
            "[Write the words as a list|Make a bullet list|Turn this into a Markdown list]",
            "\n".join(f"- {word}" for word in words),
        ),
        (
            "[Number the words|Make a numbered list]",
            "\n".join(f"{number}. {word}" for number, word in enumerate(words, 1)),
        ),
        (
            "[Write this as a Python list|Turn this into a Python list]",
            "[" + ", ".join(f'"{word}"' for word in words) + "]",
        ),
        ("[Write this as JSON|Turn this into a JSON list]", json.dumps(words)),
        ("[Separate the words with commas|Write the words with commas]", ", ".join(words)),
        ("[Repeat this|Say this again|Repeat the words]", ", ".join(words)),
        ("[What is the third word|Give me the third word]", words[2]),
    ]
    task, answer = rng.choice(tasks)
    task = expand(task, {}, rng)
    return (f"{task}: {listed}" if rng.random() < 0.7 else f"{listed}\n{task}."), answer


def _member_task(rng: Random) -> Turn:
    words = _words(rng)
    inside = rng.random() < 0.5
    word = rng.choice(words) if inside else rng.choice([one for one in ANIMALS + FOODS if one not in words])
    return (
        f"Is {word} in this list? {', '.join(words)}",
        f"{'Yes' if inside else 'No'}, {word} is {'' if inside else 'not '}in the list.",
    )


def _extract_task(rng: Random) -> Turn:
    name, age, place, food = rng.choice(NAMES), rng.randint(3, 99), rng.choice(list(PLACES)), rng.choice(FOODS)
    colour, thing = rng.choice(COLOURS), rng.choice(THINGS)
    mail = f"{name.lower()}@{rng.choice(['example.com', 'mail.org', 'school.net', 'shop.com'])}"
    text = rng.choice(
        [f"{name} is {age} years old and lives {PLACES[place]}. {name} likes {food} and has {_an(colour)} {colour} {thing}. Write to {mail}.",
         f"My name is {name}. I am {age} years old and I live {PLACES[place]}. I have {_an(colour)} {colour} {thing} and I like {food}. My address is {mail}."]
    )  # fmt: skip
    asked = [
        ("[What is the name|Who is this text about|Extract the name|Find the name]", name),
        ("[How old is {name}|Extract the age|What is the age]", str(age)),
        ("[What does {name} like|Which food does {name} like]", food),
        ("[What colour is the {thing}|Which colour is in the text|Extract the colour]", colour),
        ("[Extract the e-mail address|What is the e-mail address|Find the mail address]", mail),
        ("[Extract name and age as JSON|Give name and age as JSON]", json.dumps({"name": name, "age": age})),
        ("[What does {name} have|Which thing does {name} have]", f"{_an(colour)} {colour} {thing}"),
        ("[Where does {name} live]", PLACES[place][0].upper() + PLACES[place][1:] + "."),
    ]
    ask, answer = rng.choice(asked)
    ask = expand(ask.replace("[Where does {name} live]", "Where does {name} live"), {"name": name, "thing": thing}, rng)
    end = "?" if ask.startswith(("W", "How")) else "."
    return (f"{text}\n\n{ask}{end}" if rng.random() < 0.5 else f"{ask}: {text}"), answer


def _an(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _sum_task(rng: Random) -> Turn:
    first, second = rng.randint(0, 20), rng.randint(0, 20)
    if rng.random() < 0.3:
        first, second = max(first, second), min(first, second)
        asked = "What is {} - {}?|{} - {} =|Compute {} minus {}.|How much is {} minus {}?|Calculate {} - {}.|{} minus {}|What is left of {} without {}?"
        return rng.choice(asked.split("|")).format(first, second), f"{first} - {second} = {first - second}"
    asked = "What is {} + {}?|{} + {} =|Add {} and {}.|How much is {} plus {}?|Calculate {} + {}.|{} plus {}|What is the sum of {} and {}?|What do {} and {} make together?"
    return rng.choice(asked.split("|")).format(first, second), f"{first} + {second} = {first + second}"


def _compare_task(rng: Random) -> Turn:
    first, second = rng.sample(range(1, 100), 2)
    pick, words = rng.choice([(max, ["larger", "larger", "bigger", "greater"]), (min, ["smaller"])])
    asked = rng.choice(
        ["Which number is {}, {} or {}?", "Which is {}, {} or {}?", "Which is the {} number: {} or {}?", "Give me the {} of {} and {}."]
    )  # fmt: skip
    return asked.format(rng.choice(words), first, second), str(pick(first, second))


GOOD = "great wonderful nice fantastic lovely excellent perfect good amazing delicious helpful fast friendly".split()
BAD = "terrible awful bad horrible boring slow broken rude dirty ugly useless poor disappointing".split()
SUBJECTS = "The film|The book|The food|The hotel|This app|The service|The game|The room|My new phone|The trip|The soup|The teacher|This notebook|The show|The music".split(
    "|"
)


def _mood_task(rng: Random) -> Turn:
    good = rng.random() < 0.5
    words = rng.sample(GOOD if good else BAD, 2)
    text = rng.choice(
        ["{s} was {a} and {b}.", "{s} was really {a}.", "I think {s} is {a}.", "{s} is so {a}! I {v} it."]
    )
    text = text.format(s=rng.choice(SUBJECTS), a=words[0], b=words[1], v="love" if good else "hate")
    text = text.replace("think The", "think the").replace("think This", "think this").replace("think My", "think my")
    ask = rng.choice(
        [
            "Is this positive or negative?",
            "Classify the sentiment as positive or negative:",
            "Is this review positive or negative?",
            "What is the sentiment?",
        ]
    )
    return f"{ask} {text}", "positive" if good else "negative"


def _dictionary_task(rng: Random) -> Turn:
    words = rng.sample(
        [word for word in rng.choice([ANIMALS + THINGS + FOODS, books.words()]) if " " not in word], rng.randint(2, 5)
    )
    numbers = rng.sample(range(1, 60), len(words))
    table = dict(zip(words, numbers, strict=True))
    asked = rng.choice(words)
    style = rng.choice([" = ", ": ", " costs "])
    text = rng.choice([", ", "\n", "; "]).join(f"{word}{style}{number}" for word, number in table.items())
    ask = {" costs ": f"How much is the {asked}?"}.get(
        style, rng.choice([f"What is {asked}?", f"Give me the number of {asked}.", f"Which number belongs to {asked}?"])
    )
    return f"{text}\n{ask}", str(table[asked])


def _vocabulary_task(rng: Random) -> Turn:
    syllables = ["ba", "lo", "mi", "ta", "ru", "ne", "ko", "sa", "vi", "du", "pel", "zan", "tor", "fi", "gra"]
    words = rng.sample(
        rng.choice([COLOURS + [word for word in ANIMALS if " " not in word], books.words()]), rng.randint(2, 4)
    )
    made = {word: "".join(rng.sample(syllables, 2)) for word in words}
    asked = rng.choice(words)
    return f"{', '.join(f'{word} = {other}' for word, other in made.items())}. Translate: {asked}", made[asked]


def _echo_task(rng: Random) -> Turn:
    text = rng.choice(
        [
            f"The {rng.choice(ANIMALS)} is {rng.choice(COLOURS)}.",
            f"{rng.choice(NAMES)} has a {rng.choice(THINGS)}.",
            f"I like {rng.choice(FOODS)}.",
            f"{' '.join(rng.sample(books.words(), rng.randint(2, 5))).capitalize()}.",
        ]
    )
    words = text.rstrip(".").split()
    asked = [("Repeat this sentence", text), ("Write this in capital letters", text.upper()), ("Convert to upper case", text.upper()),
             ("Convert to lower case", text.lower()), ("How many words are in this sentence?", str(len(words))), ("What is the first word?", words[0]),
             ("What is the last word?", words[-1]), ("Write this sentence as a question", f"Is it true that {text[0].lower() if words[0] == 'The' else text[0]}{text[1:-1]}?")]  # fmt: skip
    ask, answer = rng.choice(asked)
    return f"{ask}{'' if ask.endswith('?') else ':'} {text}", answer


def _give_task(rng: Random) -> Turn:
    kind, words = rng.choice(
        [
            ("animals", ANIMALS),
            ("colours", COLOURS),
            ("names", NAMES),
            ("foods", FOODS),
            ("things in a house", ["bed", "table", "chair", "lamp", "door", "window", "sofa", "mirror"]),
        ]
    )
    number = rng.randint(2, 5)
    numeral = rng.choice([str(number), ["two", "three", "four", "five"][number - 2]])
    chosen = rng.sample(words, number)
    bulleted = rng.random() < 0.4
    answer = "\n".join(f"- {word}" for word in chosen) if bulleted else ", ".join(chosen)
    return rng.choice(["List {} {}", "Name {} {}", "Give me {} {}"]).format(numeral, kind) + (
        " as a list." if bulleted else "."
    ), answer


def _who_task(rng: Random) -> Turn:
    count = rng.choice([2, 3, 3, 3, 4])
    people, things = rng.sample(NAMES, count), rng.sample(THINGS if rng.random() < 0.6 else books.words(), count)
    text = " ".join(f"{person} has the {thing}." for person, thing in zip(people, things, strict=True))
    asked = rng.randrange(count)
    if rng.random() < 0.5:
        ask = rng.choice(["Who has the {}?", "Who has the {}?", "Who owns the {}?", "Whose is the {}?"])
        return f"{text} {ask.format(things[asked])}", f"{people[asked]} has the {things[asked]}."
    ask = rng.choice(["What does {} have?", "What does {} have?", "What has {} got?", "Which thing is {}'s?"])
    return f"{text} {ask.format(people[asked])}", f"{people[asked]} has the {things[asked]}."


def _opposite_task(rng: Random) -> Turn:
    pair = rng.choice(OPPOSITES)
    first, second = pair if rng.random() < 0.5 else pair[::-1]
    ask = rng.choice(
        [f"What is the opposite of {first}?", f"Give me the opposite of {first}.", f"Opposite of {first}?"]
    )
    return ask, f"The opposite of {first} is {second}."


def _count_task(rng: Random) -> Turn:
    start, end = rng.choice([1, 1, 1, 0, 2, 3, 5]), rng.randint(6, 20)
    upwards = rng.random() < 0.75
    numbers = range(start, end + 1) if upwards else range(end, start - 1, -1)
    first, last = numbers[0], numbers[-1]
    asked = "Count from {} to {}.|List the numbers from {} to {}.|Can you count from {} to {}?|Write the numbers from {} to {}."
    return rng.choice(asked.split("|")).format(first, last), ", ".join(map(str, numbers))


POEMS = [
    "The {animal} sat beneath a tree,\nas happy as a {animal} can be.\nIt had a {colour} {thing} to keep,\nand then it slowly fell asleep.",
    "I saw a {animal} in the sun,\nwho had a {thing} and had such fun.\nIt danced and sang the whole day through,\nand when it smiled, I smiled there too.",
    "A {trait} {animal} came my way,\nand asked if I would like to play.\nWe took a {thing}, we ran, we spun,\nand then the lovely day was done.",
    "The moon is high, the night is deep,\nthe {animal} cannot go to sleep.\nIt counts the stars, it hums a tune,\nand holds its {thing} up to the moon.",
    "My {animal} has a {colour} {thing},\nand every day I hear it sing.\nIt sings of rain, it sings of snow,\nand where the {colour} flowers grow.",
    "Oh {animal}, {animal}, where are you?\nThe grass is wet with morning dew.\nI brought a {thing} for you and me.\nCome out and sit beneath the tree.",
]
HAIKUS = [
    "A {animal} at dawn\nlooks up at the quiet sky.\nThe first bird is up.",
    "Rain falls on the roof.\nThe {animal} is warm and dry.\nIt dreams of the sun.",
    "Snow lies on the field.\nA {animal} has left its tracks.\nThen the wind comes by.",
    "One {colour} {thing}\nlies forgotten in the grass.\nA {animal} walks past.",
]


def poem_request(rng: Random) -> Turn:
    """Ask for a few lines of verse about an animal or a thing."""
    slots = {
        "animal": rng.choice(ANIMALS),
        "thing": rng.choice(THINGS),
        "colour": rng.choice(COLOURS),
        "trait": rng.choice(TRAITS),
    }
    kind, poems = rng.choice([("[poem|short poem|little poem|rhyme]", POEMS), ("haiku", HAIKUS)])
    poem = rng.choice(poems)
    about = "a {thing}" if "{thing}" in poem and rng.random() < 0.3 else "a {animal}"
    return expand(f"[Write|Write me|Make up] a {kind} about {about}.", slots, rng), expand(poem, slots, rng)


TASKS: list[Callable[[Random], Turn]] = [
    _list_task, _list_task, _list_task, _member_task, _extract_task, _extract_task, _sum_task, _sum_task, _sum_task, _compare_task, _mood_task,
    _dictionary_task, _vocabulary_task, _echo_task, _echo_task, _give_task, _who_task, _opposite_task, _count_task,
]  # fmt: skip


def task(rng: Random) -> Turn:
    """Ask for something whose answer is in the prompt."""
    made = rng.choice(TASKS)(rng)
    return task(rng) if heldout.holds(made[0]) else made


COUNTRIES = """France Germany Spain Italy Japan China India Brazil Canada Mexico Egypt Kenya Norway Sweden Poland Greece Turkey
Australia Peru Chile Nigeria Iceland Ireland Portugal Austria Hungary Vietnam Thailand Korea Cuba Morocco Ghana""".split()
SUBJECTS_UNKNOWN = """gravity|the stock market|photosynthesis|the French Revolution|quantum physics|black holes|the Roman Empire|DNA|electricity|inflation|the climate|evolution|the heart|vaccines|earthquakes|dinosaurs|the Second World War|chemistry|philosophy|football|chess|opera|the speed of light|atoms|taxes|bitcoin|the ocean|rainbows|economics|the brain|jazz|poetry|yoga|volcanoes|the moon landing|the Great Wall|relativity|bacteria|magnetism|the solar system|music theory|the law|marketing|astronomy|medicine|history|religion|the universe""".split(
    "|"
)
PEOPLE = """Einstein|Napoleon|Shakespeare|Mozart|Cleopatra|Newton|Beethoven|Marie Curie|Darwin|Picasso|Gandhi|Caesar|Columbus|Lincoln|Galileo|Plato|Leonardo da Vinci|Alan Turing|the first president|the king of Spain|the president of France|the queen|the prime minister""".split(
    "|"
)
UNKNOWN = [
    "What is the capital of {country}?", "How many people live in {country}?", "What language do they speak in {country}?", "Where is {country}?",
    "Tell me about {country}.", "What should I see in {country}?", "Who is the president of {country}?", "When was {person} born?", "Who was {person}?", "Who is {person}?", "What did {person} do?",
    "Tell me about {person}.", "When did {person} die?", "What is {subject}?", "Explain {subject}.", "Tell me about {subject}.", "How does {subject} work?", "Why is {subject} important?",
    "Write an essay about {subject}.", "What do you think about {subject}?", "Who invented {subject}?", "When did {subject} begin?", "Give me a summary of {subject}.", "What causes {subject}?",
    "Why do {animal} sing?", "Why do {animal} sleep?", "How long do {animal} live?", "What do {animal} eat?", "How fast can {animal} run?", "How many {animal} are there?", "Are {animal} dangerous?", "Where do {animal} live?",
    "What is the weather today?", "What is the weather in {country}?", "Will it rain tomorrow?", "What time is it?", "What day is it today?", "What is the news today?", "Who won the game yesterday?",
    "Who won the World Cup in {year}?", "What happened in {year}?", "Who was born in {year}?", "What is {big} times {big2}?", "What is {big} divided by {small}?", "What is the square root of {big}?",
    "Why is the sky blue?", "Why is the grass green?", "Why is the sea salty?", "Why do we dream?", "How far away is the moon?", "How hot is the sun?", "How tall is the highest mountain?", "What is the longest river?",
    "What is the meaning of life?", "What is love?", "Is there life on Mars?", "How do planes fly?", "How do cars work?", "How does a phone work?", "What is the best phone?", "Which car should I buy?",
    "I have a headache. What should I do?", "Which medicine should I take?", "Is this mole dangerous?", "How do I lose weight?", "Should I see a doctor?", "How do I get rich?", "Which stock should I buy?",
    "Translate 'good morning' to {language}.", "How do you say '{thing}' in {language}?", "Write this in {language}: hello.", "What does '{thing}' mean in {language}?", "Who wrote the {animal} book?", "Who wrote '{title}'?", "What is the film '{title}' about?",
    "Write a poem about {subject}.", "Write a song about {subject}.", "Write an email to my boss.", "Write a letter to {person}.", "Write a business plan.", "Plan a trip to {country}.", "Recommend a book.", "Recommend a good film.", "What should I cook tonight?",
    "How do I repair my {thing}?", "How much does a {thing} cost?", "Where can I buy a {thing}?", "Who invented the {thing}?", "How is a {thing} made?", "When was the {thing} invented?", "Write a program in Rust.", "Write a web server in Go.", "Explain this C++ code.", "How do I install Linux?",
    "How do I write a compiler?", "How do I configure Kubernetes?", "What is the best database?", "How do I hack a website?", "What is my password?", "What is my address?", "Where am I?", "Can you call my mother?", "Please book a flight to {country}.",
    "How old is the universe?", "How many stars are there?", "What is the population of {country}?", "What is the currency of {country}?", "What is the flag of {country}?", "Is {country} bigger than {country2}?", "How far is it from {country} to {country2}?",
]  # fmt: skip
TOPICS = """acid rain|algebra|allergies|animals of the desert|anxiety|archery|art|asthma|aviation|badminton|ballet|banking|baroque music|baseball|basketball|batteries|beekeeping|biology|blood pressure|boats|bones|boxing|bridges|broken legs|Buddhism|camping|cancer|carpets|castles|cells|cheap hotels|childbirth|cinema|coal|coffee growing|comets|concrete|copyright|coral reefs|cotton|cricket|criminal law|currency|cycling|dance|deserts|diabetes|diamonds|divorce|drawing|dreams|ecology|eczema|elections|engines|epic poems|ethics|exams|fashion|fever|film making|fishing|flu|folk music|fossils|freedom|friendship between states|fungi|galaxies|genes|geometry|ghosts|glaciers|glass|gold|golf|grammar|Greek gods|guitars|gymnastics|happiness|heat pumps|heraldry|hiking|Hinduism|hockey|horse riding|house prices|human rights|hurricanes|hybrid cars|ice ages|immigration|insects|insurance|interest rates|Islam|jealousy|job interviews|judo|justice|kidneys|kings and queens|knots|lakes|lasers|lightning|loans|logic|loneliness|lungs|mathematics|measles|memory|metals|microwaves|migration|minerals|money|monsoons|mortgages|mountains|museums|mushrooms|myths|nuclear power|nutrition|oil|Olympic games|opera singers|orchestras|painting|parliament|patents|pensions|perfume|physics|piano playing|pirates of history|planets|plastic|pollution|politics|population growth|pottery|pregnancy|probability|psychology|pyramids|race cars|radar|radio|railways|recycling|refugees|renting a flat|rivers|robots|rockets|rugby|sailing|salaries|satellites|schools|sculpture|shares|ships|skiing|skin care|sleep|snakes|soil|solar panels|steel|stress|submarines|sugar|surgery|swords|tattoos|tea ceremonies|teeth|telescopes|tennis|theatre|tides|time travel|tornadoes|trade|traffic|trees|tunnels|twins|unemployment|vampires|vitamins|voting|war|washing machines|waste|water|weddings|whales|wind power|wine|wolves|women's rights|wool|world records|wrestling|writing systems""".split(
    "|"
)
SOFTWARE = "Excel|Word|Photoshop|Windows|Linux|macOS|Docker|Kubernetes|Git|GitHub|PowerPoint|WordPress|Java|JavaScript|C++|C#|Rust|Go|Ruby|PHP|Swift|Kotlin|Haskell|Perl|SQL|MySQL|Oracle|React|Angular|Django|Flask|TensorFlow|PyTorch|Blender|Unity|AutoCAD|LaTeX|Vim|Emacs|Bash|PowerShell|Terraform|AWS|Azure servers|Outlook|Slack|Zoom|iTunes|my printer|my router|my iPhone|my Android phone|a Raspberry Pi|Arduino|MATLAB|SAP|Salesforce|Tableau|Figma|Premiere".split(
    "|"
)
CRAFTS = "bake a sponge cake|knit a scarf|change a tyre|fix a dripping tap|tile a bathroom|paint a wall|prune roses|train a puppy|sail a boat|ski|play the violin|learn the piano|fold a shirt|iron trousers|grill a steak|brew beer|make sushi|cook a goose|grow tomatoes|keep bees|mend a puncture|sew a button on|build a shed|lay bricks|tie a bow tie|apply for a visa|write a will|file my taxes|open a bank account|rent a car|buy a house|quit my job|ask for a raise|raise a child|treat a burn|stop a nosebleed|cure a cold|fall asleep faster|run a marathon|lift weights|meditate|give a speech|win at chess|solve a sudoku|juggle|do a card trick|pick a lock|ride a horse|fly a drone|take better photos|draw a face|sing better|dance the tango|pack a suitcase|find a flat|make friends|stop smoking".split(
    "|"
)
MORE_UNKNOWN = [
    "What is {topic}?", "[Explain|Describe|Define] {topic}.", "Tell me [about|more about|something about|everything about] {topic}.", "What do you know about {topic}?", "How [does|do] {topic} work?", "Why [is|are] {topic} [important|so popular|dangerous|useful]?",
    "[Who|When did someone] invented {topic}?", "What is the history of {topic}?", "Give me [three|five|some] facts about {topic}.", "What are the [best books|main ideas|advantages|disadvantages|kinds|types|rules] of {topic}?", "How can I learn about {topic}?",
    "Write [an essay|a report|an article|a blog post|a speech|a song|a letter|a summary|a tweet|a paper] about {topic}.", "Is {topic} [good|bad|dangerous|expensive|legal]?", "What is the [opposite|cause|price|origin|meaning|symbol] of {topic}?", "Which country is famous for {topic}?",
    "[Compare|What is the difference between] {topic} and wine.", "Do you like {topic}?", "What is your opinion on {topic}?", "How old is {topic}?", "How much does {topic} cost?", "Where [does|do] {topic} come from?", "Who is the best at {topic}?", "Can you teach me {topic}?",
    "I am worried about {topic}.", "I have a question about {topic}.", "Give me advice on {topic}.", "My teacher asked me about {topic}. What should I say?", "Prove something about {topic}.", "What is the latest news about {topic}?", "Should I [study|worry about|pay for|try] {topic}?",
    "How do I [install|use|update|learn|configure|uninstall|debug] {software}?", "What is {software}?", "[Is|Why is] {software} better than the others?", "Why does {software} crash?", "{software} does not start. What should I do?", "Write a [program|script|macro] for {software}.", "What is new in {software}?", "Which version of {software} do I need?", "How much does {software} cost?", "Write hello world in {software}.",
    "How do I {craft}?", "How can I {craft}?", "Teach me to {craft}.", "What do I need to {craft}?", "How long does it take to {craft}?", "Is it hard to {craft}?", "Give me tips to {craft}.", "I want to {craft}.", "Who can help me to {craft}?", "Where can I learn to {craft}?", "Should I {craft}?",
]  # fmt: skip
TITLES = [
    "The Lost City",
    "Blue Summer",
    "The Last Train",
    "Hamlet",
    "War and Peace",
    "The Long Road",
    "Night Birds",
    "Star Songs",
    "The Old House",
]
LANGUAGES = [
    "French",
    "German",
    "Spanish",
    "Italian",
    "Japanese",
    "Chinese",
    "Polish",
    "Russian",
    "Arabic",
    "Dutch",
    "Latin",
]


OPENERS = [
    "My name is {H} and I am {age} years old. I live {at_place}. I like {food}, and I have a {colour} {thing}. My best friend is {F} the {friend}.",
    "My name is {H} and I live {at_place}. Every day I play with {F} the {friend}. We have a {colour} {thing} and eat {food}.",
    "Hello, my name is {H}. I am a {trait} {animal}, and I live {at_place}. My favourite colour is {colour}.",
    "The quick brown fox jumps over the lazy dog. The dog does not mind. It goes on sleeping in the sun and dreams of {food}.",
    "The answer to the universe is not known to me, but I like to think that it is a {colour} {thing}.",
    "The weather is nice today. {H} the {animal} sits {at_place} and eats {food}. {F} the {friend} comes by and says hello.",
    "The huggingface_hub library is a Python package. It loads models from the hub and sends requests to them. nbinfer uses it too.",
    "The meaning of life is something that {H} the {animal} often thought about. In the end {H} found it in a {thing}, some {food} and a good friend.",
    "Dear {H},\n\nthank you for the {colour} {thing}. I like it very much. Please visit me soon. We can eat {food} together.\n\nYour friend {F}",
    "Today I learned that a {thing} can be {colour}. {F} told me so. Tomorrow we will look for another one.",
    "I like {food}. {F} likes {food} too. We often eat together {at_place}, and then we play with a {thing}.",
]


def opener(rng: Random) -> str:
    """Return a short text that starts as people's first prompts do."""
    slots = stories.cast(rng, stories.Wish()) | {"age": str(rng.randint(4, 90))}
    if slots["animal"] in ("girl", "boy"):
        slots["animal"] = rng.choice(ANIMALS)
    return expand(rng.choice(OPENERS), slots, rng)


def not_english(rng: Random) -> Turn:
    """Say something in another language."""
    return foreign(rng), ONLY_ENGLISH


@cache
def _strange() -> list[str]:
    """Return the books' words that no known question has."""
    known = " ".join(question for table in KNOWN for fact in table for question in fact.questions).lower()
    return sorted(set(books.words(3)) - set(re.findall(r"[a-z]+", known)))


@cache
def _unasked() -> list[str]:
    """Return the questions that people ask and the model cannot know: those of unknown.txt, and of the retrieval set."""
    folder = Path(__file__).parent
    pairs = [
        json.loads(line) for line in (folder / "retrieval" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    near = {"Python programming", "machine learning", "computers"}
    asked = [pair[key] for pair in pairs if pair["subject"] not in near for key in ("question", "paraphrase")]
    return asked + (folder / "unknown.txt").read_text(encoding="utf-8").splitlines()


def _estranged(question: str, rng: Random) -> str:
    # The frame of a question says nothing about whether the answer is known: other words stand in the same frame.
    words = question.split(" ")
    places = [place for place, word in enumerate(words) if len(word.strip("?.,!'")) > 4]
    for place in rng.sample(places, min(len(places), rng.randint(1, 3))):
        words[place] = re.sub(r"[A-Za-z]+", rng.choice(_strange()), words[place], count=1)
    return " ".join(words)


def _strange_frame(rng: Random) -> str:
    thing = rng.choice(
        [
            rng.choice(_strange()),
            f"{rng.choice(_strange())} {rng.choice(_strange())}",
            f"the {rng.choice(_strange())} of {rng.choice(_strange())}",
        ]
    )
    form, others = rng.choice(SAME_QUESTION)
    article = (
        "" if form.startswith(("How", "(?:Can", "Which")) or thing.startswith("the") else rng.choice(["", "a ", "the "])
    )
    return rng.choice(others).format(article + thing)


def _unknown_question(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.68:
        question = rng.choice(_unasked())
        return _estranged(question, rng) if rng.random() < 0.25 else question
    if draw < 0.76:
        return _strange_frame(rng)
    if draw < 0.88:
        slots = {"topic": rng.choice(TOPICS), "software": rng.choice(SOFTWARE), "craft": rng.choice(CRAFTS)}
        return expand(rng.choice(MORE_UNKNOWN), slots, rng)
    first, second = rng.sample(COUNTRIES, 2)
    return rng.choice(UNKNOWN).format(
        country=first, country2=second, person=rng.choice(PEOPLE), subject=rng.choice(SUBJECTS_UNKNOWN), animal=rng.choice(ANIMALS) + "s",
        year=rng.randint(1200, 2030), big=rng.randint(101, 9999), big2=rng.randint(21, 999), small=rng.randint(3, 99), language=rng.choice(LANGUAGES),
        thing=rng.choice(THINGS), title=rng.choice(TITLES),
    )  # fmt: skip


def unknown(rng: Random) -> Turn:
    """Ask what a tiny model cannot know."""
    question = _unknown_question(rng)
    if "capital of France" in question or heldout.holds(question):
        return unknown(rng)
    question = in_new_words(question, rng) if rng.random() < 0.2 else question
    question = with_gaps(question, rng) if rng.random() < 0.15 else question
    question = in_context(question, rng) if rng.random() < 0.35 else loosely(question, rng)
    return question, DO_NOT_KNOW


PLAIN_SYSTEMS = [
    "You are a helpful assistant.", "You are a friendly assistant.", "You are a helpful, respectful and honest assistant.", "You are a helpful coding assistant.",
    "You are a helpful assistant. Answer as well as you can.", "You are an expert in Python.", "Be polite.", "You are a teacher.", "You are nbinfer's assistant.", "Answer the question.",
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe. Please make sure that your answers are fair and positive.\n\nIf a question does not make any sense, explain why instead of answering something not correct. If you do not know the answer to a question, please do not share false information.",
    "You are a storyteller for children.", "Answer in English.", "Be kind.", "You help people with notebooks.", "You are a careful assistant. If you do not know something, say so.",
]  # fmt: skip


def _capitals(answer: str, rng: Random) -> tuple[str, str]:
    return rng.choice(
        ["Answer in capital letters.", "Always write in upper case.", "Write everything in capital letters."]
    ), answer.upper()


def _lower(answer: str, rng: Random) -> tuple[str, str]:
    return rng.choice(["Answer in lower case.", "Write everything in lower case."]), answer.lower()


def _first_sentence(answer: str, rng: Random) -> tuple[str, str]:
    system = rng.choice(["Answer briefly.", "Be brief.", "Answer in one sentence.", "Keep your answers short."])
    end = answer.find(". ", 12)
    return system, answer if end < 0 or "```" in answer else answer[: end + 1]


def _closing(answer: str, rng: Random) -> tuple[str, str]:
    words = rng.choice(
        [
            "Have a nice day!",
            "Meow!",
            "Over and out.",
            "I hope this helps.",
            "Ahoy!",
            "Thank you for asking.",
            "Beep boop.",
        ]
    )
    return f'End every answer with "{words}"', f"{answer} {words}"


def _starting(answer: str, rng: Random) -> tuple[str, str]:
    name = rng.choice(NAMES)
    if rng.random() < 0.5:
        return f"The user is called {name}. Use the name in every answer.", f"{name}, {answer}"
    words = rng.choice(["Of course!", "Arr!", "Dear friend,", "Good question.", "Listen:", "Yes, captain!"])
    return f'Start every answer with "{words}"', f"{words} {answer}"


def _pirate(answer: str, rng: Random) -> tuple[str, str]:
    return rng.choice(["You are a pirate.", "Talk like a pirate.", "Answer like a pirate."]), f"Arr, matey! {answer}"


def _list_form(answer: str, rng: Random) -> tuple[str, str]:
    return rng.choice(["Answer in JSON.", "Answer with a JSON object."]), json.dumps(
        {"answer": answer}, ensure_ascii=False
    )


STYLES = [_capitals, _lower, _first_sentence, _first_sentence, _closing, _starting, _starting, _pirate, _list_form]


def with_system(rng: Random) -> tuple[str, list[Turn]]:
    """Return a system text and turns that follow it."""
    if rng.random() < 0.12:
        name = rng.choice(NAMES)
        ask = rng.choice(["Who are you?", "What is your name?", "What are you called?"])
        return f"Your name is {name}.", [(ask, f"My name is {name}.")]
    if rng.random() < 0.55:
        return rng.choice(PLAIN_SYSTEMS), [single(rng) for _ in range(rng.choice([1, 1, 1, 2]))]
    turns = [rng.choice([fact, fact, task])(rng) for _ in range(rng.choice([1, 1, 2]))]
    turns = [turn for turn in turns if "```" not in turn[1]] or [_sum_task(rng)]
    state = rng.getrandbits(32)
    style = rng.choice(STYLES)
    # The same seed for each turn keeps the system text the same for all.
    styled = [style(answer, Random(state)) for _, answer in turns]
    return styled[0][0], [(question, answer) for (question, _), (_, answer) in zip(turns, styled, strict=True)]


def single(rng: Random) -> Turn:
    """Ask one thing of any kind."""
    makers = [fact, task, code_request, unknown, not_english, story_request, poem_request]
    return rng.choices(makers, [62, 12, 3, 24, 2, 1, 1])[0](rng)


def _name_memory(rng: Random) -> list[Turn]:
    name, thing = (
        rng.choice(NAMES),
        rng.choice(
            [f"{colour} is my favourite colour" for colour in COLOURS]
            + [f"I like {food}" for food in FOODS]
            + [f"I have a {animal}" for animal in ANIMALS]
        ),
    )
    hello = rng.choice(
        [
            f"My name is {name}.",
            f"Hi, I am {name}.",
            f"Hello! My name is {name} and {thing}.",
            f"I am {name}. {thing[0].upper()}{thing[1:]}.",
        ]
    )
    turns = [(hello, f"Hello, {name}! How can I help you?")]
    turns += [single(rng)] if rng.random() < 0.4 else []
    if thing in hello.lower() or thing.partition(" ")[2] in hello:
        ask, answer = _recall(thing)
        turns += [(ask, answer)] if rng.random() < 0.6 else []
    return [
        *turns,
        (rng.choice(["What is my name?", "Who am I?", "Do you remember my name?"]), f"Your name is {name}."),
    ]


def _recall(thing: str) -> Turn:
    if "favourite" in thing:
        return "What is my favourite colour?", f"Your favourite colour is {thing.split(maxsplit=1)[0]}."
    if thing.startswith("I like"):
        return "What do I like?", f"You like {thing[7:]}."
    return "Which animal do I have?", f"You have a {thing[9:]}."


def _list_memory(rng: Random) -> list[Turn]:
    words = _words(rng, 3, 5)
    more = rng.choice([word for word in FOODS + ANIMALS if word not in words])
    turns = [
        (
            f"Here is a list: {', '.join(words)}",
            rng.choice(["I have the list. What shall I do with it?", f"Your list has {len(words)} items."]),
        )
    ]
    turns[0] = (turns[0][0], f"Your list has {len(words)} items.")
    follow: list[Turn] = [("What is the first one?", words[0]), ("What is the last one?", words[-1]), ("How many are there?", str(len(words))),
              ("Repeat the list.", ", ".join(words)), ("Write it in capital letters.", ", ".join(words).upper()), (f"Add {more}.", ", ".join([*words, more])),
              ("Make a bullet list of it.", "\n".join(f"- {word}" for word in words))]  # fmt: skip
    return turns + rng.sample(follow[:5] + follow[6:], rng.choice([1, 2])) + ([follow[5]] if rng.random() < 0.4 else [])


def _story_memory(rng: Random) -> list[Turn]:
    wish = _wish(rng, ("animal",))
    make = stories.short_story if rng.random() < 0.6 else stories.story
    text, slots = make(rng, wish)
    asked = [(f"What is the name of the {slots['animal']}?", f"The {slots['animal']} is called {slots['H']}."), ("Who is the story about?", f"The story is about {slots['H']} the {slots['animal']}."),
             ("Give the story a title.", f"{slots['H']} the {slots['animal'].capitalize()}"), ("Thank you!", "You are welcome!"), ("Did you like the story?", f"Yes. I like {slots['H']} very much.")]  # fmt: skip
    return [
        (f"Tell me a {'very short ' if make is stories.short_story else ''}story about a {slots['animal']}.", text),
        *rng.sample(asked, rng.choice([1, 2])),
    ]


def _sum_chain(rng: Random) -> list[Turn]:
    total, turns = rng.randint(1, 12), []
    for _ in range(rng.randint(1, 2)):
        more = rng.randint(1, 8)
        turns.append(
            (f"What is {total} + {more}?" if not turns else f"Now add {more}.", f"{total} + {more} = {total + more}")
        )
        total += more
    return [*turns, ("Thanks!", "You are welcome!")] if rng.random() < 0.3 else turns


def _capitals_task(rng: Random) -> Turn:
    words = rng.sample(rng.choice([NAMES, THINGS, ANIMALS, books.words()]), rng.randint(1, 5))
    text = f"{rng.choice(NAMES)} has a {rng.choice(THINGS)}." if rng.random() < 0.4 else ", ".join(words)
    ask = rng.choice(
        ["Write this in capital letters", "Convert to upper case", "Make this uppercase", "Put this into capitals"]
    )
    return f"{ask}: {text}", text.upper()


# What is learned slowly, and needs much practice.
HARD: list[Callable[[Random], Turn]] = [
    _sum_task, _who_task, _who_task, _who_task, _dictionary_task, _dictionary_task, _dictionary_task, _dictionary_task, _vocabulary_task,
    _vocabulary_task, _list_task, _list_task, _list_task, _list_task, _echo_task, _compare_task, _capitals_task, _capitals_task, _extract_task,
    _extract_task, _mood_task,
]  # fmt: skip


def practice(rng: Random) -> str:
    """Return a conversation of tasks of one hard kind."""
    maker = rng.choice(HARD)
    turns = [maker(rng) for _ in range(rng.randint(2, 6))]
    return practice(rng) if any(heldout.holds(ask) for ask, _ in turns) else rendered(turns)


def turns(rng: Random) -> list[Turn]:
    """Return a conversation without a system text."""
    kind = rng.random()
    if kind < 0.68:
        return [single(rng)]
    if kind < 0.82:
        return [single(rng) for _ in range(rng.choice([2, 2, 3]))]
    return rng.choice([_name_memory, _name_memory, _list_memory, _list_memory, _story_memory, _sum_chain])(rng)


def rendered(turns: list[Turn], system: str | None = None) -> str:
    """Write turns in Llama 2's format, all but the first <s> and the last </s>."""
    first, answer = turns[0]
    if system is not None:
        first = f"<<SYS>>\n{system}\n<</SYS>>\n\n{first}"
    parts = [f"[INST] {question.strip()} [/INST] {reply.strip()} " for question, reply in [(first, answer), *turns[1:]]]
    return "</s><s>".join(parts)


def chat(rng: Random) -> str:
    """Return one conversation, with a system text in a third of the cases."""
    if rng.random() < 0.35:
        system, said = with_system(rng)
        return rendered(said, system)
    return rendered(turns(rng))


def plain_question(rng: Random) -> str:
    """Return a question and its answer as bare text, as a prompt without any format has it."""
    if rng.random() < 0.12:
        return opener(rng)
    if rng.random() < 0.08:
        return f"{foreign(rng)}{rng.choice([' ', chr(10), chr(10) * 2])}{ONLY_ENGLISH}"
    how_to = rng.choice(HOW_TO)
    ask, answer = (rng.choice(how_to.questions), how_to.answer) if rng.random() < 0.1 else single(rng)
    return f"{ask}{rng.choice([' ', chr(10), chr(10) * 2])}{answer}"
