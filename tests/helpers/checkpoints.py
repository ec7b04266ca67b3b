"""A small whole checkpoint and the tools to break it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

import csparc
from csparc.checkpoint.checkpoint import Checkpoint
from csparc.checkpoint.metadata import Counters, Metadata
from csparc.data.tokenizer import Tokenizer, train

MODEL = {"context_length": 8}
CAPTIONS = ["a red square", "a blue circle left of a green star"]


def small_tokenizer() -> Tokenizer:
    return train(CAPTIONS, vocab_size=270, context_length=8)


def small_model(dtype: type = np.float32, seed: int = 1):
    return csparc.create_model(
        "nano", vocab_size=small_tokenizer().vocab_size, seed=seed, dtype=dtype, **MODEL
    )


def small_checkpoint(dtype: type = np.float32) -> Checkpoint:
    """Of a nano model, with moments that are not zero and a tokenizer."""
    model = small_model(dtype)
    state = model.state_dict()
    metadata = Metadata(
        model_config=json.loads(json.dumps(model.config.to_dict())),
        loss_config={"loss": "sparc"},
        train_config={"lr": 1e-3},
        data={"spec": "scenes:"},
        preprocess={"size": [64, 64]},
        tokenizer=small_tokenizer().to_json(),
        counters=Counters(step=3, epoch=1, samples_seen=24, best_step=2, best_score=12.5),
        cursor={"epoch": 1, "position": 8, "pictures": 16},
    )
    first = {name: 0.1 * array for name, array in state.items()}
    second = {name: array * array for name, array in state.items()}
    return Checkpoint(metadata, state, first_moment=first, second_moment=second)


def write_checkpoint(path: Path, checkpoint: Checkpoint | None = None) -> Path:
    with open(path, "wb") as file:
        (checkpoint or small_checkpoint()).write(file)
    return path


def take_apart(raw: bytes) -> tuple[dict, bytes]:
    """A file's bytes -> (header, tensor bytes)."""
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def put_together(header: object, data: bytes, **json_options) -> bytes:
    """The inverse; ``header`` may also be ready-made bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header, **json_options).encode()
    return struct.pack("<Q", len(text)) + text + data
