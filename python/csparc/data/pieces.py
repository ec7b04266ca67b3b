"""The text of a tokenizer's pieces, and which of them make up one word."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from typing import NamedTuple

from csparc._text import trimmed, word_spans


class Word(NamedTuple):
    """A word and its tokens: positions `start` to `stop` (exclusive) of a row of ids."""

    text: str
    start: int
    stop: int


def byte_alphabet() -> list[tuple[int, str]]:
    """Each byte with the printable character that byte-level BPE writes for it, in CLIP's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [(byte, chr(byte)) for byte in printable] + [
        (byte, chr(256 + number)) for number, byte in enumerate(others)
    ]


_BYTE_OF = {letter: byte for byte, letter in byte_alphabet()}


class Pieces:
    """Turns pieces back to text, by the marks that the tokenizer's own description names.

    Byte-level BPE (with or without CLIP's ``</w>``), WordPiece (``##``) and SentencePiece (U+2581
    for a space) are known.
    """

    def __init__(self, description: str) -> None:
        parts = json.loads(description)
        model = parts.get("model") or {}
        shown = json.dumps([parts.get("pre_tokenizer"), parts.get("decoder")])
        self._bytes = "ByteLevel" in shown
        self._end = model.get("end_of_word_suffix") or ""
        self._inner = ""
        if model.get("type") == "WordPiece":
            self._inner = model.get("continuing_subword_prefix") or "##"

    def to_bytes(self, piece: str) -> bytes:
        """A piece's bytes (perhaps part of a character), a space where a word begins or ends."""
        if self._end and piece.endswith(self._end):
            return self._plain(piece.removesuffix(self._end)) + b" "
        if self._inner:
            if piece.startswith(self._inner):
                return self._plain(piece.removeprefix(self._inner))
            return b" " + self._plain(piece)
        return self._plain(piece)

    def text(self, piece: str) -> str:
        """A piece for display."""
        return trimmed(self.to_bytes(piece).decode("utf-8", "replace"))

    def spoken(self, pieces: Iterable[bytes]) -> list[str]:
        """The words of pieces, each as `to_bytes` has it, where none are asked for by place."""
        text = b"".join(pieces).decode("utf-8", "replace")
        return [text[begin:end] for begin, end in word_spans(text)]

    def words(self, pieces: list[str], first: int) -> list[Word]:
        """The words that consecutive pieces spell; `first` is the position of the first piece."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text, starts = "", []
        for piece in pieces:
            starts.append(len(text))
            text += decoder.decode(self.to_bytes(piece))
        text += decoder.decode(b"", True)
        found = word_spans(text)
        spans: dict[int, list[int]] = {}
        word = 0
        for position, start in enumerate(starts, first):
            # A piece that begins with blanks belongs to the word after them.
            while word < len(found) and found[word][1] <= start:
                word += 1
            if word < len(found):
                spans.setdefault(word, []).append(position)
        return [
            Word(text[slice(*found[word])], span[0], span[-1] + 1) for word, span in spans.items()
        ]

    def _plain(self, piece: str) -> bytes:
        if self._bytes and all(letter in _BYTE_OF for letter in piece):
            return bytes(_BYTE_OF[letter] for letter in piece)
        return piece.replace("\u2581", " ").encode("utf-8", "replace")
