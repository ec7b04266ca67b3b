"""Figures of `csparc info`, against models that exist."""

from __future__ import annotations

import numpy as np
import pytest

from csparc import nn
from csparc.cost.model import describe, table
from csparc.models import PRESETS, create_model, model_info

# A pass may hold a little beyond what the backward reads: outputs of branches already added.
SLACK = 0.02
POOLS = [{}, {"global_pool": "listing"}, {"global_pool": "mean"}]
# Eight registers: buffers come in steps of an eighth, and 72 rows fill one.
LOCAL = [
    {"image_stem": "conv"},
    {"image_positions": "none", "attention_window": 3},
    {"registers": 8, "local_layer": 2, "image_positions": "after"},
    {"registers": 8, "local_layer": 3, "attention_window": 5},
    {"local_layer": 1, "image_positions": "after", "local_tokens": "words"},
    {"local_layer": 0, "global_pool": "attention", "pool_queries": 2},
    {"local_layer": 1, "global_pool": "mean", "local_tokens": "words"},
    {"local_layer": 3, "global_pool": "listing", "local_tokens": "words"},
    {"image_stem": "conv", "global_pool": "attention", "image": {"layers": 0}},
]


def part(name: str) -> str:
    side = "image" if name.startswith("visual.") else "text"
    if name == "logit_scale":
        return "temperature"
    if "resblocks" in name or "ln_" in name:
        return f"{side} blocks"
    if "local_" in name:
        return f"{side} local part"
    if "attn_pool" in name:
        return f"{side} pooling"
    for word in ("head", "adapter"):
        if word in name:
            return f"{side} {word}"
    return f"{side} embedding"


@pytest.mark.parametrize("options", POOLS, ids=str)
@pytest.mark.parametrize("name", list(PRESETS))
def test_parameter_counts_are_those_of_the_model(name: str, options: dict) -> None:
    info = model_info(name, vocab_size=100, **options)
    model = create_model(name, vocab_size=100, seed=None, **options)
    counts = dict.fromkeys(info.parameters, 0)
    for full_name, parameter in model.parameters.items():
        counts[part(full_name)] += parameter.data.size
    assert counts == info.parameters
    assert info.total_parameters == sum(p.data.size for p in model.parameters.values())


@pytest.mark.parametrize("options", LOCAL, ids=str)
def test_parameter_counts_of_local_towers(options: dict) -> None:
    info, model = model_info("nano", **options), create_model("nano", seed=None, **options)
    counts = dict.fromkeys(info.parameters, 0)
    for name, parameter in model.parameters.items():
        counts[part(name)] += parameter.data.size
    assert counts == info.parameters


@pytest.mark.parametrize(
    ("name", "options"),
    [*(("nano", o) for o in (*POOLS, *LOCAL)), *(("nano-local", o) for o in POOLS)],
    ids=str,
)
def test_activation_memory_is_what_a_step_holds(
    name: str, options: dict, rng: np.random.Generator
) -> None:
    model = create_model(name, vocab_size=100, **options)
    image = rng.normal(size=(16, 3, 64, 64)).astype(np.float32)
    text = rng.integers(1, 100, (16, 32)).astype(np.int32)
    before = nn.BUFFERS.in_use()
    tape = nn.Tape()
    out = model(image, text, tape=tape)
    assert out.patches is not None
    held = nn.BUFFERS.in_use() - before
    expected = model_info(model.config).activation_bytes(16)
    assert held == pytest.approx(expected, rel=SLACK)


def test_flop_by_hand() -> None:
    """One block a tower, counted product by product."""
    towers = {side: {"width": 4, "layers": 1, "heads": 1} for side in ("image", "text")}
    info = model_info("nano", image_size=16, context_length=5, shared_width=3, **towers)
    expected = 0
    for length in (4, 5):
        qkv, out, mlp = length * 4 * 12, length * 4 * 4, 2 * length * 4 * 16
        scores, mixing, adapter = length * length * 4, length * length * 4, length * 4 * 3
        expected += 2 * (qkv + out + mlp + scores + mixing + adapter)
    embedding, head, pooled = 4 * 192 * 4, 4 * 4, 2 * 4 * 3
    assert info.flop == expected + 2 * (embedding + head + pooled)


