"""Which word every token of a batch is and which words its pictures lack, as a loader tells it."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import pixels

from csparc.data import BadItems, Dataset, tokenizer
from csparc.data.loading.loader import Loader
from csparc.data.loading.words import BatchWords
from csparc.data.transforms import preprocess

CAPTIONS = [
    ["A red dog, running.", "the dog"],
    ["a RED cat", "one small cat. sleeping"],
    ["Übergroße dogs run"],
]


class Few(Dataset):
    spec, cacheable = "few", True
    problems = BadItems(0.5)

    def __len__(self) -> int:
        return len(CAPTIONS)

    def captions(self, index: int) -> list[str]:
        return CAPTIONS[index]

    def name(self, index: int) -> str:
        return f"picture {index}"

    def load(self, index: int) -> np.ndarray:
        return pixels(index, 9, 11)


def made(lowercase: bool = True, length: int = 60):
    """A vocabulary of bytes, and "red": other words have a piece a letter."""
    return tokenizer.train(["red"] * 9, 262, context_length=length, lowercase=lowercase)


def words_of(found, ids, row, made_with):
    """The word behind each id of a row, by what its tokens spell."""
    spelled = {}
    for word, start, stop in made_with.word_tokens(ids[row]):
        assert len(set(found["word_ids"][row, start:stop])) == 1
        spelled[word] = int(found["word_ids"][row, start])
    return spelled


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_are_folded_and_whole(lowercase):
    with_case = made(lowercase)
    ids = with_case([texts[0] for texts in CAPTIONS])
    found = BatchWords(with_case)(ids, CAPTIONS)
    first, second, third = (words_of(found, ids, row, with_case) for row in range(3))
    assert list(first) == ["a", "red", "dog", "running"]
    assert first["red"] == second["red"]
    assert list(third) == ["übergrosse", "dogs", "run"]
    every = {**first, **second, **third}
    assert sorted(every.values()) == list(range(len(every)))
    named = sum(stop - start for row in ids for _, start, stop in with_case.word_tokens(row))
    assert (found["word_ids"] >= 0).sum() == named < with_case.valid_mask(ids).sum() - 6


def test_a_picture_lacks_what_none_of_its_captions_says():
    plain = made()
    ids = plain([texts[0] for texts in CAPTIONS])
    found = BatchWords(plain)(ids, CAPTIONS)
    word = {}
    for row in range(3):
        word |= words_of(found, ids, row, plain)
    lacks = found["lacks"]
    assert lacks.shape == (3, len(word))
    assert lacks[:, word["dog"]].tolist() == [False, True, True]
    assert lacks[:, word["cat"]].tolist() == [True, False, True]
    assert lacks[:, word["red"]].tolist() == [False, False, True]


def test_words_that_a_row_has_no_room_for_are_still_said():
    short = tokenizer.train(["a cat that is red"] * 9, 300, context_length=5)
    with pytest.warns(UserWarning, match="was cut"):
        ids = short(["a cat that is red", "a cat"])
    found = BatchWords(short)(ids, [["a cat that is red", "red"], ["a cat", "that cat"]])
    assert found["word_ids"].tolist() == [[-1, 0, 1, 2, -1], [-1, 0, 1, -1, -1]]
    assert not found["lacks"].any()


def test_a_loader_tells_words_where_it_is_asked():
    plain = made()
    settings = dict(seed=3, epochs=1, drop_last=False)
    asked = next(Loader(Few(), plain, preprocess(8), 3, words=True, **settings))
    silent = next(Loader(Few(), plain, preprocess(8), 3, **settings))
    assert set(asked) - set(silent) == {"word_ids", "lacks"}
    expected = BatchWords(plain)(asked["text"], [CAPTIONS[i] for i in asked["index"]])
    for name, array in expected.items():
        np.testing.assert_array_equal(asked[name], array)
    with pytest.raises(ValueError, match="words: expected False without a tokenizer"):
        Loader(Few(), None, preprocess(8), 3, words=True)


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_of_a_text_are_those_of_its_row(lowercase):
    """Formed without places, of whole texts, and with them, of rows: the same words."""
    cut = made(lowercase)
    for text in [
        "A red dog, running.",
        "Übergroße dogs' don't-run café 12 ½ 東京 🙂",
        "",
        "...",
        "İ",
    ]:
        row = [word for word, *_ in cut.word_tokens(cut([text])[0])]
        assert cut.words(text) == row
