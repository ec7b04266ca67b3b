"""What a loss aligned, on every picture of a data set: own and other patches, and known places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from csparc._scalars import choice
from csparc.errors import DataError
from csparc.evaluate.explain import LocalFeatures, local_features
from csparc.evaluate.grounding import evaluate_grounding
from csparc.evaluate.grounding_figures import GroundingFigures
from csparc.evaluate.known_places import (
    Weigher,
    joined_sentences,
    known_places,
    single_object_sentences,
)
from csparc.evaluate.variance import variance_explained
from csparc.losses.foreign import as_loss

CAPTIONS = ("first", "all")
"""Which captions of a picture are measured."""


def diagnose(
    model: Any,
    tokenizer: Any,
    dataset: Any,
    preprocess: Any,
    loss: Any,
    *,
    rule: str = "own",
    specials: bool = False,
    captions: str = "first",
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> GroundingFigures | None:
    """What a loss aligned, on every picture of ``dataset``.

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
    captions : {"first", "all"}
        Measure the first caption of every picture, or all of them.
    batch_size, progress, should_stop
        As in `encode_dataset`.

    Returns
    -------
    GroundingFigures, a dict, or None when asked to stop
        The figures of `evaluate_grounding`; ``captions``, and ``n_pictures``; ``variance``, of
        `variance_explained`; ``logit_scale``: the scale of the local loss; ``bad_items``: pictures
        left out.

        Where it is known what lies where (`csparc.data.Dataset.regions`) also ``placement``:
        `place_scores` of the words that name a region, for ``NOUN``, ``ADJ`` (colours, sizes,
        textures), ``COLOUR`` and ``PHRASE`` (all words of a phrase together), or where weights are
        of whole captions, of captions that speak of one region of several (``CAPTION``; all such,
        whatever ``captions``). ``placement_swapped``: the same words weigh the patches of another
        picture, compared with the places in their own. ``sentence_placement``: of captions that
        speak of one object of several, by their cosine with single patches on the global path.
        ``ceiling``: what such figures are where places were taught (`SUPERVISED`), only on the
        scenes and patches it was measured on.

    Raises
    ------
    DataError
        Fewer than two pictures are usable, or too many are bad.
    ValueError
        ``captions`` is not as above.

    Notes
    -----
    Every picture is encoded twice (local and global path), every caption once or twice. All N
    pictures' patches [N, P, D] and the tokens of all captions are in memory. `variance_explained`,
    the comparison with what a caption names and the swapped places are csparc's own measures.
    """
    from csparc.data.loading.loader import Loader

    most = 1 if choice(captions, "captions", CAPTIONS) == 0 else None
    known = dataset.has_regions
    parts, items, counts, sentences = [], [], [], []
    loader = Loader(dataset, None, preprocess, batch_size, shuffle=False, drop_last=False, epochs=1)
    with loader:
        for batch in loader:
            if should_stop():
                return None
            here, images = batch["index"].tolist(), batch["image"]
            own = [dataset.captions(item)[:most] for item in here]
            counts += [len(some) for some in own]
            rows = np.repeat(np.arange(len(here)), counts[-len(here) :])
            texts = [text for some in own for text in some]
            parts.append(
                local_features(model, tokenizer, images, texts, batch_size, specials, rows)
            )
            items += here
            if known:
                sentences.append(single_object_sentences(model, tokenizer, dataset, here, images))
            if progress:
                progress(here[-1] + 1, len(dataset))
    if len(items) < 2:
        left_out = f"; {loader.report.summary(3)}" if loader.report else ""
        raise DataError(
            f"{dataset.spec}: expected at least two pictures that can be read, whose words are "
            f"measured on each other's patches, found {dataset.name(items[0])} alone{left_out}"
        )
    whole, scale = joined(parts), local_scale(model, loss)
    figures = evaluate_grounding(
        whole.patches,
        whole.tokens,
        whole.mask,
        logit_scale=scale,
        patch_rows=whole.rows,
        text_global=whole.text_global,
        loss=loss,
        rule=rule,
    )
    figures |= {"captions": captions, "n_pictures": len(items)}
    figures["variance"] = variance_explained(whole.patches)
    if known:
        by = Weigher(model, tokenizer, preprocess.window, loss, rule, specials)
        spoken = joined_sentences(sentences)
        by_word = figures["weights"]["of"] == "words"
        figures |= known_places(dataset, items, counts, whole, spoken, by, by_word)
    loader.report.update(dataset.problems)  # places that were broken, too
    figures |= {"logit_scale": scale, "bad_items": len(loader.report)}
    return figures


def local_scale(model: Any, loss: Any) -> float:
    """What multiplies the cosines of the local part: the loss's own scale, or the model's."""
    shared = float(np.exp(model.logit_scale.data[0]))
    return shared if loss is None else as_loss(loss).local_scale(shared)


def joined(parts: Sequence[LocalFeatures]) -> LocalFeatures:
    """Batches, one after another; token ids are as wide in all of them."""
    starts = np.cumsum([0, *(len(part.patches) for part in parts)])
    moved = [replace(part, rows=part.rows + start) for part, start in zip(parts, starts)]
    return LocalFeatures(
        *(np.concatenate([getattr(p, f.name) for p in moved]) for f in fields(LocalFeatures))
    )
