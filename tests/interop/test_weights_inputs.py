"""Ids of captions and pixels of pictures before CLIP and SigLIP are those of the peers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weight_peers as peers  # noqa: E402
from small_model import small_model  # noqa: E402

from csparc.data.transforms import Preprocess  # noqa: E402
from csparc.weights import read_weights, write_weights  # noqa: E402

open_clip = peers.peer("open_clip")
transformers = peers.peer("transformers")
PIL = pytest.importorskip("PIL")
image_module = pytest.importorskip("PIL.Image")

CAPTIONS = [
    "A photo of a dog.", "", "  two   blanks\tand a tab\n", "snake_case & \"quotes\", don't!",
    "\u00dcber caf\u00e9 na\u00efve 2024", "emoji \U0001f600 and \u4e2d\u6587",
    "A RED SQUARE; left-of a BLUE circle",
    "a very long caption " * 30, "x&amp;y &lt;b&gt;",
]  # fmt: skip
CLIP = {
    "global_pool": "class", "causal": True, "pre_norm": True, "projection_bias": False,
    "text_pool": "eos", "eos_id": 49_407, "vocab_size": 49_408, "context_length": 77,
}  # fmt: skip
SIGLIP = {
    "global_pool": "map", "text_pool": "last", "patch_bias": True, "logit_bias": True,
    "norm_eps": 1e-6, "shared_width": 8, "vocab_size": 600, "context_length": 64,
}  # fmt: skip


def vocabulary() -> Path:
    return Path(open_clip.tokenizer.default_bpe())


def clip_folder(tmp_path: Path, to: str) -> Path:
    return write_weights(small_model(np.float32, **CLIP), tmp_path / to, to).parent


def ids_of(folder: Path, captions: list[str]) -> np.ndarray:
    """The rows of the tokenizer beside weights, one of which is cut."""
    words = read_weights(folder).tokenizer
    with pytest.warns(UserWarning, match="was cut"):
        rows = words(captions)
    assert words.truncated == 1
    return rows


def test_clips_own_vocabulary_in_open_clip(tmp_path):
    folder = clip_folder(tmp_path, "open_clip")
    shutil.copy(vocabulary(), folder)
    theirs = open_clip.tokenize(CAPTIONS).numpy()
    np.testing.assert_array_equal(ids_of(folder, CAPTIONS), theirs)


def test_clip_in_transformers(tmp_path):
    """Its tokenizer.json, and vocab.json with merges.txt; rows are padded with the end token."""
    folder = clip_folder(tmp_path, "hf")
    simple = open_clip.tokenizer.SimpleTokenizer()
    merges = sorted(simple.bpe_ranks, key=simple.bpe_ranks.get)
    vocab = {
        token.replace("<start_of_text>", "<|startoftext|>").replace(
            "<end_of_text>", "<|endoftext|>"
        ): number
        for token, number in simple.encoder.items()
    }
    theirs = transformers.CLIPTokenizer(vocab=vocab, merges=merges)
    theirs.save_pretrained(folder)
    assert (folder / "tokenizer.json").is_file()
    expected = theirs(CAPTIONS, padding="max_length", truncation=True, max_length=77)["input_ids"]
    np.testing.assert_array_equal(ids_of(folder, CAPTIONS), np.array(expected))


def unigram():
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.Unigram())
    made.normalizer = library.normalizers.NFKC()
    made.pre_tokenizer = library.pre_tokenizers.Metaspace()
    made.decoder = library.decoders.Metaspace()
    trainer = library.trainers.UnigramTrainer(
        vocab_size=200, show_progress=False, unk_token="<unk>",
        special_tokens=["<pad>", "</s>", "<unk>"],
    )  # fmt: skip
    words = ["a photo of a dog", "two blanks and a tab", "a red square left of a blue circle",
             "a very long caption", "snake case quotes don't"]  # fmt: skip
    made.train_from_iterator(words * 20, trainer)
    made.post_processor = library.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return made


def test_siglip_in_open_clip(tmp_path):
    """As open_clip reads a vocabulary of SigLIP's kind, cleaned by "canonicalize"."""
    vocab = transformers.PreTrainedTokenizerFast(
        tokenizer_object=unigram(), eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )
    vocab.save_pretrained(tmp_path)
    theirs = open_clip.tokenizer.HFTokenizer(str(tmp_path), 64, clean="canonicalize")
    expected = theirs(CAPTIONS).numpy()
    from csparc.weights import tokens

    text = {"tokenizer_kwargs": {"clean": "canonicalize"}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": text}}))
    words = tokens.read(tmp_path / "tokenizer.json", small_model(**SIGLIP).config)
    with pytest.warns(UserWarning, match="was cut"):
        np.testing.assert_array_equal(words(CAPTIONS), expected)


def test_siglip_2_in_transformers(tmp_path):
    folder = write_weights(small_model(np.float32, **SIGLIP), tmp_path / "hf", "hf").parent
    letters = "\u2581abcdefghijklmnopqrstuvwxyz"
    vocab = {name: n for n, name in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])}
    vocab |= {f"<0x{byte:02X}>": len(vocab) + byte for byte in range(256)}
    vocab |= {letter: len(vocab) + n for n, letter in enumerate(letters)}
    merges = [("a", "n"), ("o", "n"), ("r", "e"), ("\u2581", "a")]
    vocab |= {"".join(pair): len(vocab) + n for n, pair in enumerate(merges)}
    theirs = transformers.Siglip2Tokenizer(
        vocab=vocab, merges=merges, add_bos_token=False, add_eos_token=True, padding_side="right"
    )
    theirs.save_pretrained(folder)
    words = read_weights(folder).tokenizer
    captions = [caption for caption in CAPTIONS if len(caption) < 50]
    rows = words(captions)
    for row, caption in zip(rows, captions):
        own = theirs(caption, add_special_tokens=False)["input_ids"]
        assert row.tolist() == [*own, 1, *[0] * (63 - len(own))]


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(300), np.arange(451))[..., None] % 256
    return [
        rng.integers(0, 256, (90, 120, 3)).astype(np.uint8),
        np.broadcast_to(smooth, (300, 451, 3)).astype(np.uint8),
        rng.integers(0, 256, (257, 33, 3)).astype(np.uint8),
    ]


