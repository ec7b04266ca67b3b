"""The words of a batch, for losses that contrast words with pictures that lack them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from csparc.data.tokenizer import Tokenizer

CACHED_CAPTIONS = 1 << 15


class BatchWords:
    """Which word every token is, and which words every picture lacks.

    Words are those of `Tokenizer.words`: case folded, a word of several pieces is one word, marks
    without a letter or digit are none.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._of_text = lru_cache(CACHED_CAPTIONS)(lambda text: frozenset(tokenizer.words(text)))

    def __call__(self, ids: np.ndarray, captions: list[list[str]]) -> dict[str, np.ndarray]:
        """Arrays of a batch, from its rows of ids [B, L] and all captions of each picture.

        ``word_ids`` int64 [B, L]: the word's place among the batch's words in order, -1 for a token
        that is no word. ``lacks`` bool [B, W]: none of the picture's captions has the word.
        """
        rows = [self._tokenizer.word_tokens(row) for row in ids]
        table = {word: n for n, word in enumerate(sorted({word for r in rows for word, *_ in r}))}
        word_ids = np.full(ids.shape, -1, np.int64)
        for row, spans in zip(word_ids, rows):
            for word, start, stop in spans:
                row[start:stop] = table[word]
        lacks = np.ones((len(ids), len(table)), bool)
        for row, texts in zip(lacks, captions):
            said = [table[word] for text in texts for word in self._of_text(text) if word in table]
            row[said] = False
        return {"word_ids": word_ids, "lacks": lacks}
