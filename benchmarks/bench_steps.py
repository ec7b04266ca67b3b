"""Whole training steps with data loading, beside the same steps in torch.

    python benchmarks/bench_steps.py --case tiny

JPEG pictures of 500 x 375, decoded in memory as after a first epoch, cropped, resized and
normalised in threads; captions with lengths as of COCO's, SPARC, clipping, AdamW; float32, the same
weights, the same pictures and captions, loaded by csparc for all. torch (oneDNN, fused attention,
fused AdamW) pads captions to the longest of the batch; eager and compiled are tried, and the faster
one takes turns with csparc, also with captions padded to 55. The losses of the first step agree.
FLOP: thrice the forward pass of both towers without padding.

In bfloat16: csparc as ``--precision bf16`` trains (the loss stays in float32), beside its own
float32 and torch with towers and loss under autocast; the peak is that of bfloat16.
"""

from __future__ import annotations

import copy
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from caption_cases import CONTEXT, captions, useful_flop, write_folder
from harness import Limits, Setting, interleave, main, timed
from results import Measurement

import csparc
import csparc.data
from csparc import _core
from csparc.data.loading.loader import Loader
from csparc.data.tokenizer import train
from csparc.data.transforms import Preprocess
from csparc.losses import SparcLoss
from csparc.optim import AdamW
from csparc.trainer import TrainConfig
from csparc.trainer.step import Step, introduce

CLOSE = {"fp32": 1e-4, "bf16": 1e-2}
"""Between the losses of the first step, relative; in bfloat16 to csparc's in float32."""
RATE = 1e-4


@dataclass(frozen=True)
class Case:
    preset: str
    B: int
    threads: int | None = None
    repeats: int = 5
    compiles: bool = True
    """Whether torch.compile is tried: of the largest it takes longer than all the rest."""
    precision: str = "fp32"


CASES = {
    "nano": Case("nano", 64),
    "tiny": Case("tiny", 64),
    "small": Case("small", 32, repeats=3),
    "vit-b-32": Case("vit-b-32", 16, repeats=3),
    "vit-b-16": Case("vit-b-16", 8, repeats=2),
    "nano-one-thread": Case("nano", 64, threads=1),
    "tiny-one-thread": Case("tiny", 64, threads=1, repeats=3),
    "small-one-thread": Case("small", 32, threads=1, repeats=2),
    "nano-bf16": Case("nano", 64, precision="bf16"),
    "tiny-bf16": Case("tiny", 64, precision="bf16"),
    "small-bf16": Case("small", 32, repeats=3, precision="bf16"),
    "vit-b-32-bf16": Case("vit-b-32", 16, repeats=3, precision="bf16"),
    "vit-b-16-bf16": Case("vit-b-16", 8, repeats=2, precision="bf16"),
}


def run(name: str, limits: Limits) -> Measurement:
    case = CASES[name]
    csparc.set_num_threads(limits.threads)
    texts = captions(case.B)
    tokenizer = train(texts, vocab_size=1000, context_length=CONTEXT)
    sizes = {"context_length": CONTEXT, "vocab_size": tokenizer.vocab_size}
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), texts)
        data = csparc.data.open(f"folder:{folder}")
        model = csparc.create_model(case.preset, **sizes)
        transform = Preprocess(model.config.image_size, train=True)
        # As many pictures as a batch: every batch has the same captions, in another order.
        with Loader(data, tokenizer, transform, case.B) as loader:
            return measured(case, model, loader, limits)


