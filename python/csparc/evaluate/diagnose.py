"""The grounding diagnostics of a model on a data set: the task ``grounding``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc.errors import DataError
from csparc.evaluate.explain import (
    Explanation,
    LocalFeatures,
    explanations,
    local_features,
    sentence_maps,
)
from csparc.evaluate.figures import Figures
from csparc.evaluate.grounding import evaluate_grounding
from csparc.evaluate.tasks import Subject, Task, TaskResult, option, register
from csparc.losses.explains import RULES
from csparc.losses.foreign import as_loss

if TYPE_CHECKING:
    from csparc.data.scenes.dataset import Scenes


@register
@dataclass(frozen=True, repr=False)
class Grounding(Task):
    """`diagnose` of a model with its loss; without one, as `diagnose` measures None."""

    name = "grounding"
    help = "which patches words select, and whether that depends on the picture"
    about = (
        "What the local loss aligned, on a picture's own patches and on another "
        "picture's; on generated scenes also whether words select the object they name. "
        "Of every picture the first caption is used."
    )
    main = (
        "gap", "matched.token_accuracy", "matched.effective_patches", "place_correlation",
        "placement.NOUN.auc", "placement.ADJ.auc", "placement.CAPTION.auc",
        "sentence_placement.auc",
    )  # fmt: skip

    weights: str = option(
        RULES[0],
        "the weights of the loss the model was trained with (default), or SPARC's",
        RULES,
    )

    def config(self) -> dict[str, Any]:
        """Nothing: the figures themselves say which weights were measured."""
        return {}

    def run(self, subject: Subject) -> TaskResult | None:
        figures = diagnose(
            subject.model,
            subject.tokenizer,
            subject.data,
            subject.preprocess,
            subject.loss,
            rule=self.weights,
            specials=subject.loss_specials,
            batch_size=subject.batch_size,
            progress=subject.progress,
            should_stop=subject.should_stop,
        )
        return None if figures is None else TaskResult(figures)

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Figures on own and on other pictures side by side, then places if they are known."""
        matched, swapped = figures["matched"], figures["swapped"]
        about = " ".join([f"{figures['weights']['title']}.", *figures["weights"]["notes"]])
        lines = [
            f"{figures['n']} pictures and their first captions",
            f"weights: {about}",
            f"{'':32s}{'own picture':>14s}{'another’s':>14s}{'reference':>14s}",
            _row("SPARC’s loss of these weights", matched["local_loss"], swapped["local_loss"],
                 figures["chance_local_loss"]),
            _row("words told apart, %", matched["token_accuracy"], swapped["token_accuracy"],
                 figures["chance_token_accuracy"]),
            _row("patches a weight spreads over", matched["effective_patches"],
                 swapped["effective_patches"], float(figures["patches"])),
            _row("weights that are 0, %", matched["zeroed"], swapped["zeroed"]),
            _row("same places in both", figures["place_correlation"]),
        ]  # fmt: skip
        groups = {**figures.get("placement", {})}
        if "sentence_placement" in figures:
            groups["sentence (global path)"] = figures["sentence_placement"]
        if groups:
            lines.append(
                f"{'its object’s patches':32s}{'AUC, %':>14s}{'heaviest, %':>14s}{'chance':>14s}"
            )
        lines += [
            _row(f"{name} ({found['n_pointing']})", found["auc"], found["pointing"],
                 found["pointing_chance"])
            for name, found in groups.items()
        ]  # fmt: skip
        return lines


def _row(name: str, *values: float | None) -> str:
    return f"{name:32s}" + "".join(f"{'-' if v is None else f'{v:.3f}':>14s}" for v in values)


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
    should_stop: Callable[[], bool] = lambda: False,
) -> dict | None:
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
    batch_size, progress, should_stop
        As in `encode_dataset`.

    Returns
    -------
    dict, or None when asked to stop
        The figures of `evaluate_grounding`. For generated scenes also ``placement``, those of
        `alignment_scores` for the words that name an object (``NOUN``, ``ADJ``), or where weights
        are of whole captions, for captions that speak of one object of several (``CAPTION``); and
        ``sentence_placement``, of the same captions by their cosine with single patches on the
        global path. ``logit_scale``: the scale of the local loss. ``bad_items``: pictures left out.

    Raises
    ------
    DataError
        Fewer than two pictures are usable, or too many are bad.

    Notes
    -----
    All N pictures' patches [N, P, D] are in memory.
    """
    from csparc.data.loading.loader import Loader
    from csparc.data.scenes.dataset import Scenes

    scenes = isinstance(dataset, Scenes)
    parts, items, explained, sentences = [], [], [], []
    loader = Loader(dataset, None, preprocess, batch_size, shuffle=False, drop_last=False, epochs=1)
    with loader:
        for batch in loader:
            if should_stop():
                return None
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
