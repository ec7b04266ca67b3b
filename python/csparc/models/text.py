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


def end_positions(ids: np.ndarray, eos_id: int | None) -> np.ndarray:
    """Where each row of ids [B,L] has its end token, int32 [B]: the first ``eos_id``, or the first
    of the largest id for None.

    Raises
    ------
    ValueError
        A row without ``eos_id``.
    """
    if eos_id is None:
        return ids.argmax(axis=1).astype(np.int32)
    found = ids == eos_id
    if not found.any(axis=1).all():
        raise ValueError(
            f"text: expected the end token {eos_id} in every caption, found none in row "
            f"{int((~found.any(axis=1)).argmax())}"
        )
    return found.argmax(axis=1).astype(np.int32)


class Embedding(Module):
    """One row a token."""

    def __init__(self, entries: int, width: int, dtype: np.dtype, spread: float):
        self.weight = Parameter((entries, width), dtype, spread=spread, decay=True)

    def __call__(self, tape: Tape, ids: np.ndarray) -> Tensor:
        return functional.embed(tape, ids, self.weight)


class TextTower(Module):
    """Transformer over tokens: ids [B,L] int32, valid [B,L] bool -> tokens and one vector.

    tokens [B,L,D] = g_t(f_t(x)), 0 where not valid; global [B,D] = g_t(mean over valid tokens of
    f_t(x)). Only valid tokens are computed, packed one caption after the other. With
    global_pool="listing" the global vector is the mean of the adapted tokens at all positions, so
    that all are computed; those not valid are still seen by no other.

    CLIP's and SigLIP's: with ``text_pool`` the global vector is g_t of one token, the end token or
    the last of the row; with "last" every position is computed and seen, ``valid`` or not.

    Ours: with local_tokens="words" the tokens are local_adapter(local_norm(x)), x the embedding of
    each by itself; the global vector still comes from the transformer, or, with "mean" and
    "listing", from these tokens.
    """

    def __init__(self, config: ModelConfig, dtype: np.dtype):
        width, shared = config.text.width, config.shared_width
        words = config.local_tokens == "words"
        self._has_context = not (words and config.pools_local)
        self.token_embedding = Embedding(config.vocab_size, width, dtype, config.token_scale)
        if self._has_context:
            self.positional_embedding = Parameter(
                (config.context_length, width), dtype, spread=0.01
            )
        self.transformer = Transformer(
            width,
            config.text.heads,
            config.text_layers,
            dtype,
            hidden=config.hidden(config.text),
            activation=config.text.activation or config.activation,
            causal=config.causal,
            eps=config.norm_eps,
        )
        bias = config.projection_bias
        if words:
            self.local_norm = LayerNorm(width, dtype, config.norm_eps)
            self.local_adapter = Linear(width, shared, dtype, width**-0.5, bias)
        if self._has_context:
            self.ln_final = LayerNorm(width, dtype, config.norm_eps)
            self.adapter = Linear(width, shared, dtype, width**-0.5, bias)
        self._words = words
        self._listing = config.global_pool == "listing"
        self._pool, self._eos = config.text_pool, config.eos_id

    def __call__(self, tape: Tape, ids: np.ndarray, valid: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.heads(tape, *self.features(tape, ids, valid), ids, valid)

    def features(
        self, tape: Tape, ids: np.ndarray, valid: np.ndarray
    ) -> tuple[Tensor, Tensor | None]:
        """What `heads` reads: the rows that tokens are made of, [B,L,C], or [n,C] of the n
        `computed` positions, and the pooled vectors [B,C] where they are not made of these rows.
        Rows that are words by themselves have their norm above them, others below."""
        self._pooled_rows(ids, valid)  # refuse what cannot be pooled before it is computed
        valid, places = self.computed(valid)
        words = self.token_embedding(tape, ids if places is None else ids.reshape(-1)[places])
        x = self._context(tape, words, ids.shape, valid, places) if self._has_context else None
        if not self._words:
            return x, None
        return words, None if x is None else self._pooled(tape, x, ids, valid, places)

    def heads(
        self,
        tape: Tape,
        rows: Tensor,
        whole: Tensor | None,
        ids: np.ndarray,
        valid: np.ndarray,
    ) -> tuple[Tensor, Tensor]:
        """Tokens [B,L,D] and vectors [B,D] of what `features` gives: all that is above f_t."""
        valid, places = self.computed(valid)
        rows = self.local_norm(tape, rows) if self._words else rows
        adapt_local = self.local_adapter if self._words else self.adapter
        adapt = self.adapter if self._has_context else self.local_adapter
        tokens = adapt_local(tape, rows)
        if places is not None:
            tokens = functional.unpack(tape, tokens, places, ids.shape)
        if self._listing:
            return tokens, functional.pool(tape, tokens)
        if whole is None:
            whole = self._pooled(tape, rows, ids, valid, places)
        return tokens, adapt(tape, whole)

    def computed(self, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The positions that are computed: bool [B,L], and their places int32 [n] among B L, None
        where all are."""
        if self._pool == "last":
            valid = np.ones_like(valid)
        if self._listing or valid.all() or not valid.any():
            return valid, None
        return valid, np.flatnonzero(valid).astype(np.int32)

    def _pooled(
        self,
        tape: Tape,
        x: Tensor,
        ids: np.ndarray,
        valid: np.ndarray,
        places: np.ndarray | None,
    ) -> Tensor:
        """One row of each caption [B,C]: the mean of its valid rows, or the one that stands for
        it."""
        if places is not None:
            x = functional.unpack(tape, x, places, ids.shape)
        rows = self._pooled_rows(ids, valid)
        if rows is not None:
            return functional.select(tape, x, rows)
        return functional.pool(tape, x, valid)

    def _pooled_rows(self, ids: np.ndarray, valid: np.ndarray) -> np.ndarray | None:
        """The position of each caption's token that stands for it, int32 [B]; None: a mean does."""
        if self._pool == "mean":
            return None
        if self._pool == "last":
            return np.full(len(ids), ids.shape[1] - 1, np.int32)
        rows = end_positions(ids, self._eos)
        missing = ~valid[np.arange(len(ids)), rows]
        if missing.any():
            raise ValueError(
                f"text_mask: expected the end token of every caption as valid, found that of row "
                f"{int(missing.argmax())} masked"
            )
        return rows

    def _context(
        self,
        tape: Tape,
        words: Tensor,
        shape: tuple[int, int],
        valid: np.ndarray,
        places: np.ndarray | None,
    ) -> Tensor:
        if places is None:
            x = functional.add_position(tape, words, self.positional_embedding)
            sequences = Sequences.equal(*shape, valid=valid)
        else:
            positions = functional.embed(tape, places % shape[1], self.positional_embedding)
            x = functional.add(tape, words, positions)
            sequences = Sequences.of_lengths(valid.sum(axis=1))
        return self.ln_final(tape, self.transformer(tape, x, sequences))
