"""Tokenizers of others: CLIP's merges, any tokenizer.json, and files that are neither."""

from __future__ import annotations

import gzip
import html
import importlib.util
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from csparc.data import tokenizer
from csparc.data.pieces import byte_alphabet
from csparc.errors import DataError

MERGES = ["r e", "a t</w>", "c at</w>", "re d</w>", "t h", "th e</w>", "o n</w>", "' s</w>"]


@pytest.fixture(scope="module")
def own() -> tokenizer.Tokenizer:
    return tokenizer.train(["a red square", "two blue circles"] * 3, context_length=16)


@pytest.fixture
def clip_file(tmp_path: Path) -> str:
    path = tmp_path / "bpe.txt.gz"
    path.write_bytes(gzip.compress("\n".join(["#version: 0.2", *MERGES, ""]).encode()))
    return str(path)


def slow_clip_ids(text: str) -> list[int]:
    """CLIP's encoding from its definition: lower case, words, lowest-ranked pair first."""
    letters = dict(byte_alphabet())
    entries = [*letters.values(), *(f"{letter}</w>" for letter in letters.values())]
    entries += ["".join(merge.split()) for merge in MERGES]
    ranks = {tuple(merge.split()): rank for rank, merge in enumerate(MERGES)}
    text = html.unescape(html.unescape(text)).lower()
    ids = []
    for word in re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", text):
        parts = [letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            merged, at = [], 0
            while at < len(parts):
                step = 2 if tuple(parts[at : at + 2]) == best else 1
                merged.append("".join(parts[at : at + step]))
                at += step
            parts = merged
        ids += [entries.index(part) for part in parts]
    return ids


def test_padding_that_looks_like_a_token(clip_file: str) -> None:
    clip = tokenizer.from_clip_bpe(clip_file)
    ids = clip("!!")
    assert ids[0, 1] == 0, "the exclamation mark is entry 0, as in CLIP"
    assert clip.valid_mask(ids).sum() == 4
    assert clip.loss_mask(ids).sum() == 2


@pytest.mark.parametrize(
    "text",
    ["the cat sat on it", "It's RED!!! 2023", "café 画 \U0001f600", "  a\n\tb ", "&amp;lt; &#39;s"],
)
def test_clip_equals_its_definition(clip_file: str, text: str) -> None:
    clip = tokenizer.from_clip_bpe(clip_file)
    ids = clip(text)[0]
    assert clip.vocab_size == 512 + len(MERGES) + 2
    assert clip.context_length == 77
    assert (clip.sot_token_id, clip.eot_token_id) == (520, 521)
    assert ids[clip.loss_mask(ids)].tolist() == slow_clip_ids(text)


def test_clip_words(clip_file: str) -> None:
    clip = tokenizer.from_clip_bpe(clip_file)
    words = clip.word_spans(clip("the cat\u2019s red, mat")[0])
    assert [word.text for word in words] == ["the", "cat", "'s", "red", ",", "mat"]
    assert words[1] == ("cat", 2, 3)


def test_clip_from_vocab_and_merges(clip_file: str, tmp_path: Path) -> None:
    clip = tokenizer.from_clip_bpe(clip_file)
    backend = json.loads(clip.to_json())["tokenizer"]
    numbers = {**backend["model"]["vocab"]}
    (tmp_path / "vocab.json").write_text(json.dumps(numbers))
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]))
    again = tokenizer.from_clip_bpe(str(tmp_path / "merges.txt"), str(tmp_path / "vocab.json"))
    np.testing.assert_array_equal(again("the cat's red hat"), clip("the cat's red hat"))


