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


def part(name: str) -> str:
    side = "image" if name.startswith("visual.") else "text"
    if name == "logit_scale":
        return "temperature"
    if "resblocks" in name or "ln_" in name:
        return f"{side} blocks"
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


@pytest.mark.parametrize("options", POOLS, ids=str)
def test_activation_memory_is_what_a_step_holds(options: dict, rng: np.random.Generator) -> None:
    model = create_model("nano", vocab_size=100, **options)
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
