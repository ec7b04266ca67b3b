"""What a `csparc.data.tokenizer.Tokenizer` stands on: models of the ``tokenizers`` library.

One is trained on captions, one is CLIP's own, and any ``tokenizer.json`` describes another.
"""

from __future__ import annotations

import functools
import gzip
import zlib
from typing import TYPE_CHECKING

from csparc._extras import require
from csparc._json import read_json
from csparc._text import reason_of, show
from csparc.data import rust
from csparc.data.pieces import byte_alphabet
from csparc.data.readers.text_files import regular_file
from csparc.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

SOT = "<|startoftext|>"
EOT = "<|endoftext|>"
_USUAL_NAMES = {
    "begin": (SOT, "<start_of_text>", "<s>", "[CLS]", "<bos>", "[BOS]", "<|begin_of_text|>", EOT),
    "end": (EOT, "<end_of_text>", "</s>", "[SEP]", "<eos>", "[EOS]", "<|end_of_text|>"),
}

# CLIP's vocabulary has 49408 entries: two for each byte, the merges, begin and end.
_CLIP_MERGES = 49152 - 256 - 2
_LARGEST_BPE_FILE = 1 << 26

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_CLIP_WORDS = rf"{_CONTRACTIONS}|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"
# Marks and joiners stay with the letter, digit or symbol before them, as in `csparc._text`.
_JOINED = r"\p{M}\x{AD}\x{200C}\x{200D}"
_OWN_WORDS = (
    rf"{_CONTRACTIONS}|[\p{{L}}{_JOINED}]+|\p{{N}}[\p{{N}}\p{{M}}]*"
    rf"|[^\s\p{{L}}\p{{N}}{_JOINED}][^\s\p{{L}}\p{{N}}]*"
)
_QUOTES = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))


def trained_on(
    captions: list[str], vocab_size: int, *, lowercase: bool, min_frequency: int
) -> Backend:
    """Byte-level BPE on the words of captions: `csparc.data.tokenizer.train` without its checks."""
    return rust.call(_trained_on, captions, vocab_size, lowercase, min_frequency)


def _trained_on(
    captions: list[str], vocab_size: int, lowercase: bool, min_frequency: int
) -> Backend:
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


def clip_bpe(path: str, vocab: str | None) -> Backend:
    """CLIP's encoding from its files, as `csparc.data.tokenizer.from_clip_bpe` takes them."""
    library = require("tokenizers", extra="train")
    merges = _read_merges(path)
    if vocab is None:
        letters = [letter for _, letter in byte_alphabet()]
        merges = merges[:_CLIP_MERGES]
        entries = [*letters, *(f"{letter}</w>" for letter in letters)]
        entries += ["".join(merge) for merge in merges] + [SOT, EOT]
        numbers = {entry: number for number, entry in enumerate(entries)}
    else:
        numbers = read_json(vocab, "a vocab.json", unique_keys=True)
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
    return backend


def stored(text: str, source: str) -> Backend:
    """What the text of a ``tokenizer.json`` describes; ``source`` is named in errors."""
    library = require("tokenizers", extra="train")
    try:
        return rust.call(library.Tokenizer.from_str, text)
    except Exception as error:
        raise DataError(
            f"{source}: expected a tokenizer.json, found another layout: {reason_of(error)}"
        ) from error


def find_special(
    backend: Backend,
    path: str,
    role: str,
    given: str | None,
    option: str,
) -> str:
    """The begin or end token (``role``): the one that is given, else the first usual name there."""
    names = (given,) if given else _USUAL_NAMES[role]
    for name in names:
        if backend.token_to_id(name) is not None:
            return name
    special = [str(token.content) for token in backend.get_added_tokens_decoder().values()]
    there = ", ".join(show(name, 24) for name in special[:12]) or "none"
    wanted = show(given) if given else f"({', '.join(names)})"
    raise DataError(
        f"{path}: expected a {role} token {wanted}, found the special tokens {there}; "
        f"name it with {option}="
    )


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
    """The merges of such a file, two pieces each, without its first line."""
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
    merges = [tuple(line.split()) for line in lines[1:] if line.strip()]
    for number, merge in enumerate(merges, 2):
        if len(merge) != 2:
            raise DataError(
                f"{path}: expected two pieces in line {number}, found {show(' '.join(merge), 40)}"
            )
    return merges
