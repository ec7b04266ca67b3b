"""What a line, a word and an empty text are, the same in the whole program; parts of messages."""

from __future__ import annotations

import codecs
import re
import unicodedata

_LINE_END = re.compile(r"\r\n|\r|\n")

# A contraction's end, letters and digits with inner apostrophes, or a run of other characters.
_WORD = re.compile(r"['’](?:s|t|re|ve|m|ll|d)\b|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]+|_+", re.I)

_MARKS = ("Mn", "Mc", "Me")
_HIDDEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
_SPACE_OF_NO_WIDTH = "\u200b"

# Letters, symbols and marks by category of which nothing is seen: fillers, selectors of a shape.
_FILLERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")

# Left over at the ends of a text by whatever wrote it; joiners and selectors end emoji.
_EDGES = "\ufeff\u200b\u2060"

_MARKED = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def lines_of(text: str) -> list[str]:
    """The lines of a text: they end at a line feed, a carriage return, or both, and nowhere else.

    Other characters that part paragraphs or pages (U+2028, NEL, form feed) stand inside a line. A
    last line without characters is none.
    """
    found = _LINE_END.split(text)
    return found if found[-1] else found[:-1]


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen: it is empty, or of white space and invisible characters.

    Invisible are control and format characters (joiners, byte-order marks, marks of direction),
    fillers such as U+3164, and selectors of a shape.
    """
    if text[:1].isascii() and text[:1].isalnum():
        return False
    return all(
        letter.isspace() or letter in _FILLERS or unicodedata.category(letter) in _HIDDEN
        for letter in text
    )


def trimmed(text: str) -> str:
    """A text without white space, byte-order marks and spaces of no width at its ends."""
    before = None
    while text != before:
        before, text = text, text.strip().strip(_EDGES)
    return text


def one_line(text: str) -> str:
    """A text on one line: runs of white space become one blank each, and the ends are `trimmed`."""
    return " ".join(trimmed(text).split())


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end (exclusive).

    A word is a run of letters and digits with the marks above, below and beside them, with what
    joins them without being seen (U+200C, U+200D, the soft hyphen, marks of direction) and with
    apostrophes inside; an English contraction's end (``'s``) is a word of its own. A run of other
    characters, such as punctuation or an emoji with its joiners and selectors, is one word. Scripts
    that put no blanks between words give one word for each run.
    """
    return [found.span() for found in _WORD.finditer(_skeleton(text))]


def _skeleton(text: str) -> str:
    """As many characters, where marks and joiners look like the letter or symbol before them."""
    if text.isascii():
        return text
    found: list[str] = []
    for letter in text:
        category = unicodedata.category(letter)
        before = found[-1] if found else " "
        if letter in _BLANK_LETTERS or letter == _SPACE_OF_NO_WIDTH:
            letter = " "
        elif category in _MARKS:
            letter = "x" if before.isalnum() else "."
        elif category == "Cf":
            letter = "x" if before.isalnum() else " " if before.isspace() else "."
        found.append(letter)
    return "".join(found)


def encoding_of(head: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-16 and UTF-32 by their byte-order mark, UTF-16
    without one by its zero bytes, else UTF-8 (a byte-order mark of which is dropped)."""
    for mark, name in _MARKED:
        if head.startswith(mark):
            return name
    high, low = any(head[0:128:2]), any(head[1:128:2])
    if len(head) >= 4 and high != low:
        return "utf-16-le" if high else "utf-16-be"
    return "utf-8-sig"


def decoded(content: bytes) -> str:
    """The text of a whole file, by `encoding_of`.

    Raises
    ------
    UnicodeDecodeError
        It is in another encoding.
    """
    return content.decode(encoding_of(content[:256]))


def show(value: object, limit: int = 80) -> str:
    """Quote a value for a one-line message: control characters escaped, long values cut."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def reason_of(error: BaseException) -> str:
    """The first line of an exception's message, or its type's name when it has none."""
    lines = lines_of(trimmed(str(error)))
    return lines[0][:200] if lines else type(error).__name__


def duration(seconds: float) -> str:
    """58 s, 4 min 50 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