def test_clip_golden_ids() -> None:
    """Pinned from open_clip 3.3.0's SimpleTokenizer; its package carries the vocabulary."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None:
        pytest.skip("open_clip, whose package carries CLIP's vocabulary, is not installed")
    folder = Path(spec.submodule_search_locations[0])
    clip = tokenizer.from_clip_bpe(str(folder / "bpe_simple_vocab_16e6.txt.gz"))
    for text, ids in GOLDEN.items():
        found = clip(text)[0]
        assert found[clip.loss_mask(found)].tolist() == ids
    assert (clip.vocab_size, clip.sot_token_id, clip.eot_token_id) == (49408, 49406, 49407)


GOLDEN = {
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "It's the dog's": [585, 568, 518, 1929, 568],
    "12 bones, 3.5kg": [272, 273, 9476, 267, 274, 269, 276, 7817],
    "café Häuschen 画像": [15304, 71, 10896, 84, 844, 576, 20211, 119, 161, 225, 493],
    "emoji 😀 &amp; “quotes”": [16327, 7334, 261, 257, 5808, 257],
    "don't I'LL we've": [847, 713, 328, 1342, 649, 1200],
}


def test_json_round_trip(own: tokenizer.Tokenizer, clip_file: str) -> None:
    for made in (own, tokenizer.from_clip_bpe(clip_file)):
        again = tokenizer.from_json(made.to_json())
        assert again.to_json() == made.to_json()
        texts = ["The cat's red &amp; blue, 画", ""]
        np.testing.assert_array_equal(again(texts, 40), made(texts, 40))


def word_piece(tmp_path: Path, tokens: list[str]) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocab = {token: number for number, token in enumerate(tokens)}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens([token for token in tokens if token.startswith("[")])
    backend.enable_truncation(3)
    backend.enable_padding()
    backend.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path / "tokenizer.json")


def test_any_tokenizer_json(tmp_path: Path) -> None:
    path = word_piece(tmp_path, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "ball", "a"])
    found = tokenizer.from_file(path, context_length=8)
    ids = found("playing a ball")[0]
    assert ids.tolist() == [2, 4, 5, 7, 6, 3, 0, 0]
    assert found.word_spans(ids) == [("playing", 1, 3), ("a", 3, 4), ("ball", 4, 5)]
    assert found.decode_tokens(ids) == ["[CLS]", "play", "ing", "a", "ball", "[SEP]"]


def test_a_tokenizer_json_without_its_specials(tmp_path: Path) -> None:
    path = word_piece(tmp_path, ["[PAD]", "[UNK]", "[END]", "a"])
    with pytest.raises(DataError, match=r"begin token .*found the special tokens '\[PAD\]'.*sot_t"):
        tokenizer.from_file(path)
    with pytest.raises(DataError, match=r"end token .*eot_token="):
        tokenizer.from_file(path, sot_token="[PAD]")
    with pytest.raises(DataError, match="begin token 'x'"):
        tokenizer.from_file(path, sot_token="x")
    found = tokenizer.from_file(path, 4, sot_token="[PAD]", eot_token="[END]")
    assert found("a").tolist() == [[0, 3, 2, 0]]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b"null", b'{"model": 3}', b'{"version": ""}', b"\xff\xfe", b"[" * 99999],
)
def test_no_tokenizer_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(DataError, match=r"tokenizer\.json: expected"):
        tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    with pytest.raises(DataError, match="tokenizer: expected"):
        tokenizer.from_json(content.decode("latin-1"))


def test_json_that_lies(own: tokenizer.Tokenizer) -> None:
    for change in (
        {"format": "other"},
        {"context_length": 1},
        {"context_length": True},
        {"sot_token": None},
        {"eot_token": "<none>"},
        {"tokenizer": {}},
    ):
        with pytest.raises(DataError, match="tokenizer: expected"):
            tokenizer.from_json(json.dumps({**json.loads(own.to_json()), **change}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"\xff\xfe"),
        ("a.gz", b"no gzip"),
        ("b.gz", gzip.compress(b"x\na b\n")[:-9]),
        ("c.txt", b"#version\na b c\n"),
        ("d.txt", b"#version\nab \n"),
        ("e.txt", b"#version\nqq zz\n"),
        ("f.gz", gzip.compress(b"0" * ((1 << 26) + 9))),
    ],
)
def test_no_merges_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: expected"):
        tokenizer.from_clip_bpe(str(tmp_path / name))


def test_no_vocab_file(clip_file: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no such file"):
        tokenizer.from_clip_bpe(str(tmp_path / "none.txt"))
    for content in ("[]", '{"a": "b"}', '{"a": 0}'):
        (tmp_path / "vocab.json").write_text(content)
        with pytest.raises(DataError, match="expected"):
            tokenizer.from_clip_bpe(clip_file, str(tmp_path / "vocab.json"))