HALF = (0.5, 0.5, 0.5)


def assert_pixels(preprocess: Preprocess, picture: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to the rounding of float32. Up to version 12 Pillow resizes columns first; later ones
    choose, so that what they give is ours, or ours of the picture turned over its diagonal."""
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2))
    found = [preprocess(picture), preprocess(turned).transpose(0, 2, 1)]
    later = int(PIL.__version__.split(".")[0]) > 12
    assert any(np.allclose(one, theirs, rtol=0, atol=1e-6) for one in found[: 1 + later])


@pytest.mark.parametrize("family", ["CLIP", "SigLIP"])
@pytest.mark.parametrize("size", [32, 64])
def test_pixels_of_open_clip(family, size):
    siglip = family == "SigLIP"
    settings = {"mean": HALF, "std": HALF} if siglip else {}
    mode = "squash" if siglip else "shortest"
    ours = Preprocess(size, **settings, resize_mode=mode)
    theirs = open_clip.image_transform(size, is_train=False, **settings, resize_mode=mode)
    for picture in pictures():
        expected = theirs(image_module.fromarray(picture)).numpy()
        assert_pixels(ours, picture, expected)


@pytest.mark.parametrize("family", ["CLIP", "SigLIP"])
def test_pixels_of_transformers(family, tmp_path):
    """With the preprocessor_config.json that they write, and that csparc writes."""
    clip = family == "CLIP"
    kind = transformers.CLIPImageProcessorPil if clip else transformers.SiglipImageProcessorPil
    size = {"shortest_edge": 16} if clip else {"height": 16, "width": 16}
    crop = {"crop_size": {"height": 16, "width": 16}} if clip else {}
    theirs = kind(size=size, **crop)
    model = small_model(np.float32, **(CLIP if clip else SIGLIP))
    folder = write_weights(model, tmp_path / "hf", "hf").parent
    by_ours = kind.from_pretrained(folder)
    theirs.save_pretrained(folder)
    ours = read_weights(folder).preprocess
    for picture in pictures():
        image = image_module.fromarray(picture)
        for processor in (theirs, by_ours):
            found = processor(image, return_tensors="np")["pixel_values"][0]
            assert_pixels(ours, picture, np.asarray(found))
