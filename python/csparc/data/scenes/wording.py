"""The words of captions of scenes, and the sentence that says a logical form."""

from __future__ import annotations

import functools
from collections.abc import Sequence

Words = tuple[tuple[str, str], ...]  # (token, part of speech)
PREFIXES: tuple[Words, ...] = (
    (),
    (("a", "DET"), ("picture", "NOUN"), ("of", "ADP")),
    (("there", "PRON"), ("is", "VERB")),
    (("an", "DET"), ("image", "NOUN"), ("showing", "VERB")),
)
AND: Words = (("and", "CCONJ"),)
COMMA: Words = ((",", "PUNCT"),)
TAIL: Words = (*COMMA, ("i", "PRON"), ("like", "VERB"), ("it", "PRON"))
RELATIONS: dict[str, Words] = {
    "left of": (("left", "ADV"), ("of", "ADP")),
    "right of": (("right", "ADV"), ("of", "ADP")),
    "above": (("above", "ADP"),),
    "below": (("below", "ADP"),),
    "next to": (("next", "ADV"), ("to", "ADP")),
}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
PLURALS = {"cross": "crosses"}


def article(word: str) -> str:
    """What stands before a phrase that begins with ``word``."""
    return "an" if word[0] in "aeiou" else "a"


@functools.cache
def noun_phrase(
    shape: str, colour: str | None, size: str | None = None, texture: str | None = None
) -> Words:
    """'a' [SIZE] [COLOUR] [TEXTURE] NOUN, with what each word is."""
    words = [word for word in (size, colour, texture) if word]
    first = article((*words, shape)[0])
    return ((first, "DET"), *((word, "ADJ") for word in words), (shape, "NOUN"))


def counted(count: int, shape: str) -> Words:
    """'there' BE NUM NOUNS."""
    noun = shape if count == 1 else PLURALS.get(shape, shape + "s")
    verb = "is" if count == 1 else "are"
    return (("there", "PRON"), (verb, "VERB"), (NUMBERS[count], "NUM"), (noun, "NOUN"))


def spoken(form: tuple, before: Sequence[str] = (), behind: Sequence[str] = ()) -> str:
    """A sentence that says a logical form, between the words ``before`` and ``behind``."""
    kind, *rest = form
    if kind == "count":
        words = list(counted(*rest))
    else:
        phrases = [noun_phrase(*part) for part in rest if isinstance(part, tuple)]
        words = [*phrases[0]]
        for place, phrase in enumerate(phrases[1:], 2):
            between = RELATIONS[rest[0]] if kind == "relation" else COMMA
            words += AND if kind == "exists" and place == len(phrases) else between
            words += phrase
    if kind == "on":
        words += (("on", "ADP"), (rest[0], "NOUN"))
    tokens = [*before, *(token for token, _ in words), *behind]
    return " ".join(tokens).replace(" ,", ",")