def measured(case: Case, model: csparc.TwoTower, loader: Loader, limits: Limits) -> Measurement:
    first = next(loader)
    lengths = first["text_mask"].sum(axis=1)
    longest = int(lengths.max())
    notes = {"isa": _core.config()["isa"]}
    exact = copy.deepcopy(model)
    own = Trainee(model, case, case.precision)
    entries: dict[str, Tried] = {}
    if importlib.util.find_spec("torch") is None:
        notes["torch"] = "not installed: pip install 'csparc[bench]'"
    else:
        entries = peers(case, own, longest, first, limits)
    steps = {"csparc": Tried(own, first)}
    if case.precision == "bf16":
        notes["bfloat16"] = _core.config()["bfloat16"]
        steps["csparc, float32"] = Tried(Trainee(exact, case, "fp32"), first)
    steps |= entries
    notes |= agreement(steps, CLOSE[case.precision])
    calls = {entry: (lambda s=step: s(next(loader), RATE)) for entry, step in steps.items()}
    work = dict.fromkeys(calls, 3 * useful_flop(model.config, lengths))
    peak = "bf16_peak" if case.precision == "bf16" else "fma_peak"
    result = interleave(calls, work, case.repeats, limits, ready=True, peak_op=peak)
    result.notes |= notes
    result.figures = {"B": case.B, "longest caption": longest, "mean caption": lengths.mean()}
    for entry in calls:
        result.figures[f"pairs a second, {entry}"] = case.B / result.best(entry)
    return result


def agreement(steps: dict[str, Tried], close: float) -> dict[str, str]:
    """How far losses of the first step lie from csparc's in float32; AssertionError: too far."""
    expected = steps.get("csparc, float32", steps["csparc"]).first
    notes = {}
    for entry, step in steps.items():
        apart = abs(step.first / expected - 1)
        if not apart <= close:
            raise AssertionError(f"{entry}: first loss {step.first}, expected {expected}")
        if apart > 0:
            notes[entry] = f"first loss differs by {apart:.0e}"
    return notes


class Trainee:
    """A model of csparc's in training; a call is a step."""

    def __init__(self, model: csparc.TwoTower, case: Case, precision: str) -> None:
        self.model = model
        self.config = TrainConfig(steps=1000, batch_size=case.B, precision=precision)
        model.precision = precision
        loss = SparcLoss()
        introduce(model, loss)
        betas = (self.config.beta1, self.config.beta2)
        self.optimizer = AdamW(model.parameters, betas, self.config.eps, self.config.wd)
        self._step = Step(model, loss, self.optimizer, self.config)

    def __call__(self, batch: dict[str, np.ndarray], lr: float) -> float:
        return self._step.run(1, [batch], lr)["loss"]


class Tried:
    """A step, the loss of its first call and the seconds of its second."""

    def __init__(self, step: Callable, first: dict[str, np.ndarray]) -> None:
        self._step = step
        self.first = step(first, RATE)
        self.seconds = timed(lambda: step(first, RATE))

    def __call__(self, batch: dict[str, np.ndarray], lr: float) -> float:
        return self._step(batch, lr)


def peers(
    case: Case, own: Trainee, longest: int, first: dict[str, np.ndarray], limits: Limits
) -> dict[str, Tried]:
    """The faster of eager and compiled torch, with captions as long as the longest and to 55;
    ``own`` has not made a step yet."""
    import torch
    from tower_peers import torch_step

    torch.set_num_threads(limits.threads)
    version = torch.__version__.partition("+")[0]

    def tried(compiled: bool, length: int) -> Tried:
        step = torch_step(
            own.model, own.optimizer, own.config, compiled=compiled, length=length,
            rounded=case.precision == "bf16",
        )  # fmt: skip
        return Tried(step, first)

    forms = {"eager": tried(False, longest)}
    if case.compiles:
        forms["compiled"] = tried(True, longest)
    fastest = min(forms, key=lambda kind: forms[kind].seconds)
    whole = tried(fastest == "compiled", CONTEXT)
    name = f"torch {version} {fastest}"
    return {f"{name}, to the longest": forms[fastest], f"{name}, to {CONTEXT}": whole}


if __name__ == "__main__":
    settings = {name: Setting(threads=case.threads) for name, case in CASES.items()}
    main(__file__, run, settings, __doc__.split("\n")[0])
