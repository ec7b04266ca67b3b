"""The text tower f_t and its adapter g_t."""

from __future__ import annotations

import numpy as np

from csparc.models.config import ModelConfig
from csparc.nn import (
    LayerNorm,
    Linear,
    Module,
    Parameter,
    Sequences,
    Tape,
    Tensor,
    Transformer,
    functional,
)


class Embedding(Module):
    """One row a token."""

    def __init__(self, entries: int, width: int, dtype: np.dtype):
        self.weight = Parameter((entries, width), dtype, spread=0.02, decay=True)

    def __call__(self, tape: Tape, ids: np.ndarray) -> Tensor:
        return functional.embed(tape, ids, self.weight)


class TextTower(Module):
    """Transformer over tokens: ids [B,L] int32, valid [B,L] bool -> tokens and one vector.

    tokens [B,L,D] = g_t(f_t(x)), 0 where not valid; global [B,D] = g_t(mean over valid tokens of
    f_t(x)). Only valid tokens are computed, packed one caption after the other. With
    global_pool="listing" the global vector is the mean of the adapted tokens at all positions, so
    that all are computed; those not valid are still seen by no other.
    """

    def __init__(self, config: ModelConfig, dtype: np.dtype):
        tower = config.text
        self.token_embedding = Embedding(config.vocab_size, tower.width, dtype)
        self.positional_embedding = Parameter(
            (config.context_length, tower.width), dtype, spread=0.01
        )
        self.transformer = Transformer(
            tower.width,
            tower.heads,
            tower.layers,
            dtype,
            mlp_ratio=config.mlp_ratio,
            activation=config.activation,
            causal=config.causal,
        )
        self.ln_final = LayerNorm(tower.width, dtype)
        self.adapter = Linear(tower.width, config.shared_width, dtype, tower.width**-0.5)
        self._listing = config.global_pool == "listing"

    def __call__(self, tape: Tape, ids: np.ndarray, valid: np.ndarray) -> tuple[Tensor, Tensor]:
        if self._listing or valid.all() or not valid.any():
            return self._all_positions(tape, ids, valid)
        places = np.flatnonzero(valid).astype(np.int32)
        x = functional.add(
            tape,
            self.token_embedding(tape, ids.reshape(-1)[places]),
            functional.embed(tape, places % ids.shape[1], self.positional_embedding),
        )
        sequences = Sequences.of_lengths(valid.sum(axis=1))
        x = self.ln_final(tape, self.transformer(tape, x, sequences))
        tokens = functional.unpack(tape, self.adapter(tape, x), places, ids.shape)
        rows = functional.unpack(tape, x, places, ids.shape)
        return tokens, self.adapter(tape, functional.pool(tape, rows, valid))

    def _all_positions(
        self, tape: Tape, ids: np.ndarray, valid: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        x = self.token_embedding(tape, ids)
        x = functional.add_position(tape, x, self.positional_embedding)
        sequences = Sequences.equal(*ids.shape, valid=valid)
        x = self.ln_final(tape, self.transformer(tape, x, sequences))
        tokens = self.adapter(tape, x)
        if self._listing:
            return tokens, functional.pool(tape, tokens)
        return tokens, self.adapter(tape, functional.pool(tape, x, valid))
