"""Our tokenizer: its rows, masks, marks, and how it is trained."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from csparc.data import tokenizer
from csparc.errors import DataError

CAPTIONS = [
    "a red square",
    "A blue circle, left of a red square",
    "there are two blue circles",
    "a red circle and a blue square",
]


@pytest.fixture(scope="module")
def own() -> tokenizer.Tokenizer:
    return tokenizer.train(CAPTIONS * 3, context_length=16)


def test_rows_have_begin_end_and_padding(own: tokenizer.Tokenizer) -> None:
    ids = own(["a red square", ""])
    assert ids.dtype == np.int32
    assert ids.shape == (2, 16)
    assert ids[0, 0] == own.sot_token_id
    assert ids[0, 4] == own.eot_token_id
    assert ids[1].tolist() == [own.sot_token_id, own.eot_token_id] + [0] * 14
    assert (ids[0, 5:] == own.pad_token_id).all()
    assert own("a red square").shape == (1, 16)
    assert own([]).shape == (0, 16)
    assert own(["a red square"], context_length=6).shape == (1, 6)
    assert ids.max() < own.vocab_size


def test_frequent_words_are_one_token_wherever_they_stand(own: tokenizer.Tokenizer) -> None:
    assert own.decode_tokens(own("Square, blue RED square")[0]) == [
        "<|startoftext|>", "square", ",", "blue", "red", "square", "<|endoftext|>",
    ]  # fmt: skip
    first, second = own("square red,square")[0][[1, 4]]
    assert first == second


def test_nothing_is_unknown(own: tokenizer.Tokenizer) -> None:
    ids = own("zebra 画 é", context_length=32)[0]
    words = own.word_spans(ids)
    assert [word.text for word in words] == ["zebra", "画", "é"]
    assert words[0].start == 1
    assert words[-1].stop == own.valid_mask(ids).sum() - 1
    assert all(before.stop == after.start for before, after in itertools.pairwise(words))


def test_masks(own: tokenizer.Tokenizer) -> None:
    ids = own(["a red square", ""])
    assert own.valid_mask(ids).sum(axis=1).tolist() == [5, 2]
    assert own.loss_mask(ids).sum(axis=1).tolist() == [3, 0]
    assert own.loss_mask(ids)[0].tolist() == [False, True, True, True] + [False] * 12
    np.testing.assert_array_equal(own.loss_mask(ids, specials=True), own.valid_mask(ids))
    np.testing.assert_array_equal(own.valid_mask(ids[0]), own.valid_mask(ids)[0])
    with pytest.raises(ValueError, match="end token"):
        own.valid_mask(np.zeros((1, 4), np.int32))


def test_special_tokens_in_a_caption_are_text(own: tokenizer.Tokenizer) -> None:
    ids = own("a <|endoftext|> red", context_length=55)[0]
    assert (ids == own.eot_token_id).sum() == 1
    assert own.word_spans(ids)[-1].text == "red"


def test_long_captions_are_cut_counted_and_warned_of_once() -> None:
    own = tokenizer.train(CAPTIONS, context_length=5)
    with pytest.warns(UserWarning, match="cut to context_length=5") as seen:
        ids = own(["a red square and a blue circle"] * 3)
    assert len(seen) == 1
    assert own.truncated == 3
    assert (ids[:, -1] == own.eot_token_id).all()
    assert own.decode_tokens(ids[0])[1:4] == own.decode_tokens(own("a red square")[0])[1:4]


def test_training_is_the_same_in_every_process() -> None:
    program = (
        "from csparc.data import tokenizer;"
        f"print(tokenizer.train({CAPTIONS!r} + ['abc abd ' * n for n in range(50)]).to_json())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "01"
    }
    assert len(outputs) == 1


def test_vocabulary_size_and_options() -> None:
    small = tokenizer.train(CAPTIONS * 2, vocab_size=260)
    assert small.vocab_size == 260
    cased = tokenizer.train(["Red red"] * 4, lowercase=False)
    assert cased("Red")[0, 1] != cased("red")[0, 1]
    with pytest.raises(ValueError, match="vocab_size: expected a whole number of at least 259"):
        tokenizer.train(CAPTIONS, vocab_size=100)
    with pytest.raises(ValueError, match="context_length"):
        tokenizer.train(CAPTIONS, context_length=1)
    with pytest.raises(DataError, match="found none"):
        tokenizer.train([])


def test_wrong_texts(own: tokenizer.Tokenizer) -> None:
    with pytest.raises(TypeError, match="expected strings, found int"):
        own(["a", 3])
    with pytest.raises(ValueError, match="context_length"):
        own("a", context_length=1)
