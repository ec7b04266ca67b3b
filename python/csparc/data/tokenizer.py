"""Captions to rows of token ids, through the ``tokenizers`` library.

Three sources: `train` makes one from the data's own captions, `from_clip_bpe` reads CLIP's
vocabulary, `from_file` any ``tokenizer.json``. All give the same rows: a begin token, the caption's
pieces, an end token, then padding with 0 (`Tokenizer`). Special tokens spelled out in a caption are
plain text.
"""

from __future__ import annotations

import functools
import gzip
import json
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from csparc._extras import require
from csparc.data import rust
from csparc.data.pieces import byte_alphabet
from csparc.data.readers.text_files import json_reason, parse_json, read_json, regular_file
from csparc.data.report import reason_of, show
from csparc.data.token_rows import EOT, FORMAT, SOT, Tokenizer
from csparc.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

__all__ = ["Tokenizer", "from_clip_bpe", "from_file", "from_json", "train"]

DEFAULT_CONTEXT_LENGTH = 55
CLIP_CONTEXT_LENGTH = 77
DEFAULT_VOCAB_SIZE = 8192

_SOT_NAMES = (SOT, "<start_of_text>", "<s>", "[CLS]", "<bos>", "[BOS]", "<|begin_of_text|>", EOT)
_EOT_NAMES = (EOT, "<end_of_text>", "</s>", "[SEP]", "<eos>", "[EOS]", "<|end_of_text|>")

# CLIP's vocabulary has 49408 entries: two for each byte, the merges, begin and end.
_CLIP_MERGES = 49152 - 256 - 2
_LARGEST_BPE_FILE = 1 << 26

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_CLIP_WORDS = rf"{_CONTRACTIONS}|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"
_OWN_WORDS = rf"{_CONTRACTIONS}|[\p{{L}}\p{{M}}]+|\p{{N}}+|[^\s\p{{L}}\p{{M}}\p{{N}}]+"


def from_json(text: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` wrote.

    Raises
    ------
    DataError
        When it wrote something else.
    """
    try:
        record = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"tokenizer: expected JSON, found none: {json_reason(error)}") from error
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
    backend = _backend(text, "tokenizer")
    return Tokenizer(backend, length, sot, eot, record.get("html_unescape") is True)


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
    backend = _backend(json.dumps(read_json(path, "a tokenizer.json")), path)
    sot = _find_special(backend, path, "begin", sot_token, _SOT_NAMES, "sot_token")
    eot = _find_special(backend, path, "end", eot_token, _EOT_NAMES, "eot_token")
    return Tokenizer(backend, context_length, sot, eot)


def _backend(text: str, source: str) -> Backend:
    library = require("tokenizers", extra="train")
    try:
        return rust.call(library.Tokenizer.from_str, text)
    except Exception as error:
        raise DataError(
            f"{source}: expected a tokenizer.json, found another layout: {reason_of(error)}"
        ) from error


def _find_special(
    backend: Backend,
    path: str,
    role: str,
    given: str | None,
    names: tuple[str, ...],
    option: str,
) -> str:
    for name in (given,) if given else names:
        if backend.token_to_id(name) is not None:
            return name
    special = [str(token.content) for token in backend.get_added_tokens_decoder().values()]
    there = ", ".join(show(name, 24) for name in special[:12]) or "none"
    wanted = show(given) if given else f"({', '.join(names)})"
    raise DataError(
        f"{path}: expected a {role} token {wanted}, found the special tokens {there}; "
        f"name it with {option}="
    )


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
    if vocab_size < 259:
        raise ValueError(f"vocab_size: expected at least 259, found {vocab_size}")
    captions = list(captions)
    if not captions:
        raise DataError("tokenizer: expected captions to train on, found none")
    made = rust.call(_trained, captions, vocab_size, lowercase, min_frequency)
    return Tokenizer(made, context_length)


def _trained(captions: list[str], vocab_size: int, lowercase: bool, min_frequency: int) -> Backend:
    library = require("tokenizers", extra="train")
    backend = library.Tokenizer(library.models.BPE())
    steps = [library.normalizers.NFC()] + [library.normalizers.Lowercase()] * lowercase
    backend.normalizer = library.normalizers.Sequence(steps)
    backend.pre_tokenizer = _words(_OWN_WORDS, add_prefix_space=True)
    backend.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=["<pad>", SOT, EOT],
        initial_alphabet=[letter for _, letter in byte_alphabet()],
    )
    backend.train_from_iterator(captions, trainer)
    return backend


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
    library = require("tokenizers", extra="train")
    merges = _read_merges(path)
    if vocab is None:
        letters = [letter for _, letter in byte_alphabet()]
        merges = merges[:_CLIP_MERGES]
        entries = [*letters, *(f"{letter}</w>" for letter in letters)]
        entries += ["".join(merge) for merge in merges] + [SOT, EOT]
        numbers = {entry: number for number, entry in enumerate(entries)}
    else:
        numbers = read_json(vocab, "a vocab.json")
        if not isinstance(numbers, dict) or not all(type(n) is int for n in numbers.values()):
            raise DataError(f"{vocab}: expected an object of entries and their numbers")
    try:
        make = functools.partial(library.models.BPE, end_of_word_suffix="</w>")
        model = rust.call(make, numbers, merges)
    except Exception as error:
        raise DataError(
            f"{path}: expected merges of known entries, found: {reason_of(error)}"
        ) from error
    backend = library.Tokenizer(model)
    backend.normalizer = library.normalizers.Sequence(
        [library.normalizers.Replace(curly, straight) for curly, straight in _QUOTES]
        + [library.normalizers.NFC(), library.normalizers.Lowercase()]
    )
    backend.pre_tokenizer = _words(_CLIP_WORDS, add_prefix_space=False)
    backend.decoder = library.decoders.ByteLevel()
    backend.add_special_tokens([token for token in (SOT, EOT) if token in numbers])
    return Tokenizer(backend, context_length, html_unescape=True)


_QUOTES = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))


def _words(pattern: str, add_prefix_space: bool) -> object:
    """Split into what `pattern` matches, then write the bytes of each as characters."""
    library = require("tokenizers", extra="train")
    return library.pre_tokenizers.Sequence(
        [
            library.pre_tokenizers.Split(library.Regex(pattern), behavior="removed", invert=True),
            library.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=False),
        ]
    )


def _read_merges(path: str) -> list[tuple[str, str]]:
    """The pairs of a merges file, without its first line."""
    regular_file(path, "a BPE merges file")
    try:
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rb") as file:
            content = file.read(_LARGEST_BPE_FILE + 1)
        lines = content.decode("utf-8").split("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a BPE merges file, found: {reason_of(error)}") from error
    if len(content) > _LARGEST_BPE_FILE:
        raise DataError(f"{path}: expected a BPE merges file, found {len(content)} bytes or more")
    pairs = [tuple(line.split()) for line in lines[1:] if line.strip()]
    for number, pair in enumerate(pairs, 2):
        if len(pair) != 2:
            raise DataError(
                f"{path}: expected two pieces in line {number}, found {show(' '.join(pair), 40)}"
            )
    return pairs
