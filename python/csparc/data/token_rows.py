"""Texts to rows of token ids and back to words: one class around the ``tokenizers`` library."""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from csparc.data.pieces import Pieces, Word
from csparc.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

SOT = "<|startoftext|>"
EOT = "<|endoftext|>"

FORMAT = "csparc tokenizer 1"


class Tokenizer:
    """Texts to ids; call it with a text or a list of texts.

    Parameters
    ----------
    backend : tokenizers.Tokenizer
    context_length : int
        Length of a row, begin and end tokens included.
    sot_token, eot_token : str
        The begin and end tokens; both must be in the vocabulary.
    html_unescape : bool
        Undo ``&amp;`` and the like first, as CLIP does.

    Attributes
    ----------
    context_length, vocab_size, sot_token_id, eot_token_id, pad_token_id : int
    truncated : int
        Captions cut so far because they were longer than a row; the first one warns.
    """

    pad_token_id = 0

    def __init__(
        self,
        backend: Backend,
        context_length: int,
        sot_token: str = SOT,
        eot_token: str = EOT,
        html_unescape: bool = False,
    ) -> None:
        if context_length < 2:
            raise ValueError(f"context_length: expected at least 2, found {context_length}")
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        self._backend = backend
        self._html_unescape = html_unescape
        self._sot_token, self._eot_token = sot_token, eot_token
        self.context_length = context_length
        self.vocab_size = 1 + max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
        self.sot_token_id = self._id(sot_token, "begin")
        self.eot_token_id = self._id(eot_token, "end")
        self.truncated = 0
        self._pieces: Pieces | None = None
        self._piece_bytes: dict[int, bytes] = {}

    def _id(self, token: str, role: str) -> int:
        number = self._backend.token_to_id(token)
        if number is None:
            raise DataError(f"tokenizer: expected the {role} token {token!r}, found no such entry")
        return number

    def __call__(self, texts: str | Iterable[str], context_length: int | None = None) -> np.ndarray:
        """Rows of ids, int32 [N, L], padded on the right with 0.

        A caption that is too long loses its end; the end token stays. It is counted in `truncated`.

        Raises
        ------
        TypeError
            When a text is no string.
        """
        length = context_length or self.context_length
        if length < 2:
            raise ValueError(f"context_length: expected at least 2, found {length}")
        if not isinstance(texts, Iterable):
            raise TypeError(f"texts: expected strings, found {type(texts).__name__}")
        texts = [texts] if isinstance(texts, str) else list(texts)
        rows = np.zeros((len(texts), length), dtype=np.int32)
        for row, text in zip(rows, texts):
            ids = self._encode(text)
            if len(ids) > length - 2:
                self._count_truncated(len(ids) + 2, length)
                ids = ids[: length - 2]
            row[0] = self.sot_token_id
            row[1 : len(ids) + 1] = ids
            row[len(ids) + 1] = self.eot_token_id
        return rows

    def _encode(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"texts: expected strings, found {type(text).__name__}")
        if self._html_unescape:
            text = html.unescape(html.unescape(text))
        return self._backend.encode(text, add_special_tokens=False).ids

    def _count_truncated(self, found: int, length: int) -> None:
        self.truncated += 1
        if self.truncated == 1:
            warnings.warn(
                f"a caption of {found} tokens was cut to context_length={length}; "
                "further ones are only counted (tokenizer.truncated)",
                stacklevel=3,
            )

    def _end(self, ids: np.ndarray) -> np.ndarray:
        """The position of each row's end token, [..., 1]; padding may look like any token."""
        found = np.asarray(ids) == self.eot_token_id
        found[..., 0] = False
        if not found.any(axis=-1).all():
            raise ValueError(f"ids: expected the end token {self.eot_token_id} in every row")
        return found.argmax(axis=-1)[..., None]

    def valid_mask(self, ids: np.ndarray) -> np.ndarray:
        """Everything but padding, bool like `ids`: what the text encoder attends to and pools.

        Raises
        ------
        ValueError
            When a row has no end token.
        """
        return np.arange(np.shape(ids)[-1]) <= self._end(ids)

    def loss_mask(self, ids: np.ndarray, specials: bool = False) -> np.ndarray:
        """Tokens that enter the local loss, bool like `ids`.

        By default the caption's own tokens: the begin and end tokens name nothing in a picture, and
        in the local loss they would be two negatives that are the same in every caption.
        ``specials=True`` takes them in. An empty caption has no such tokens, its row is False.
        """
        if specials:
            return self.valid_mask(ids)
        position = np.arange(np.shape(ids)[-1])
        return (position > 0) & (position < self._end(ids))

    def decode_tokens(self, ids: np.ndarray) -> list[str]:
        """The pieces of one row for display, begin and end tokens by their names, no padding."""
        end = int(self._end(ids)[0])
        middle = [self._display.text(piece) for piece in self._names(ids, 1, end)]
        return [self._sot_token, *middle, self._eot_token]

    def word_spans(self, ids: np.ndarray) -> list[Word]:
        """The words of one row with the positions of their pieces; special tokens left out.

        ``Word(text, start, stop)``: tokens `start` to `stop` (exclusive) of the row spell `text`.
        """
        end = int(self._end(ids)[0])
        return self._display.words(self._names(ids, 1, end), first=1)

    def word_tokens(self, ids: np.ndarray) -> list[Word]:
        """`word_spans` as words to compare: case folded, marks without a letter or digit left
        out."""
        return _folded(self.word_spans(ids))

    def words(self, text: str) -> list[str]:
        """The words of a whole text, as `word_tokens` has those of a row."""
        spoken = self._display.spoken(map(self._bytes_of, self._encode(text)))
        return [word.casefold() for word in spoken if _names_something(word)]

    def _bytes_of(self, number: int) -> bytes:
        found = self._piece_bytes.get(number)
        if found is None:
            found = self._display.to_bytes(self._backend.id_to_token(number) or "")
            self._piece_bytes[number] = found
        return found

    def _names(self, ids: np.ndarray, start: int, stop: int) -> list[str]:
        return [self._backend.id_to_token(int(number)) or "" for number in ids[start:stop]]

    @property
    def _display(self) -> Pieces:
        if self._pieces is None:
            self._pieces = Pieces(self._backend.to_str())
        return self._pieces

    def to_json(self) -> str:
        """Everything `from_json` needs to make the same tokenizer: what a checkpoint keeps."""
        return json.dumps(
            {
                "format": FORMAT,
                "context_length": self.context_length,
                "sot_token": self._sot_token,
                "eot_token": self._eot_token,
                "html_unescape": self._html_unescape,
                "tokenizer": json.loads(self._backend.to_str()),
            },
            ensure_ascii=False,
        )


def _folded(words: list[Word]) -> list[Word]:
    return [
        Word(word.text.casefold(), word.start, word.stop)
        for word in words
        if _names_something(word.text)
    ]


def _names_something(word: str) -> bool:
    return any(letter.isalnum() for letter in word)
