"""Encoding pictures and captions, beside programs made to run models, with the same weights.

    python benchmarks/bench_encode.py --case image-b32-1

``encode_image`` and ``encode_text`` of ViT-B/32 and ViT-B/16 in float32: onnxruntime, OpenVINO and
torch.compile, each made for the shapes of the case, captions padded to the longest of the batch;
csparc with its weights prepacked, as theirs are.
Random weights: what is computed does not depend on them. Vectors agree within 1e-4 of their length,
or the case fails. FLOP are those of the forward pass, without padding.

In bfloat16: beside csparc's own float32, OpenVINO by its hint and torch.compile under autocast.
Vectors lie within 3e-2 of the length of csparc's in float32; the peak is that of bfloat16.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from caption_cases import CONTEXT, captions
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core
from csparc.cost import towers
from csparc.data.tokenizer import Tokenizer, train

CLOSE = {"fp32": 1e-4, "bf16": 3e-2}
"""Between vectors, as a share of their length."""


@dataclass(frozen=True)
class Case:
    preset: str
    kind: str
    """"image" or "text"."""
    B: int
    repeats: int = 6
    precision: str = "fp32"


CASES = {
    "image-b32-1": Case("vit-b-32", "image", 1, 12),
    "image-b32-32": Case("vit-b-32", "image", 32),
    "image-b16-1": Case("vit-b-16", "image", 1, 12),
    "image-b16-32": Case("vit-b-16", "image", 32, 3),
    "text-1": Case("vit-b-16", "text", 1, 12),
    "text-32": Case("vit-b-16", "text", 32),
    "image-b32-1-bf16": Case("vit-b-32", "image", 1, 12, "bf16"),
    "image-b32-32-bf16": Case("vit-b-32", "image", 32, 6, "bf16"),
    "image-b16-1-bf16": Case("vit-b-16", "image", 1, 12, "bf16"),
    "image-b16-32-bf16": Case("vit-b-16", "image", 32, 3, "bf16"),
    "text-1-bf16": Case("vit-b-16", "text", 1, 12, "bf16"),
    "text-32-bf16": Case("vit-b-16", "text", 32, 6, "bf16"),
}  # both presets have the same text tower


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    texts = captions(case.B)
    tokenizer = train(texts, vocab_size=1000, context_length=CONTEXT)
    sizes = {"context_length": CONTEXT, "vocab_size": tokenizer.vocab_size}
    model = csparc.create_model(case.preset, **sizes)
    inputs, flop = batch(case, model, tokenizer, texts)
    made = {"csparc": model}
    if case.precision == "bf16":
        rounded = csparc.create_model(case.preset, precision="bf16", **sizes)
        made = {"csparc": rounded, "csparc, float32": model}
    entries: dict[str, Callable] = {name: encoder(case, one, inputs) for name, one in made.items()}
    exact, notes = encoder(case, model, inputs), {"isa": _core.config()["isa"]}
    if case.precision == "bf16":
        notes["bfloat16"] = _core.config()["bfloat16"]
    if importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    else:
        more, told = peers(case, model, inputs, limits)
        entries, notes = entries | more, notes | told
    work = dict.fromkeys(entries, flop)
    calls = 5 if case.B == 1 else 1
    peak = "bf16_peak" if case.precision == "bf16" else "fma_peak"
    with ExitStack() as held:
        for one in made.values():
            held.enter_context(one.prepacked())
        notes |= agreement(entries, exact(), CLOSE[case.precision])
        result = interleave(
            entries, work, case.repeats, limits, calls=calls, ready=True, peak_op=peak
        )  # fmt: skip
    result.notes |= notes
    result.figures["B"] = case.B
    return result


def batch(
    case: Case, model: csparc.TwoTower, tokenizer: Tokenizer, texts: list[str]
) -> tuple[tuple[np.ndarray, ...], float]:
    """What is encoded, captions with the mask of their tokens, and its FLOP."""
    if case.kind == "image":
        side = model.config.image_size
        rng = np.random.default_rng(0)
        images = rng.standard_normal((case.B, 3, side, side), dtype=np.float32)
        return (images,), float(case.B * towers.image_flop(model.config))
    ids = tokenizer(texts)
    lengths = tokenizer.valid_mask(ids).sum(axis=1)
    ids = np.ascontiguousarray(ids[:, : lengths.max()])
    flop = sum(towers.text_flop(replace(model.config, context_length=int(n))) for n in lengths)
    return (ids, tokenizer.valid_mask(ids)), float(flop)


def encoder(case: Case, model: csparc.TwoTower, inputs: tuple[np.ndarray, ...]) -> Callable:
    """csparc's call."""
    if case.kind == "image":
        return lambda: model.encode_image(*inputs)
    return lambda: model.encode_text(inputs[0], text_mask=inputs[1])


def peers(
    case: Case, model: csparc.TwoTower, inputs: tuple[np.ndarray, ...], limits: Limits
) -> tuple[dict[str, Callable], dict[str, str]]:
    """The other programs."""
    from encode_peers import calls
    from tower_peers import towers as torch_towers

    made = torch_towers(model)
    tower = made.visual if case.kind == "image" else made.text
    with tempfile.TemporaryDirectory() as folder:
        return calls(tower, inputs, limits.threads, Path(folder), case.precision == "bf16")


def agreement(entries: dict[str, Callable], expected: np.ndarray, close: float) -> dict[str, str]:
    """How far the vectors of every entry lie from those expected; AssertionError: too far."""
    notes = {}
    for name, call in entries.items():
        apart = np.linalg.norm(call() - expected, axis=1) / np.linalg.norm(expected, axis=1)
        if not apart.max() <= close:
            raise AssertionError(f"{name} computes something else: differs by {apart.max():.1e}")
        if apart.max() > 0:
            notes[name] = f"differs by {apart.max():.0e}"
    return notes


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