def test_flop_of_a_local_model_by_hand() -> None:
    """Two convolutions to a grid of 4 x 4, a residual block, two queries; two words a caption."""
    towers = {side: {"width": 4, "layers": 0, "heads": 1} for side in ("image", "text")}
    info = model_info(
        "nano-local", image_size=16, patch_size=4, context_length=5, shared_width=3,
        pool_queries=2, **towers,
    )  # fmt: skip
    stem = 9 * (64 * 3 * 2 + 16 * 2 * 4 + 16 * 4 * 8) + 16 * 8 * 4
    pool = 16 * 4 * 8 + 2 * 2 * 16 * 4 + 2 * 4 * 4
    image = stem + 16 * 4 * 3 + pool + 4 * 4 + 4 * 3
    text = 5 * 4 * 3 + 4 * 3
    assert info.flop == 2 * (image + text)
    assert info.reading_width == 15


def test_flop_of_windows_is_what_blocks_of_queries_score() -> None:
    """A grid of 8 x 8 and window 3: blocks of two rows see three rows at the border, else four."""
    whole = model_info("nano", image_positions="none").flop
    windows = model_info("nano", image_positions="none", attention_window=3).flop
    scored = 16 * 8 * (3 + 4 + 4 + 3)
    assert whole - windows == 3 * 4 * 64 * (64 * 64 - scored)


@pytest.mark.parametrize(
    ("options", "pixels"),
    [
        ({}, None),
        ({"local_layer": 0}, 8),
        ({"local_layer": 0, "image_stem": "conv"}, 31),
        ({"local_layer": 1, "attention_window": 3}, 24),
        ({"local_layer": 2, "attention_window": 3, "image_stem": "conv"}, 63),
        ({"local_layer": 1, "attention_window": 3, "registers": 1}, 24),
        ({"local_layer": 2, "attention_window": 3, "registers": 1}, None),
        ({"local_layer": 1}, None),
    ],
    ids=str,
)
def test_what_a_local_patch_can_see(
    options: dict, pixels: int | None, rng: np.random.Generator
) -> None:
    """The stated width, and no pixel beyond it changes a patch while one at its rim does."""
    options = {"image_size": 192, "image_positions": "none", "global_pool": "attention", **options}
    model = create_model("nano", dtype=np.float64, seed=1, **options)
    assert model_info(model.config).reading_width == model.config.reading_width == pixels
    image = rng.normal(size=(1, 3, 192, 192))
    _, plain = model.encode_image(image, return_patches=True)
    patch = 12 * 24 + 12  # of pixels 96 to 103; a stem of stride 2 is centred on their first
    first = 96 - ((pixels or 8) - (8 if model.config.image_stem == "patch" else 1)) // 2
    for column, changes in ((first - 1, pixels is None), (first, True), (0, pixels is None)):
        moved = image.copy()
        moved[:, :, 100, column] += 1.0
        _, seen = model.encode_image(moved, return_patches=True)
        assert (seen[0, patch] != plain[0, patch]).any() == changes, column


def test_the_table_names_everything() -> None:
    text = "\n".join(model_info("vit-b-16").lines(batch_size=8))
    for word in ("image blocks", "text embedding", "activations, batch 8", "FLOP a pair, training"):
        assert word in text
    # 86 M of ViT-B/16, its head, adapter, and a text tower of 12 x 512 with 32 000 tokens.
    assert 135e6 < model_info("vit-b-16").total_parameters < 145e6


def test_the_overview_has_a_line_a_preset() -> None:
    lines = table(batch_size=4).splitlines()
    assert len(lines) == 1 + len(PRESETS)
    assert "MiB, batch 4" in lines[0]
    for line, name in zip(lines[1:], PRESETS, strict=True):
        assert line.split()[0] == name
        assert f"{model_info(name).total_parameters:,}" in line
    assert describe("nano", batch_size=4).splitlines() == model_info("nano").lines(4)
