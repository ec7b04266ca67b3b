"""What the words of a caption select in a picture: one call, and a picture of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc import _html
from csparc._arrays import describe
from csparc._repr import fields_line
from csparc._scalars import choice, sentence
from csparc.checkpoint.checkpoint import load_trained
from csparc.checkpoint.trained import Trained
from csparc.data import images
from csparc.evaluate.explain import Explanation
from csparc.evaluate.explain import explain as explain_preprocessed
from csparc.losses.explains import RULES
from csparc.viz.alignment import plot_alignment, sharp_view
from csparc.viz.legend import BEST, WEIGHT, marks
from csparc.viz.overlay import data_uri, enlarge, light_patches, place_of_heaviest
from csparc.viz.wording import below_panel
from csparc.viz.words_view import words_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

CROPPED = 1.1
"""Ratio of the aspects of a picture and of the part the model sees, above which it is said."""
NO_WORDS = "No word of this caption enters the loss."
_PANEL = 128
_VIEW = 320


@dataclass(frozen=True, kw_only=True)
class PictureExplanation(Explanation):
    """T words of a caption, the weights [T, P] each gives the patches of a picture, their grid.

    As `Explanation`, with the ``caption`` and the ``picture`` uint8 [S, S, 3] as the model sees it.
    """

    caption: str
    picture: np.ndarray
    view: np.ndarray = field(repr=False)
    """The same part of the picture with as many pixels as it has, for drawing."""
    cropped: bool = field(default=False, repr=False)
    """Whether that is a good deal less than the picture."""

    __repr__ = fields_line

    def plot(self, *, theme: str = "light", content_first: bool = False) -> Figure:
        """One panel a word: the picture, dimmed, with the patches the word selected left in colour.

        Parameters
        ----------
        theme : {"light", "dark"}
        content_first : bool
            Draw words such as "a" and "of" (English ones are known) after the others.

        Returns
        -------
        matplotlib.figure.Figure
            Write it with its ``savefig``.
        """
        return plot_alignment(
            self.view, self.words, self.weights, self.grid, caption=self.caption, theme=theme,
            title=self.title, notes=self._told(), chosen_by=self.chosen_by,
            below="its middle, all the model sees" if self.cropped else "",
            content_first=content_first,
        )  # fmt: skip

    def _told(self) -> tuple[str, ...]:
        """What a reader must know of the weights."""
        return self.notes if self.words else (*self.notes, NO_WORDS)

    def _repr_html_(self) -> str:
        """The picture with its words as buttons, each of which shows what it selects; folded below
        it a picture for each word, for readers and pages that have no buttons."""
        values = [None] * len(self.words) if self.chosen_by is None else self.chosen_by
        panels = [_panel("picture", enlarge(self.view, _PANEL), "the whole picture", "")]
        for word, weights, value in zip(self.words, self.weights, values):
            lit = light_patches(self.view, weights, self.grid, _PANEL, value)
            ranking = weights if value is None else value
            where = f"{word}: heaviest patch in {place_of_heaviest(ranking, self.grid)}"
            panels.append(_panel(word, lit, where, below_panel(weights, value)))
        legend = marks(WEIGHT if self.chosen_by is None else BEST) if self.words else ""
        told = (self.caption, self.title, *self._told(), legend)
        text = "".join(_html.paragraph(text) for text in told if text)
        view = words_view(self, enlarge(self.view, _VIEW)) if self.words else ""
        return f"{text}{view}<details><summary>every word</summary>{''.join(panels)}</details>"


def explain(
    checkpoint_or_run: Any,
    picture: str | os.PathLike | np.ndarray | Image.Image,
    caption: str,
    *,
    weights: str = RULES[0],
    max_pixels: int = images.MAX_PIXELS,
) -> PictureExplanation:
    """What each word of a caption selects in a picture.

    Parameters
    ----------
    checkpoint_or_run : path or object
        A checkpoint or the folder of a run; what `csparc.load_checkpoint` returned, as a whole; or
        the run that `csparc.fit` returned.
    picture : path, uint8 array [H, W, 3] or Pillow picture
    caption : str
        At least one word.
    weights : {"own", "sparc"}
        Those of the loss the model was trained with, or SPARC's. Of a loss that nobody knows here
        SPARC's, and ``title`` says so.
    max_pixels : int
        Width times height that a picture file may have.

    Returns
    -------
    PictureExplanation
        With ``words`` (list of str), ``weights`` [words, P] in row-major order of ``grid`` (rows,
        columns), ``picture`` (uint8 [S, S, 3], as the model sees it), a picture of them in a
        notebook and ``plot()`` elsewhere. Pieces of one word are averaged.

    Raises
    ------
    CheckpointError
        No whole checkpoint, or one without a tokenizer.
    DataError
        A picture that is not there or cannot be read.
    ValueError, TypeError
        Another argument is not as above.

    Notes
    -----
    A patch with much weight need not show what is named: see ``csparc eval grounding``.

    Examples
    --------
    >>> found = csparc.explain("run", "photos/bicycle.png", "a red bicycle")  # doctest: +SKIP
    >>> found.words, found.weights.shape, found.grid  # doctest: +SKIP
    (['a', 'red', 'bicycle'], (3, 64), (8, 8))
    """
    sentence(caption, "caption")
    choice(weights, "weights", RULES)
    found = _loaded(checkpoint_or_run)
    preprocess, specials = found.preprocess, getattr(found, "loss_specials", False)
    given = picture
    if isinstance(picture, (str, os.PathLike)):
        given = images.read(os.fspath(picture), os.fspath(picture), max_pixels)
    elif not isinstance(picture, np.ndarray) and not hasattr(picture, "mode"):
        raise TypeError(
            "picture: expected a path, uint8 [H, W, 3] or a Pillow picture, found "
            f"{describe(picture)}"
        )
    seen = preprocess.fixed(given)
    one = explain_preprocessed(
        found.model, found.tokenizer, preprocess.normalize(seen[None])[0], caption, found.loss,
        weights, specials,
    )  # fmt: skip
    view = sharp_view(preprocess, given)
    shapes = (np.shape(given), view.shape)
    low, high = sorted(shape[0] / shape[1] for shape in shapes)
    return PictureExplanation(
        **{part.name: getattr(one, part.name) for part in fields(one)},
        caption=caption,
        picture=seen,
        view=view,
        cropped=preprocess.resize_mode == "shortest" and high > CROPPED * low,
    )


def _loaded(given: Any) -> Any:
    """What holds a model, its tokenizer, its loss and its transform for evaluation."""
    found, source = given, "checkpoint_or_run"
    if isinstance(given, (str, os.PathLike)):
        found, source = load_trained(given), os.fspath(given)
    if not all(hasattr(found, part) for part in ("model", "tokenizer", "loss", "preprocess")):
        raise TypeError(
            "checkpoint_or_run: expected a path, what csparc.load_checkpoint returned (whole, not "
            f"taken apart) or a run of csparc.fit, found {describe(given)}"
        )
    return found.with_tokenizer(source) if isinstance(found, Trained) else found


def _panel(name: str, picture: np.ndarray, alt: str, below: str) -> str:
    """A picture under its name, with a line below it."""
    return (
        '<figure style="display:inline-block;margin:4px;text-align:center">'
        f"<figcaption>{escape(name)}</figcaption>"
        f'<img src="{data_uri(picture)}" alt="{escape(alt)}">'
        f'<figcaption style="font-size:smaller">{escape(below)}</figcaption></figure>'
    )
