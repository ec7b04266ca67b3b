"""Lines, words and empty texts are the same everywhere: in captions, tables and tokens."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from pictures import save

from csparc import _text, data
from csparc._scalars import sentence
from csparc.data import tokenizer
from csparc.data.caption_text import clean_caption
from csparc.data.report import BadItem

PARTED_INSIDE_A_LINE = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]


@pytest.mark.parametrize("mark", PARTED_INSIDE_A_LINE)
def test_a_line_ends_at_line_ends_alone(tmp_path: Path, mark: str) -> None:
    for number, end in enumerate(["\n", "\r\n", "\r"]):
        save(tmp_path / f"{number}.png", number)
        text = f"a dog{mark}on the grass{end}a cat{end}"
        (tmp_path / f"{number}.txt").write_bytes(text.encode())
    (tmp_path / "t.csv").write_bytes(f"filepath,title\n0.png,a dog{mark}on the grass\n".encode())
    beside = data.open(f"folder:{tmp_path}")
    for number in range(3):
        assert beside.captions(number) == ["a dog on the grass", "a cat"]
    assert data.open(f"csv:{tmp_path / 't.csv'}").captions(0) == ["a dog on the grass"]


INVISIBLE = [
    "",
    " \t\u3000\u2003",
    "\u200b\ufeff\u200d",
    "\u3164",
    "\u2800\u115f\uffa0",
    "\u200e\u202a\u2066",
    "\ufe0f\u034f",
    "\x01\x7f",
    "\U000e0020\U000e0101",
]


@pytest.mark.parametrize("text", INVISIBLE)
def test_invisible_texts_are_empty(text: str) -> None:
    assert _text.is_blank(text)
    with pytest.raises(BadItem, match="the caption is empty"):
        clean_caption(text, "x")
    with pytest.raises(ValueError, match="at least one word"):
        sentence(text, "sentence")


@pytest.mark.parametrize("text", [".", "_", "é", "犬", "👍🏽", "\u0915\u094d", "0"])
def test_what_is_seen_is_not_empty(text: str) -> None:
    assert not _text.is_blank(text)
    assert clean_caption(f"\ufeff\ufeff \u200b{text}\ufeff\n", "x") == text


def test_an_emoji_keeps_its_ends() -> None:
    assert clean_caption("\ufeffI ❤️", "x") == "I ❤️"


WORDS = [
    ("a dog's bowl, 2x", ["a", "dog's", "bowl", ",", "2x"]),
    ("don't stop_now", ["don't", "stop", "_", "now"]),
    ("एक लाल गाड़ी सड़क पर", ["एक", "लाल", "गाड़ी", "सड़क", "पर"]),
    ("รถสีแดงบนถนน", ["รถสีแดงบนถนน"]),
    ("السَّيَّارَةُ حَمْرَاءُ", ["السَّيَّارَةُ", "حَمْرَاءُ"]),
    ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
    ("ক্ষুধা শ\u09cd\u200dরী", ["ক্ষুধা", "শ\u09cd\u200dরী"]),
    ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
    ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
    ("a 👩\u200d👩\u200d👧 and ❤\ufe0f", ["a", "👩\u200d👩\u200d👧", "and", "❤\ufe0f"]),
    ("1\ufe0f\u20e3 first", ["1\ufe0f\u20e3", "first"]),
    ("ភាសា\u200bខ្មែរ", ["ភាសា", "ខ្មែរ"]),
    ("\ufeffa\u3164b", ["a", "b"]),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words_keep_their_marks_and_joiners(text: str, words: list[str]) -> None:
    assert [text[start:stop] for start, stop in _text.word_spans(text)] == words


# Not of English contractions, 2x and the filler, which the tokenizer splits before words are asked.
@pytest.mark.parametrize(("text", "words"), WORDS[2:-1])
def test_a_tokenizer_finds_the_same_words(text: str, words: list[str]) -> None:
    trained = tokenizer.train([text] * 6, lowercase=False)
    found = [word.text for word in trained.word_spans(trained([text])[0])]
    assert found == [unicodedata.normalize("NFC", word) for word in words]
