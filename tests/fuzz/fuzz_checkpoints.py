"""Damaged checkpoints: refused as such, or read with the very same weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import put_together, take_apart, write_checkpoint
from fuzz_bytes import altered, complaint, damaged
from fuzz_runs import REFUSED, TAKEN, Wrong

from csparc.checkpoint import load_trained
from csparc.errors import CheckpointError, DataError


class Generator:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "damaged.safetensors"
        self.whole = write_checkpoint(self.path).read_bytes()
        self.header, self.tensors = take_apart(self.whole)
        state = load_trained(self.path).model.state_dict()
        self.weights = {name: array.tobytes() for name, array in state.items()}

    def case(self, rng: np.random.Generator) -> str:
        self.path.write_bytes(self.damaged(rng))
        try:
            found = load_trained(self.path)
        except (CheckpointError, DataError) as error:
            if wrong := complaint(error):
                raise Wrong(wrong) from error
            return REFUSED
        state = {name: array.tobytes() for name, array in found.model.state_dict().items()}
        if state != self.weights:
            raise Wrong("other weights were read, and no error raised")
        return TAKEN

    def damaged(self, rng: np.random.Generator) -> bytes:
        """The file, the bytes or the JSON of its header, a text in it, or a bit of a tensor."""
        kind = rng.integers(5)
        if kind == 0:
            within = len(self.whole) if rng.random() < 0.5 else 16
            return damaged(self.whole, rng, within=within)
        if kind == 1:
            (length,) = struct.unpack("<Q", self.whole[:8])
            return put_together(damaged(self.whole[8 : 8 + length], rng), self.tensors)
        if kind == 4:
            turned = bytearray(self.tensors)
            turned[rng.integers(len(turned))] ^= 1 << int(rng.integers(8))
            return put_together(self.header, bytes(turned))
        header = altered(self.header, rng) if kind == 2 else self.with_metadata(rng)
        return put_together(header, self.tensors)

    def with_metadata(self, rng: np.random.Generator) -> dict[str, Any]:
        """The header with one text of its metadata altered as the JSON value it holds."""
        metadata = dict(self.header["__metadata__"])
        key = list(metadata)[rng.integers(len(metadata))]
        try:
            metadata[key] = json.dumps(altered(json.loads(metadata[key]), rng))
        except ValueError:
            metadata[key] = damaged(metadata[key].encode(), rng).decode("utf-8", "replace")
        return {**self.header, "__metadata__": metadata}
