"""Encoding pictures and captions, beside programs made to run models, with the same weights.

    python benchmarks/bench_encode.py --case image-b32-1

``encode_image`` and ``encode_text`` of ViT-B/32 and ViT-B/16 in float32: onnxruntime, OpenVINO and
torch.compile, each made for the shapes of the case, captions padded to the longest of the batch.
Random weights: what is computed does not depend on them. Vectors agree within 1e-4 of their length,
or the case fails. FLOP are those of the forward pass, without padding.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from caption_cases import CONTEXT, captions
from harness import Limits, Setting, interleave, main
from results import Measurement

import csparc
from csparc import _core
from csparc.cost import towers
from csparc.data.tokenizer import train

CLOSE = 1e-4


@dataclass(frozen=True)
class Case:
    preset: str
    kind: str
    """"image" or "text"."""
    B: int
    repeats: int = 6


CASES = {
    "image-b32-1": Case("vit-b-32", "image", 1, 12),
    "image-b32-32": Case("vit-b-32", "image", 32),
    "image-b16-1": Case("vit-b-16", "image", 1, 12),
    "image-b16-32": Case("vit-b-16", "image", 32, 3),
    "text-1": Case("vit-b-16", "text", 1, 12),
    "text-32": Case("vit-b-16", "text", 32),
}  # both presets have the same text tower


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    texts = captions(case.B)
    tokenizer = train(texts, vocab_size=1000, context_length=CONTEXT)
    model = csparc.create_model(
        case.preset, context_length=CONTEXT, vocab_size=tokenizer.vocab_size
    )
    if case.kind == "image":
        side = model.config.image_size
        rng = np.random.default_rng(0)
        inputs = (rng.standard_normal((case.B, 3, side, side), dtype=np.float32),)
        flop = case.B * towers.image_flop(model.config)
        entries = {"csparc": lambda: model.encode_image(*inputs)}
    else:
        ids = tokenizer(texts)
        lengths = tokenizer.valid_mask(ids).sum(axis=1)
        ids = np.ascontiguousarray(ids[:, : lengths.max()])
        inputs = (ids, tokenizer.valid_mask(ids))
        flop = sum(towers.text_flop(replace(model.config, context_length=int(n))) for n in lengths)
        entries = {"csparc": lambda: model.encode_text(ids, text_mask=inputs[1])}
    notes = {"isa": _core.config()["isa"]}
    if importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    else:
        more, told = peers(case, model, inputs, limits)
        entries, notes = entries | more, notes | told
    work = dict.fromkeys(entries, float(flop))
    calls = 5 if case.B == 1 else 1
    result = interleave(entries, work, case.repeats, limits, calls=calls, ready=True)
    result.notes |= notes
    result.figures["B"] = case.B
    return result


def peers(
    case: Case, model: csparc.TwoTower, inputs: tuple[np.ndarray, ...], limits: Limits
) -> tuple[dict[str, Callable], dict[str, str]]:
    """The other programs, each compared with csparc's vectors."""
    from encode_peers import calls
    from tower_peers import towers as torch_towers

    made = torch_towers(model)
    tower = made.visual if case.kind == "image" else made.text
    with tempfile.TemporaryDirectory() as folder:
        found, notes = calls(tower, inputs, limits.threads, Path(folder))
    if case.kind == "image":
        expected = model.encode_image(*inputs)
    else:
        expected = model.encode_text(inputs[0], text_mask=inputs[1])
    for name, call in found.items():
        apart = np.linalg.norm(call() - expected, axis=1) / np.linalg.norm(expected, axis=1)
        if not apart.max() <= CLOSE:
            raise AssertionError(f"{name} computes something else: differs by {apart.max():.1e}")
        notes[name] = f"differs by {apart.max():.0e}"
    return found, notes


if __name__ == "__main__":
    main(__file__, run, dict.fromkeys(CASES, Setting()), __doc__.split("\n")[0])
