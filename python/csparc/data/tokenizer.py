"""Captions to rows of token ids, through the ``tokenizers`` library.

Three sources: `train` makes one from the data's own captions, `from_clip_bpe` reads CLIP's
vocabulary, `from_file` any ``tokenizer.json``. All give the same rows: a begin token, the caption's
pieces, an end token, then padding with 0 (`Tokenizer`). Special tokens spelled out in a caption are
plain text.
"""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from csparc._json import parse_json, read_json
from csparc._repr import line
from csparc._scalars import choice, whole_number
from csparc._text import show
from csparc.data import rust
from csparc.data.cleaning import CLEANING
from csparc.data.pieces import Pieces, Word
from csparc.data.token_models import EOT, SOT, clip_bpe, find_special, stored, trained_on
from csparc.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

__all__ = ["Tokenizer", "from_clip_bpe", "from_file", "from_json", "train"]

DEFAULT_CONTEXT_LENGTH = 55
CLIP_CONTEXT_LENGTH = 77
DEFAULT_VOCAB_SIZE = 8192

FORMAT = "csparc tokenizer 1"


class Tokenizer:
    """Texts to ids; call it with a text or a list of texts.

    Parameters
    ----------
    backend : tokenizers.Tokenizer
    context_length : int
        Length of a row, begin and end tokens included.
    sot_token, eot_token : str
        The begin and end tokens; both must be in the vocabulary. Without a begin token (None), as
        SigLIP has it, rows begin with the caption.
    html_unescape : bool
        Undo ``&amp;`` and the like first, as CLIP does.
    pad_token_id : int
        What rows are padded with.
    clean : {"none", "lower", "canonicalize", "no_punctuation"}
        What is done to a text then (`csparc.data.cleaning`).

    Attributes
    ----------
    context_length, vocab_size, sot_token_id, eot_token_id, pad_token_id : int
        ``sot_token_id`` is None without a begin token.
    truncated : int
        Captions cut so far because they were longer than a row; the first one warns.
    """

    def __init__(
        self,
        backend: Backend,
        context_length: int,
        sot_token: str | None = SOT,
        eot_token: str = EOT,
        html_unescape: bool = False,
        pad_token_id: int = 0,
        clean: str = "none",
    ) -> None:
        whole_number(context_length, "context_length", low=2)
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        self._backend = backend
        self._html_unescape = html_unescape
        choice(clean, "clean", tuple(CLEANING))
        self._clean = clean
        self._sot_token, self._eot_token = sot_token, eot_token
        self.context_length = context_length
        self.vocab_size = 1 + max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
        self.sot_token_id = None if sot_token is None else self._id(sot_token, "begin")
        self.eot_token_id = self._id(eot_token, "end")
        self.pad_token_id = whole_number(
            pad_token_id, "pad_token_id", low=0, high=max(self.vocab_size - 1, 0)
        )
        self._first = 0 if sot_token is None else 1  # where a caption's own tokens begin
        self.truncated = 0
        self._pieces: Pieces | None = None
        self._piece_bytes: dict[int, bytes] = {}

    def __repr__(self) -> str:
        told = {"truncated": self.truncated} if self.truncated else {}
        return line(self, vocab_size=self.vocab_size, context_length=self.context_length, **told)

    def _id(self, token: str, role: str) -> int:
        try:
            number = self._backend.token_to_id(token)
        except UnicodeError:  # half a surrogate pair is no text
            number = None
        if number is None:
            raise DataError(f"tokenizer: expected the {role} token {token!r}, found no such entry")
        return number

    def __call__(self, texts: str | Iterable[str], context_length: int | None = None) -> np.ndarray:
        """Rows of ids, int32 [N, L], padded on the right.

        A caption that is too long loses its end; the end token stays. It is counted in `truncated`.

        Raises
        ------
        TypeError
            When a text is no string.
        """
        length = context_length or self.context_length
        whole_number(length, "context_length", low=2)
        if not isinstance(texts, Iterable):
            raise TypeError(f"texts: expected strings, found {type(texts).__name__}")
        texts = [texts] if isinstance(texts, str) else list(texts)
        rows = np.full((len(texts), length), self.pad_token_id, dtype=np.int32)
        first = self._first
        for row, text in zip(rows, texts):
            ids = self._encode(text)
            if len(ids) > length - first - 1:
                self._count_truncated(len(ids) + first + 1, length)
                ids = ids[: length - first - 1]
            if self.sot_token_id is not None:
                row[0] = self.sot_token_id
            row[first : len(ids) + first] = ids
            row[len(ids) + first] = self.eot_token_id
        return rows

    def _encode(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"texts: expected strings, found {type(text).__name__}")
        if self._html_unescape:
            text = html.unescape(html.unescape(text))
        text = CLEANING[self._clean](text)
        try:
            with rust.panics_raised():
                return self._backend.encode(text, add_special_tokens=False).ids
        except TypeError as error:  # so the library calls what cannot be written as UTF-8
            raise ValueError(
                f"texts: expected Unicode text, found {show(text)} with half a surrogate pair, as "
                "bytes of another encoding become (a locale that is not UTF-8?)"
            ) from error

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
        found[..., : self._first] = False
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
        return (position >= self._first) & (position < self._end(ids))

    def decode_tokens(self, ids: np.ndarray) -> list[str]:
        """The pieces of one row for display, begin and end tokens by their names, no padding."""
        end = int(self._end(ids)[0])
        middle = [self._display.text(piece) for piece in self._names(ids, self._first, end)]
        begin = [] if self._sot_token is None else [self._sot_token]
        return [*begin, *middle, self._eot_token]

    def word_spans(self, ids: np.ndarray) -> list[Word]:
        """The words of one row with the positions of their pieces; special tokens left out.

        ``Word(text, start, stop)``: tokens `start` to `stop` (exclusive) of the row spell `text`.
        """
        end = int(self._end(ids)[0])
        return self._display.words(self._names(ids, self._first, end), first=self._first)

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

    def library_json(self) -> str:
        """The text of a tokenizer.json of the ``tokenizers`` library."""
        return self._backend.to_str(pretty=True)

    def to_json(self) -> str:
        """Everything `from_json` needs to make the same tokenizer: what a checkpoint keeps."""
        others = {"pad_token_id": self.pad_token_id, "clean": self._clean}
        return json.dumps(
            {
                "format": FORMAT,
                "context_length": self.context_length,
                "sot_token": self._sot_token or "",
                "eot_token": self._eot_token,
                "html_unescape": self._html_unescape,
                **{key: value for key, value in others.items() if value not in (0, "none")},
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


def from_json(text: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` wrote.

    Raises
    ------
    DataError
        The text is not one that `to_json` wrote.
    """
    record = parse_json(text, "tokenizer")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DataError(f"tokenizer: expected the format {FORMAT!r}, found {show(record, 60)}")
    length, sot, eot = (record.get(key) for key in ("context_length", "sot_token", "eot_token"))
    if type(length) is not int or not 2 <= length < 1 << 20:
        raise DataError(f"tokenizer: expected a context_length, found {show(length)}")
    if not isinstance(sot, str) or not isinstance(eot, str):
        raise DataError("tokenizer: expected sot_token and eot_token as texts")
    try:
        text = json.dumps(record.get("tokenizer"))
    except RecursionError as error:
        raise DataError("tokenizer: expected JSON, found one nested too deeply") from error
    pad, clean = record.get("pad_token_id", 0), record.get("clean", "none")
    if type(pad) is not int or not isinstance(clean, str):
        raise DataError("tokenizer: expected pad_token_id as a number and clean as a text")
    backend = stored(text, "tokenizer")
    try:
        unescape = record.get("html_unescape") is True
        return Tokenizer(backend, length, sot or None, eot, unescape, pad, clean)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"tokenizer: {error}") from error


def from_file(
    path: str,
    context_length: int = DEFAULT_CONTEXT_LENGTH,
    sot_token: str | None = None,
    eot_token: str | None = None,
) -> Tokenizer:
    """Any ``tokenizer.json`` of the ``tokenizers`` library.

    Parameters
    ----------
    path : str
    context_length : int
    sot_token, eot_token : str, optional
        The begin and end tokens; by default the usual names are looked for.

    Raises
    ------
    DataError
        Not such a file, or no begin or end token: names the special tokens there are.
    """
    backend = stored(json.dumps(read_json(path, "a tokenizer.json")), path)
    sot = find_special(backend, path, "begin", sot_token, "sot_token")
    eot = find_special(backend, path, "end", eot_token, "eot_token")
    return Tokenizer(backend, context_length, sot, eot)


def train(
    captions: Iterable[str],
    vocab_size: int = DEFAULT_VOCAB_SIZE,
    context_length: int = DEFAULT_CONTEXT_LENGTH,
    *,
    lowercase: bool = True,
    min_frequency: int = 2,
) -> Tokenizer:
    """A tokenizer made from captions: byte-level BPE on words, the same for the same captions.

    Words that occur `min_frequency` times become one token each while the vocabulary has room, so
    a small caption set gets a word vocabulary; rarer words are spelled in pieces, and nothing is
    unknown. A word is written the same at the start, in the middle and before a comma.

    Parameters
    ----------
    captions : iterable of str
    vocab_size : int
        At most so many entries; at least 259 (padding, begin, end, 256 bytes).
    context_length : int
    lowercase : bool
        Whether case is dropped.
    min_frequency : int
        Pieces seen less often are not merged.

    Raises
    ------
    ValueError
        When `vocab_size` is too small.
    DataError
        When there is no caption.
    """
    whole_number(vocab_size, "vocab_size", low=259)
    captions = list(captions)
    if not captions:
        raise DataError("tokenizer: expected captions to train on, found none")
    backend = trained_on(captions, vocab_size, lowercase=lowercase, min_frequency=min_frequency)
    return Tokenizer(backend, context_length)


def from_clip_bpe(
    path: str, vocab: str | None = None, context_length: int = CLIP_CONTEXT_LENGTH
) -> Tokenizer:
    """CLIP's tokenizer: lower case, ``</w>`` at the end of words, 49408 entries.

    Gives the ids of open_clip's SimpleTokenizer, except that of its clean-up by ftfy only the
    straightening of quotes and Unicode's composed form are done, and that special tokens spelled
    out in a text are plain text.

    Parameters
    ----------
    path : str
        ``bpe_simple_vocab_16e6.txt.gz`` (or unpacked); with `vocab`, a ``merges.txt``.
    vocab : str, optional
        A ``vocab.json`` to go with the merges.
    context_length : int

    Raises
    ------
    DataError
        When a file is something else.
    """
    return Tokenizer(clip_bpe(path, vocab), context_length, html_unescape=True)
