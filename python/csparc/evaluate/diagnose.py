"""The grounding diagnostics of a model on a data set: what ``csparc eval grounding`` reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from csparc._repr import fields_line
from csparc.data.scenes.dataset import Scenes
from csparc.evaluate.explain import (
    Explanation,
    LocalFeatures,
    explanations,
    local_features,
    sentence_maps,
)
from csparc.evaluate.figures import Figures
from csparc.evaluate.grounding import evaluate_grounding
from csparc.losses.foreign import as_loss


@dataclass(frozen=True)
class Sentences:
    """Captions of scenes that speak of one object of several: scene and object of each [M], and
    over the patches [M, P] the whole sentence's cosines, and the loss's own weights (or None)."""

    items: list[int]
    objects: list[int]
    maps: np.ndarray
    weights: np.ndarray | None

    __repr__ = fields_line


def diagnose(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    preprocess: Any,
    loss: Any,
    *,
    rule: str = "own",
    specials: bool = False,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """What a loss aligned, on every picture of ``dataset`` with the first of its captions.

    Parameters
    ----------
    model, tokenizer, dataset, preprocess
        As `encode_dataset` takes them.
    loss : object or None
        The loss the model was trained with; None, where nobody knows it, measures SPARC's weights.
    rule : {"own", "sparc"}
        Measure the weights of the loss itself, or SPARC's.
    specials : bool
        Begin and end marks entered the local loss.
    batch_size, progress
        As in `encode_dataset`.

    Returns
    -------
    dict
        Of `evaluate_grounding`. For generated scenes also ``placement``, of `alignment_scores` of
        the words that name an object (``NOUN``, ``ADJ``), or where weights are of whole captions
        of the captions that speak of one object of several (``CAPTION``); and
        ``sentence_placement``, of the same captions by their cosine with single patches on the
        global path. ``logit_scale``: the scale of the local loss. ``bad_items``: pictures left out.

    Raises
    ------
    DataError
        No picture is usable, or too many are bad.
    ValueError
        Fewer than two pictures.

    Notes
    -----
    All N pictures' patches [N, P, D] are in memory.
    """
    from csparc.data.loading.loader import Loader

    scenes = isinstance(dataset, Scenes)
    parts, items, explained, sentences = [], [], [], []
    loader = Loader(dataset, None, preprocess, batch_size, shuffle=False, drop_last=False, epochs=1)
    with loader:
        for batch in loader:
            here, images = batch["index"].tolist(), batch["image"]
            captions = [dataset.captions(item)[0] for item in here]
            found = local_features(model, tokenizer, images, captions, batch_size, specials)
            alignment = found.alignment(loss, rule)
            parts.append(found)
            items += here
            if scenes:
                explained += explanations(tokenizer, found.ids, alignment, model.config.grid)
                own = (loss, rule, specials) if alignment.weights.ndim == 2 else None
                sentences.append(
                    single_object_sentences(model, tokenizer, dataset, here, images, own)
                )
            if progress:
                progress(here[-1] + 1, len(dataset))
    whole, scale = joined(parts), local_scale(model, loss)
    figures = evaluate_grounding(
        whole.patches,
        whole.tokens,
        whole.mask,
        logit_scale=scale,
        text_global=whole.text_global,
        loss=loss,
        rule=rule,
    )
    if scenes:
        figures |= places(dataset, items, explained, sentences, model.config.grid)
    return Figures(figures | {"logit_scale": scale, "bad_items": len(loader.report)})


def local_scale(model: Any, loss: Any) -> float:
    """What multiplies the cosines of the local part: the loss's own scale, or the model's."""
    shared = float(np.exp(model.logit_scale.data[0]))
    return shared if loss is None else as_loss(loss).local_scale(shared)


def joined(parts: Sequence[LocalFeatures]) -> LocalFeatures:
    """Batches, one after another; token ids are as wide in all of them."""
    return LocalFeatures(
        *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(LocalFeatures))
    )


def single_object_sentences(
    model: Any,
    tokenizer: Any,
    scenes: Scenes,
    items: Sequence[int],
    images: np.ndarray,
    own: tuple[Any, str, bool] | None = None,
) -> Sentences:
    """Those of the scenes ``items``, whose pictures are ``images`` float32 [B, 3, S, S].

    ``own`` (loss, rule, specials) of a loss that weighs by whole captions.
    """
    from csparc.evaluate.scenes import single_object_captions

    rows, objects, captions = [], [], []
    for row, item in enumerate(items):
        for number, named in single_object_captions(scenes, item):
            rows.append(row)
            objects.append(named)
            captions.append(scenes.captions(item)[number])
    named_items = [items[row] for row in rows]
    if not rows:
        none = np.zeros((0, model.config.grid[0] * model.config.grid[1]))
        return Sentences([], [], none, None if own is None else none)
    maps = sentence_maps(model, tokenizer, images[rows], captions)
    weights = None
    if own is not None:
        loss, rule, specials = own
        found = local_features(model, tokenizer, images[rows], captions, specials=specials)
        weights = found.alignment(loss, rule).ranking
    return Sentences(named_items, objects, maps, weights)


def places(
    scenes: Scenes,
    items: Sequence[int],
    explained: Sequence[Explanation],
    sentences: Sequence[Sentences],
    grid: tuple[int, int],
) -> dict:
    """Where words and sentences lie, against the known places of the objects."""
    from csparc.evaluate.scenes import placement, sentence_placement

    spoken = [item for some in sentences for item in some.items]
    objects = [named for some in sentences for named in some.objects]
    maps = np.concatenate([some.maps for some in sentences])
    result: dict[str, Any] = {}
    if any(some.weights is not None for some in sentences):
        own = np.concatenate([some.weights for some in sentences])
        result["placement"] = {"CAPTION": sentence_placement(scenes, spoken, objects, own, grid)}
    else:
        result["placement"] = placement(
            scenes, items, [0] * len(items), [one.words for one in explained],
            [one.ranking for one in explained], grid,
        )  # fmt: skip
    result["sentence_placement"] = sentence_placement(scenes, spoken, objects, maps, grid)
    return result
