"""Image-text retrieval: recall at k, mean and median rank, in both directions, beside chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._rows import checked_rows
from csparc.evaluate.cosine_ranks import cosine_ranks
from csparc.evaluate.figure import Figure
from csparc.evaluate.figures import RetrievalFigures
from csparc.evaluate.ranking import RECALL_AT, chance, retrieval_figures
from csparc.evaluate.tasks import Subject, Task, TaskResult, option, register
from csparc.losses.options import count
from csparc.losses.registry import late_losses

__all__ = ["RECALL_AT", "Retrieval", "chance", "evaluate_retrieval"]

SCORES = ("global", "own")


@register
@dataclass(frozen=True, repr=False)
class Retrieval(Task):
    """`evaluate_retrieval` of a model on a data set, or the same by the score its loss trains."""

    name = "retrieval"
    help = "find pictures by sentences and sentences by pictures"
    about = "Image-text retrieval in both directions, beside what chance would give."
    main = ("image_to_text_R@1", "text_to_image_R@1", "image_to_text_mean_rank",
            "text_to_image_mean_rank")  # fmt: skip
    takes_features = True

    max_captions: int | None = option(
        None, "use the first N captions of each picture (5 in the usual protocol)", check=count
    )
    score: str = option(
        "global",
        "rank by the cosine of whole vectors (default), or by the score that the checkpoint's "
        f"own loss compares patches with captions by ({', '.join(late_losses())})",
        SCORES,
    )

    def reading(self) -> dict[str, Any]:
        """Captions are left out where data are read; open data are taken as they are."""
        return {"max_captions": self.max_captions}

    def check(self, subject: Subject) -> None:
        super().check(subject)
        loss = subject.loss
        if self.score == "own" and (loss is None or not loss.overrides("pair_scores")):
            found = "one that nobody registered here"
            if loss is not None:
                found = f"{loss.name}, which trains vectors of the whole"
            raise ValueError(
                f"--score own: expected a checkpoint trained with {' or '.join(late_losses())}, "
                f"found {found}: use --score global"
            )

    def run(self, subject: Subject) -> TaskResult | None:
        from csparc.evaluate.encode import encode_late, encode_subject
        from csparc.evaluate.late_interaction import evaluate_late_retrieval

        if self.score == "own":
            late = encode_late(
                subject.model, subject.tokenizer, subject.data, subject.preprocess,
                specials=subject.loss_specials, batch_size=subject.batch_size,
                progress=subject.progress, should_stop=subject.should_stop,
            )  # fmt: skip
            if late is None:
                return None
            features, index, problems = late
            return TaskResult(evaluate_late_retrieval(features, index, subject.loss), problems)
        found = encode_subject(subject)
        if found is None:
            return None
        arrays = (found.image_features, found.text_features, found.image_index)
        return TaskResult(evaluate_retrieval(*arrays), found.problems)

    def measured(self, figures: Mapping[str, Any]) -> dict[str, Figure]:
        """Recalls and ranks, of the ranks that were kept beside them."""
        return figures.measured() if isinstance(figures, RetrievalFigures) else {}

    def lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Each figure beside chance."""
        lines = [
            f"{figures['n_images']} pictures, {figures['n_texts']} captions",
            f"{'':28s}{'found':>10s}{'chance':>10s}",
        ]
        for direction in ("image_to_text", "text_to_image"):
            names = [f"{direction}_R@{k}" for k in RECALL_AT]
            names += [f"{direction}_mean_rank", f"{direction}_median_rank"]
            for name in names:
                unit = " %" if "_R@" in name else "  "
                lines.append(
                    f"{name:28s}{figures[name]:8.2f}{unit}{figures['chance'][name]:8.2f}{unit}"
                )
            name = f"{direction}_tie_share"
            lines.append(f"{name:28s}{figures[name]:8.2f} %")
        return lines


def evaluate_retrieval(image_features, text_features, image_index) -> dict:
    """Rank every caption for every image and every image for every caption.

    The score of a pair is the cosine of its features, summed in float64 and rounded to 2**-24: two
    captions with the same features tie exactly wherever they stand. The rank of the right
    answer is ``1 + #{better} + #{equal, with a smaller index}``, so an encoder that maps everything
    to one point gets no credit for it. Of an image's several captions the best placed counts.

    Parameters
    ----------
    image_features : array [N, D]
        One row an image; any real dtype, of any length (rows are normalised here).
    text_features : array [M, D]
        One row a caption.
    image_index : integer array [M]
        The image each caption belongs to, ``0 <= image_index < N``. An image without captions is
        still a candidate answer but no query. (Code that queries with every image counts it as a
        miss.)

    Returns
    -------
    dict
        ``image_to_text_R@1``, ``_R@5``, ``_R@10`` (per cent of images),
        ``image_to_text_mean_rank``, ``_median_rank`` (1 is best; the median rounds down, as in
        open_clip), ``image_to_text_tie_share`` (per cent of queries whose right answer ties with a
        wrong one); the same with ``text_to_image_``; ``chance``, a dict with the value a random
        order is expected to give for every recall and rank; ``n_images``, ``n_image_queries``,
        ``n_texts``.

    Raises
    ------
    ValueError
        Shapes that do not fit, an index out of range, features that are not finite, no captions.

    Notes
    -----
    N M D multiply-adds for both directions together, in float32, and of the few scores that are
    nearer to the right answer's than float32 tells in float64. Scores are made a tile at a time:
    beyond the features, which are not copied, the memory is about 60 MiB for D = 512.
    """
    images = checked_rows(image_features, "image_features")
    texts = checked_rows(text_features, "text_features")
    index = checked_index(image_index, len(images), len(texts))
    if images.shape[1] != texts.shape[1]:
        raise ValueError(
            f"image_features and text_features differ in width: {images.shape[1]} and "
            f"{texts.shape[1]}; both must come from the same model"
        )
    return retrieval_figures(*cosine_ranks(images, texts, index), index)


def checked_index(image_index, n_images: int, n_texts: int) -> np.ndarray:
    index = np.asarray(image_index)
    if index.shape != (n_texts,) or index.dtype.kind not in "iu":
        raise ValueError(
            f"image_index must hold one integer a caption, shape ({n_texts},), got shape "
            f"{index.shape} of {index.dtype}"
        )
    if index.min() < 0 or index.max() >= n_images:
        wrong = int(np.argmax((index < 0) | (index >= n_images)))
        raise ValueError(
            f"image_index[{wrong}] is {index[wrong]}, but there are {n_images} images "
            f"(expected 0 to {n_images - 1})"
        )
    return index.astype(np.int64)
