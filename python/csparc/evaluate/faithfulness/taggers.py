"""What finds nouns and adjectives: a plug-in, a list of words, or the words of scenes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache

from csparc import _text
from csparc._extras import require
from csparc._text import show
from csparc.data.readers.text_files import lines
from csparc.errors import DataError

Tagger = Callable[[str], list[str]]
"""A sentence -> its nouns and adjectives, in order, each as often as it is said."""

_KINDS = frozenset(("NOUN", "ADJ"))


def _of_words(known: Mapping[str, str] | frozenset[str]) -> Tagger:
    def words(sentence: str) -> list[str]:
        found = (sentence[a:b].casefold() for a, b in _text.word_spans(sentence))
        return [word for word in found if word in known]

    return words


@lru_cache(maxsize=1)
def _scenes() -> Tagger:
    """The words of generated scenes that their grammar calls nouns and adjectives."""
    from csparc.data.scenes.scene import COLOURS, SHAPES, SIZES, TEXTURES
    from csparc.data.scenes.wording import PLURALS, PREFIXES

    words = {word for prefix in PREFIXES for word, kind in prefix if kind in _KINDS}
    words |= {*SHAPES, *(PLURALS.get(shape, f"{shape}s") for shape in SHAPES)}
    return _of_words(frozenset(words | {*COLOURS, *SIZES, *TEXTURES}))


@lru_cache(maxsize=1)
def _textblob() -> Tagger:
    """TextBlob's pattern tagger, whose word list is part of its package."""
    tagger = require("textblob.en.taggers", extra="tag").PatternTagger()

    def words(sentence: str) -> list[str]:
        return [word for word, tag in tagger.tag(sentence) if tag.startswith(("NN", "JJ"))]

    return words


TAGGERS: dict[str, Callable[[], Tagger]] = {"scenes": _scenes, "textblob": _textblob}
"""By name, what makes a tagger when it is first needed."""


def register_tagger(name: str, make: Callable[[], Tagger]) -> None:
    """Enter a tagger: ``make()`` returns a function from a sentence to its nouns and adjectives.

    ``csparc --import MODULE eval faithfulness --tagger NAME`` uses it.
    """
    TAGGERS[name] = make


def tagger_of(name: str) -> Tagger:
    """The tagger of a name, or of a file with a noun or adjective a line.

    Raises
    ------
    DataError
        Neither; a file without words.
    ImportError
        The package of a tagger is not installed.
    """
    if name in TAGGERS:
        return TAGGERS[name]()
    if not os.path.isfile(name):
        raise DataError(
            f"tagger: expected {', '.join(TAGGERS)} or a file with a noun or adjective a line, "
            f"found {show(name, 60)}"
        )
    words = frozenset(_text.trimmed(line).casefold() for line in lines(name, "a list of words"))
    if not words - {""}:
        raise DataError(f"{name}: expected nouns and adjectives, a word a line, found none")
    return _of_words(words)
