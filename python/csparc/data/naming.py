"""Names of things and of their attributes, found in captions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

COLOUR_WORDS = frozenset(
    ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white", "black", "brown",
     "gray", "grey", "pink", "golden", "gold", "silver", "beige", "tan", "maroon", "turquoise",
     "violet")
)  # fmt: skip
COLOUR_KEYS = ("colour", "color")

_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice",
    "sheep": "sheep", "knife": "knives", "goose": "geese", "foot": "feet", "tooth": "teeth",
    "bus": "buses", "scissors": "scissors", "skis": "skis", "leaf": "leaves", "wolf": "wolves",
    "shelf": "shelves", "loaf": "loaves", "fish": "fish", "deer": "deer", "ox": "oxen",
}  # fmt: skip

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "person": ("man", "woman", "boy", "girl", "child", "kid", "guy", "lady", "player", "skier",
               "snowboarder", "surfer", "skateboarder", "rider", "baby"),
    "bicycle": ("bike",),
    "car": ("automobile", "sedan", "suv"),
    "motorcycle": ("motorbike", "scooter"),
    "airplane": ("plane", "jet", "aeroplane", "aircraft"),
    "truck": ("pickup",),
    "boat": ("ship", "canoe", "kayak", "sailboat"),
    "traffic light": ("stoplight", "stop light", "traffic signal"),
    "fire hydrant": ("hydrant",),
    "bird": ("duck", "seagull", "pigeon", "parrot", "goose", "owl"),
    "cat": ("kitten", "kitty"),
    "dog": ("puppy", "pup"),
    "horse": ("pony", "foal"),
    "sheep": ("lamb", "ram"),
    "cow": ("cattle", "calf", "bull", "ox"),
    "backpack": ("back pack",),
    "handbag": ("purse", "hand bag"),
    "tie": ("necktie",),
    "suitcase": ("luggage", "suit case"),
    "sports ball": ("soccer ball", "tennis ball", "ball"),
    "baseball bat": ("bat",),
    "baseball glove": ("mitt",),
    "tennis racket": ("racket", "racquet", "tennis racquet"),
    "wine glass": ("wineglass", "glass of wine"),
    "cup": ("mug",),
    "donut": ("doughnut",),
    "hot dog": ("hotdog",),
    "chair": ("stool",),
    "couch": ("sofa",),
    "potted plant": ("plant", "houseplant"),
    "dining table": ("table",),
    "tv": ("television", "tv monitor", "monitor"),
    "laptop": ("laptop computer",),
    "remote": ("remote control", "controller"),
    "cell phone": ("cellphone", "phone", "mobile phone", "smartphone"),
    "refrigerator": ("fridge",),
    "teddy bear": ("stuffed bear", "stuffed animal"),
    "hair drier": ("hair dryer", "blow dryer"),
}  # fmt: skip
"""Other words for COCO's categories: csparc's own choice, of what its captions call them."""


def plural(name: str) -> str:
    """The plural of an English noun, whose last word takes it."""
    before, _, last = name.rpartition(" ")
    if last in _IRREGULAR:
        ending = _IRREGULAR[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        ending = f"{last}es"
    elif re.search(r"[^aeiou]y$", last):
        ending = f"{last[:-1]}ies"
    else:
        ending = f"{last}s"
    return f"{before} {ending}" if before else ending


class Naming:
    """Which words of a caption name which things.

    Parameters
    ----------
    names : mapping of str to iterable of str
        Of each thing its name and the other words for it; plurals are found, too.
    attributes : iterable of str
        Words for attributes, which have no plural.
    """

    def __init__(self, names: Mapping[str, Iterable[str]], attributes: Iterable[str] = ()) -> None:
        self._things: dict[str, set[str]] = {}
        for thing, words in names.items():
            for word in {word.lower() for word in words}:
                for form in (word, plural(word)):
                    self._things.setdefault(form, set()).add(thing)
        self._attributes = {word.lower() for word in attributes}
        forms = sorted({*self._things, *self._attributes}, key=lambda word: (-len(word), word))
        either = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in forms)
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.I) if forms else None

    def found(self, text: str) -> list[tuple[int, int, set[str], str | None]]:
        """(start, stop, things, attribute) of each name in ``text``, in order, the longest where
        several begin at one place: either the things that it names, or its attribute."""
        matches = self._pattern.finditer(text) if self._pattern else ()
        result = []
        for match in matches:
            word = " ".join(match[0].lower().split())
            attribute = word if word in self._attributes else None
            result.append((match.start(), match.end(), self._things.get(word, set()), attribute))
        return result
