"""Vectors of classes, made of the sentences that name them: one a class, for every task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from csparc._progress import Progress
from csparc._rows import unit_rows_float64
from csparc.evaluate.encode import encode_texts, unit_texts
from csparc.evaluate.tasks import Subject

ENSEMBLES = ("embed", "score")
"""Of several sentences of a class the mean of their vectors, at length 1, or the mean of their
cosines with a picture."""
TEXTS = ("pooled", "token")
"""The vector of a sentence: that of the whole text (the paper), or the mean of its tokens' vectors,
which the local loss compares patches with."""


def build_zero_shot_classifier(
    model: Any,
    tokenizer: Any,
    classnames: Sequence[str],
    templates: Sequence[Callable[[str], str] | str],
    num_classes_per_batch: int | None = 10,
    device: str = "cpu",
    use_tqdm: bool = False,
) -> np.ndarray:
    """The classifier of names, as open_clip's function of this name makes it.

    Parameters
    ----------
    model : object
        With ``encode_text``, as `csparc.TwoTower` has it.
    tokenizer : csparc.data.Tokenizer
    classnames : sequence of str
    templates : sequence of str or callable
        ``"a photo of a {}."``, or what makes a sentence of a name; all of one kind.
    num_classes_per_batch : int or None
        Classes whose sentences are encoded at a time; None: all.
    device : str
        ``"cpu"``: there is no other.
    use_tqdm : bool
        Show a progress bar.

    Returns
    -------
    array [D, K] float32
        Of each class the mean of its sentences' unit vectors, at length 1: pictures [B, D] @ this
        are cosines [B, K].

    Raises
    ------
    ValueError
        No names, no templates, another device.
    """
    if not len(classnames) or not len(templates):
        raise ValueError("classnames, templates: expected at least one of each, found none")
    if str(device) != "cpu":
        raise ValueError(f"device: expected 'cpu', found {device!r}")
    texts = [
        [one(name) if callable(one) else one.format(name) for one in templates]
        for name in classnames
    ]
    batch = len(templates) * (num_classes_per_batch or len(classnames))
    shown: Any = nullcontext()
    if use_tqdm:
        shown = Progress("encoding", len(templates) * len(classnames), "sentence")
    with shown as bar:
        to = bar and bar.to
        return class_vectors(model, tokenizer, texts, batch_size=batch, progress=to).T


def class_vectors(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Sequence[str]],
    *,
    ensemble: str = "embed",
    text: str = "pooled",
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """One vector [D] a class, float32 [K, D], of K lists of sentences.

    ``ensemble="embed"``: the mean of the sentences' unit vectors, at length 1. ``"score"``: the
    mean alone, whose products with a picture are the mean of its cosines with the sentences.
    ``text``: which vector of a sentence, of `TEXTS`.

    Raises
    ------
    Stopped
        Asked to stop.
    """
    flat = [sentence for own in texts for sentence in own]
    of_ids = {"pooled": unit_texts, "token": _unit_token_means}[text](model, tokenizer)
    made = encode_texts(flat, tokenizer, of_ids, batch_size, should_stop, progress)
    vectors = np.concatenate(made).astype(np.float64)
    starts = np.cumsum([0, *map(len, texts[:-1])])
    counts = np.array([len(own) for own in texts])
    means = np.add.reduceat(vectors, starts, axis=0) / counts[:, None]
    if ensemble == "embed":
        means = unit_rows_float64(means, "class vectors")
    return means.astype(np.float32)


def subject_class_vectors(
    subject: Subject, texts: Sequence[Sequence[str]], ensemble: str = "embed", text: str = "pooled"
) -> tuple[np.ndarray, dict[str, int]]:
    """`class_vectors` of a subject, as it asks to be stopped, and what is recorded of the
    sentences: ``sentences``, the most of any class, and ``truncated_sentences``."""
    before = getattr(subject.tokenizer, "truncated", 0)
    vectors = class_vectors(
        subject.model, subject.tokenizer, texts, ensemble=ensemble, text=text,
        batch_size=subject.batch_size, should_stop=subject.should_stop,
    )  # fmt: skip
    cut = getattr(subject.tokenizer, "truncated", 0) - before
    return vectors, {"sentences": max(map(len, texts)), "truncated_sentences": cut}


def _unit_token_means(model: Any, tokenizer: Any) -> Callable[..., np.ndarray]:
    """Ids [B, L] to the means [B, D] of the vectors of their words' tokens, at length 1."""

    def of_ids(ids: np.ndarray) -> np.ndarray:
        valid = tokenizer.valid_mask(ids)
        _, tokens = model.encode_text(ids, return_tokens=True, text_mask=valid)
        spoken = np.asarray(tokenizer.loss_mask(ids), dtype=bool)[:, :, None]
        means = (tokens * spoken).sum(axis=1) / np.maximum(spoken.sum(axis=1), 1)
        return unit_rows_float64(means, "token means")

    return of_ids
