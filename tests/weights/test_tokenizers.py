"""The tokenizer beside weights: which file is taken, how captions are cleaned, cut and padded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_model import small_model

from csparc import load_checkpoint
from csparc.data.tokenizer import Tokenizer, from_json
from csparc.errors import CheckpointError
from csparc.weights import write_checkpoint, write_weights

tokenizers = pytest.importorskip("tokenizers")

CAPTIONS = ["A red_square, left of: a BLUE circle!", "a dog", "", "one two three four five six"]
LENGTH = 40
CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "argmax", "vocab_size": 300,
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "norm_eps": 1e-6, "activation": "gelu_tanh", "shared_width": 8, "vocab_size": 300,
    "context_length": LENGTH,
}  # fmt: skip


def unigram(**specials: str):
    """A small tokenizer like SigLIP's: SentencePiece's unigram model."""
    made = tokenizers.Tokenizer(tokenizers.models.Unigram())
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=60, show_progress=False, unk_token="<unk>",
        special_tokens=["<pad>", specials.get("end", "</s>"), "<unk>"],
    )  # fmt: skip
    made.train_from_iterator(["a red square left of a blue circle", "a dog, one two"] * 3, trainer)
    return made


def bpe():
    """A small tokenizer like CLIP's."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=90, show_progress=False, end_of_word_suffix="</w>",
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
    )  # fmt: skip
    made.train_from_iterator(CAPTIONS * 3, trainer)
    return made


def saved(tmp_path, options, to="hf", backend=None, **settings):
    """A folder of weights with a tokenizer.json and its settings."""
    model = small_model(np.float32, **options)
    folder = write_weights(model, tmp_path / "written", to).parent
    if backend is not None:
        backend.save(str(folder / "tokenizer.json"))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_no_file_no_tokenizer(tmp_path):
    assert load_checkpoint(saved(tmp_path, CLIP))[1] is None


def test_siglips_rows_have_no_beginning_and_are_padded_with_their_end(tmp_path):
    backend = unigram()
    folder = saved(tmp_path, SIGLIP, backend=backend, tokenizer_class="SiglipTokenizer")
    model, words, _ = load_checkpoint(folder)
    with pytest.warns(UserWarning, match="was cut to context_length=40"):
        rows = words(["A DOG!", "", "a red_square left of a blue circle one two " * 3])
    own = backend.encode("a dog", add_special_tokens=False).ids
    assert rows[0].tolist() == [*own, 1, *[1] * (LENGTH - 1 - len(own))]
    assert rows[1].tolist() == [1] * LENGTH
    assert rows[2, -1] == 1
    assert words.truncated == 1
    assert words.sot_token_id is None
    assert words.valid_mask(rows).sum(axis=1).tolist() == [len(own) + 1, 1, LENGTH]
    assert words.loss_mask(rows).sum(axis=1).tolist() == [len(own), 0, LENGTH - 1]
    assert [word.text for word in words.word_spans(rows[0])] == ["a", "dog"]
    assert words.word_spans(rows[0])[0].start == 0
    assert words.decode_tokens(rows[1]) == ["</s>"]
    assert np.isfinite(model.encode_text(rows)).all()


@pytest.mark.parametrize(
    ("settings", "text", "same_as"),
    [
        ({"tokenizer_class": "SiglipTokenizer"}, "A red_square!", "a redsquare"),
        ({"tokenizer_class": "Siglip2Tokenizer"}, "A DOG", "a dog"),
        ({}, "A  dog", "A  dog"),
    ],
)
def test_captions_are_cleaned_as_transformers_does(settings, text, same_as, tmp_path):
    backend = unigram()
    words = load_checkpoint(saved(tmp_path, SIGLIP, backend=backend, **settings))[1]
    expected = [*backend.encode(same_as, add_special_tokens=False).ids, 1]
    assert words(text)[0, : len(expected)].tolist() == expected


def test_the_second_vocabulary_pads_with_its_own(tmp_path):
    words = load_checkpoint(saved(tmp_path, SIGLIP, backend=unigram(end="<eos>")))[1]
    assert words.pad_token_id == 0
    assert words.eot_token_id == 1
    named = saved(tmp_path / "named", SIGLIP, backend=unigram(), pad_token={"content": "<unk>"})
    assert load_checkpoint(named)[1].pad_token_id == 2


def test_clips_rows(tmp_path):
    folder = saved(tmp_path, CLIP, backend=bpe(), pad_token="<|endoftext|>")
    words = load_checkpoint(folder)[1]
    rows = words(["a dog"])
    assert rows[0, 0] == words.sot_token_id == 0
    assert (rows[0, 3:] == words.eot_token_id).all()
    assert words.valid_mask(rows)[0].tolist() == [True] * 4 + [False] * 3


def test_a_tokenizer_survives_writing(tmp_path):
    folder = saved(tmp_path, SIGLIP, backend=unigram(), tokenizer_class="SiglipTokenizer")
    model, words, _ = load_checkpoint(folder)
    write_checkpoint(model, tmp_path / "own.safetensors", tokenizer=words)
    again = load_checkpoint(tmp_path / "own.safetensors")[1]
    np.testing.assert_array_equal(again(CAPTIONS[:2]), words(CAPTIONS[:2]))
    hf = write_weights(model, tmp_path / "again", "hf", tokenizer=words)
    np.testing.assert_array_equal(load_checkpoint(hf)[1]("a dog"), words("a dog"))


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"model": {"type": "Unigram"}}'])
def test_what_is_no_tokenizer(content, tmp_path):
    folder = saved(tmp_path, CLIP)
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match="expected a tokenizer"):
        load_checkpoint(folder)


def test_one_with_more_entries_than_the_model(tmp_path):
    folder = saved(tmp_path, {**CLIP, "vocab_size": 11}, backend=bpe())
    with pytest.raises(CheckpointError, match="at most 11 entries"):
        load_checkpoint(folder)


def test_json_of_a_tokenizer_says_no_more_than_before():
    plain = Tokenizer(bpe(), 7)
    assert set(json.loads(plain.to_json())) == {
        "format", "context_length", "sot_token", "eot_token", "html_unescape", "tokenizer",
    }  # fmt: skip
    made = Tokenizer(unigram(), LENGTH, None, "</s>", pad_token_id=1, clean="canonicalize")
    again = from_json(made.to_json())
    np.testing.assert_array_equal(again(CAPTIONS[:2]), made(CAPTIONS[:2]))
    np.testing.assert_array_equal(again("A red_square"), again("a red square!"))
    with pytest.raises(ValueError, match="clean: expected"):
        Tokenizer(bpe(), 7, clean="wash")
