"""Print a hash of the bits of every loss, of training steps and of a resumed run.

    python tests/bits.py > bits.txt          all of it, on every instruction set of this processor
    python tests/bits.py losses avx2         one part on one instruction set

A change that should not change results is shown not to by two runs on one machine, before and
after, that print the same lines. It calls public names alone, so it runs on either side of a change
to the inside. Different processors, compilers and versions of BLIS print different lines.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import csparc
from csparc.losses import LOSSES

ISAS = ("portable", "avx2", "avx512")
SIZES = ((5, 13, 7, 24), (70, 50, 20, 96), (3, 1, 1, 8), (2, 197, 66, 65))
"""B, P, L, D: small, several tiles, one of each, and one above whole tiles."""

SPARC_OPTIONS: list[dict[str, Any]] = [
    {}, {"local_logit_scale": 5.0}, {"global_weight": 0.0}, {"local_weight": 0.0},
    {"normalizer": "minmax"}, {"normalizer": "softmax", "softmax_scale": 0.5},
    {"similarity": "cosine"}, {"sigma": 0.3}, {"reduction": "token"}, {"text_pool": "unmasked"},
    {"degenerate": "zero"}, {"detach_weights": True}, {"local_patches": "shuffled"},
    {"precision": "bf16"}, {"precision": "bf16", "normalizer": "softmax"},
    {"return_weights": True}, {"logit_scale": 100.0},
]  # fmt: skip
PACL_OPTIONS: list[dict[str, Any]] = [
    {}, {"weight_scale": 10.0}, {"weights": "sigmoid"}, {"pool": "unit"}, {"renormalize": False},
]  # fmt: skip
FILIP_OPTIONS: list[dict[str, Any]] = [
    {}, {"keep": 0.5}, {"drop": "both"}, {"drop": "none"}, {"drop_group": 2},
]  # fmt: skip
GLORIA_OPTIONS: list[dict[str, Any]] = [
    {}, {"attention": "words_then_regions"}, {"pooling": "mean"}, {"divide_by_pool_scale": False},
    {"local_weight": 0.5}, {"attention_scale": 20.0},
]  # fmt: skip
MGCA_OPTIONS: list[dict[str, Any]] = [
    {}, {"attention": "free"}, {"heads": 2}, {"convention": "code"}, {"weights": (1.0, 0.0, 2.0)},
]  # fmt: skip
WORD_OPTIONS: list[dict[str, Any]] = [
    {}, {"pool": "max"}, {"pool": "softmax", "pool_scale": 9.0}, {"negatives": 1},
]  # fmt: skip
GROUPED: list[dict[str, Any]] = [{"groups": True, "same_group": s} for s in ("exclude", "positive")]
CASES = {
    "sparc": (
        csparc.sparc_loss, SPARC_OPTIONS, ("patches", "tokens"), ("image_global", "text_global"),
    ),
    "sparc-means": (csparc.sparc_loss, SPARC_OPTIONS, ("patches", "tokens"), ()),
    "clip": (csparc.clip_loss, [{}], ("image_global", "text_global"), ()),
    "siglip": (csparc.siglip_loss, [{}, {"logit_bias": -2.0}], ("image_global", "text_global"), ()),
    "pacl": (csparc.pacl_loss, PACL_OPTIONS, ("patches", "text_global"), ()),
    "filip": (csparc.filip_loss, FILIP_OPTIONS, ("patches", "tokens"), ()),
    "clip+filip": (
        csparc.clip_filip_loss, FILIP_OPTIONS, ("patches", "tokens"),
        ("image_global", "text_global"),
    ),
    "word_contrast": (
        csparc.word_contrast_loss, WORD_OPTIONS, ("patches", "tokens", "word_ids"), (),
    ),
    "gloria": (
        csparc.gloria_loss, GLORIA_OPTIONS, ("patches", "tokens"), ("image_global", "text_global"),
    ),
    "mgca": (
        csparc.mgca_loss, MGCA_OPTIONS, ("patches", "tokens"), ("image_global", "text_global"),
    ),
}  # fmt: skip
TEXT_MASKED = (
    "sparc", "sparc-means", "filip", "clip+filip", "gloria", "mgca", "word_contrast",
)  # fmt: skip
PATCH_MASKED = (*TEXT_MASKED, "pacl")


def digest(*values: Any) -> str:
    """A hash of arrays, numbers and mappings of them, in order."""
    made = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            for key in sorted(value):
                made.update(key.encode())
                add(value[key])
        elif value is not None:
            array = np.ascontiguousarray(value)
            made.update(f"{array.dtype.str}{array.shape}".encode())
            made.update(array.tobytes())

    for value in values:
        add(value)
    return made.hexdigest()[:24]


def batch(B: int, P: int, L: int, D: int, dtype: type) -> dict[str, np.ndarray]:
    """Seeded arrays of every argument, with equal patches, zero rows and duplicates among them."""
    rng = np.random.default_rng([B, P, L, D])
    patches, tokens = rng.standard_normal((B, P, D)), rng.standard_normal((B, L, D))
    patches[0, : P // 3] = patches[0, 0]
    tokens[-1, 0] = 0
    arrays = {
        "patches": patches, "tokens": tokens,
        "image_global": rng.standard_normal((B, D)), "text_global": rng.standard_normal((B, D)),
        "prototypes": rng.standard_normal((11, D)),
    }  # fmt: skip
    made = {name: array.astype(dtype) for name, array in arrays.items()}
    made["text_mask"] = np.maximum(rng.integers(0, L + 1, B), 1)
    made["text_mask"][B // 2] = 0
    made["patch_mask"] = rng.random((B, P)) < 0.8
    made["groups"] = rng.integers(-1, B, B)
    made["word_ids"] = rng.integers(-1, 9, (B, L))
    return made


def attention_weights(D: int, dtype: type) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(D)
    made = {}
    for name in ("word_attention", "patch_attention"):
        drawn = {key: rng.standard_normal((16, D)) / 4 for key in ("query", "key", "value")}
        drawn["out"] = rng.standard_normal((D, 16)) / 4
        made[name] = {key: array.astype(dtype) for key, array in drawn.items()}
    return made


def loss_lines() -> Iterator[str]:
    """Value and all gradients of every loss, option, type and size."""
    for name, (function, options, given, more) in CASES.items():
        for sizes in SIZES:
            for dtype in (np.float32, np.float64):
                arrays = batch(*sizes, dtype)
                chosen = {key: arrays[key] for key in (*given, *more)}
                if name in TEXT_MASKED:
                    chosen["text_mask"] = arrays["text_mask"]
                if name in PATCH_MASKED:
                    chosen["patch_mask"] = arrays["patch_mask"]
                for option in [*options, *GROUPED]:
                    if option.get("precision") == "bf16" and dtype is np.float64:
                        continue
                    settings = dict(option)
                    if "groups" in settings:
                        settings["groups"] = arrays["groups"]
                    if name == "mgca":
                        settings["prototypes"] = arrays["prototypes"]
                        if settings.get("attention") != "free":
                            settings |= attention_weights(sizes[-1], dtype)
                    out = function(**chosen, **settings, grad=True)
                    plain = function(**chosen, **settings)
                    parts = (out.loss, out.global_loss, out.local_loss, out.prototype_loss)
                    bits = digest(*parts, out.kept_fraction, out.weights, out.grads, plain.loss)
                    yield f"{name} {sizes} {np.dtype(dtype)} {option} {bits}"


def piece_lines() -> Iterator[str]:
    """The pieces of the local loss on their own."""
    for sizes in SIZES:
        for dtype in (np.float32, np.float64):
            arrays = batch(*sizes, dtype)
            masks = {key: arrays[key] for key in ("text_mask", "patch_mask")}
            for option in [{}, {"normalizer": "softmax"}, {"similarity": "cosine"}, {"sigma": 0.2}]:
                pair = arrays["patches"], arrays["tokens"]
                weights = csparc.sparse_similarity(*pair, **masks, **option)
                back = csparc.sparse_similarity_backward(weights, *pair, **masks, **option)
                yield f"pieces {sizes} {np.dtype(dtype)} {option} {digest(weights, back)}"
            grouped = csparc.group_patches(weights, pair[0], patch_mask=masks["patch_mask"])
            back = csparc.group_patches_backward(grouped, weights, pair[0])
            yield f"grouped {sizes} {np.dtype(dtype)} {digest(grouped, back)}"


def train_lines() -> Iterator[str]:
    """Ten steps of nano with every loss, and runs that are killed and resumed."""
    for loss in LOSSES:
        with tempfile.TemporaryDirectory() as folder:
            run(folder, loss)
            yield f"nano, ten steps of {loss} {checkpoint(folder)}"
    for loss in ("sparc", "mgca"):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(command(folder, loss), stdout=subprocess.DEVNULL)
            log = Path(folder) / "run" / "log.jsonl"
            while process.poll() is None and (
                not log.exists() or log.read_bytes().count(b"\n") < 5
            ):
                time.sleep(0.005)
            process.kill()
            process.wait()
            run(folder, loss, "--resume", "latest")
            yield f"nano, killed and resumed, {loss} {checkpoint(folder)}"


def lines_in(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def command(folder: str, loss: str, *more: str) -> list[str]:
    settings = (
        "--train-data scenes:tier=M;size=300;seed=3 --model nano --steps 10 --batch-size 32 "
        "--vocab-size 300 --save-frequency 3 --warmup 2 --duplicates exclude"
    )
    return [
        sys.executable, "-m", "csparc", "train", *settings.split(), "--loss", loss,
        "--out", str(Path(folder) / "run"), *more,
    ]  # fmt: skip


def run(folder: str, loss: str, *more: str) -> None:
    done = subprocess.run(command(folder, loss, *more), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def checkpoint(folder: str) -> str:
    """All tensors of the last checkpoint: weights, state of the optimiser, what the loss owns."""
    content = (Path(folder) / "run" / "checkpoints" / "last.safetensors").read_bytes()
    header = int.from_bytes(content[:8], "little")
    return hashlib.sha256(content[8 + header :]).hexdigest()[:24]


PARTS = {"losses": loss_lines, "pieces": piece_lines, "training": train_lines}


def main() -> None:
    wanted = sys.argv[1:]
    chosen = [isa for isa in ISAS if isa in wanted]
    if not chosen and wanted[:1] != ["here"]:
        best = csparc.config.config()["isa"]
        for isa in ISAS[: ISAS.index(best) + 1]:
            environment = {**os.environ, "CSPARC_ISA": isa}
            subprocess.run([sys.executable, __file__, "here", *wanted], env=environment, check=True)
        return
    if chosen:
        environment = {**os.environ, "CSPARC_ISA": chosen[0]}
        parts = [part for part in wanted if part in PARTS]
        subprocess.run([sys.executable, __file__, "here", *parts], env=environment, check=True)
        return
    isa = csparc.config.config()["isa"]
    for name, lines in PARTS.items():
        if name in wanted or not set(wanted) & set(PARTS):
            for line in lines():
                print(isa, line, flush=True)


if __name__ == "__main__":
    main()
