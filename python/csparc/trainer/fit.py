"""Train on a folder of pictures in one call, and use what was trained."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc import _html
from csparc._repr import line, short
from csparc._scalars import whole_number
from csparc.data import Dataset, tokenizer
from csparc.data import open as open_data
from csparc.data.mixed import Joined
from csparc.data.shuffled import ShuffledPairs
from csparc.data.subset import split
from csparc.data.transforms import Preprocess
from csparc.evaluate.figures import RetrievalFigures
from csparc.losses.foreign import as_loss
from csparc.losses.registry import DEFAULT
from csparc.models import create_model
from csparc.models.factory import configure
from csparc.search import Hit, Search
from csparc.trainer import grounded
from csparc.trainer.batch_size import AUTO
from csparc.trainer.config import INIT_LEARNING_RATE
from csparc.trainer.initial import read_initial
from csparc.trainer.result import TrainResult
from csparc.trainer.state import default_preprocess
from csparc.trainer.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from csparc.data.tokenizer import Tokenizer
    from csparc.losses import Loss
    from csparc.models import TwoTower

PAPERS_MODEL = "nano"
"""For losses that are given: towers of the paper's kind."""
LARGEST_BATCH = 128
FEWEST_TO_HOLD_OUT = 20
"""With fewer pictures none is held out: a figure from one or two of them would say nothing."""


@dataclass
class Fitted:
    """A trained model and the pictures it was trained on."""

    model: TwoTower
    tokenizer: Tokenizer
    preprocess: Preprocess
    """The transform for evaluation."""
    data: Dataset
    """All of the pictures, the held-out ones too."""
    held_out: Dataset | None
    """The pictures validation used, None when there were too few to hold any out."""
    loss: Any
    result: TrainResult

    def __repr__(self) -> str:
        return line(self, **self._told())

    def _repr_html_(self) -> str:
        """A table of what was trained on what, and how well pictures and captions find each other
        among those that were held out."""
        rows = [(name.replace("_", " "), short(value)) for name, value in self._told().items()]
        parts = [(name, repr(getattr(self, name))) for name in ("model", "loss", "data")]
        found = self.result.validation or {}
        table = _html.table([*rows, *parts], title="A trained model")
        return table if "n_images" not in found else table + RetrievalFigures(found)._repr_html_()

    def _told(self) -> dict[str, float]:
        """The figures that say what this is, in the order they are read."""
        told = {"pictures": len(self.data)}
        if self.held_out is not None:
            told["held_out"] = len(self.held_out)
        told["steps"] = self.result.counters.step
        found = self.result.validation or {}
        names = ("image_to_text_R@1", "text_to_image_R@1")
        return told | {name: found[name] for name in names if name in found}

    @cached_property
    def _search(self) -> Search:
        return Search(self.model, self.tokenizer, self.data, self.preprocess)

    def search(self, sentence: str, k: int = 5) -> list[Hit]:
        """The ``k`` pictures that fit ``sentence`` best, or all where there are fewer.

        The first call encodes every picture.

        Raises
        ------
        ValueError, TypeError
            A sentence without a word, a ``k`` below 1.
        """
        return self._search(sentence, k)

    def plot_alignment(
        self,
        picture: int | str | os.PathLike | np.ndarray | Image.Image,
        caption: str,
        theme: str = "light",
        weights: str = "own",
        content_first: bool = False,
    ) -> Figure:
        """Draw which patches of a picture each word of a caption selects (`csparc.explain`).

        Parameters
        ----------
        picture : int, path, uint8 array [H, W, 3] or Pillow picture
            A number is one of ``data``, as ``index`` of what `search` found.
        caption : str
            At least one word.
        theme : {"light", "dark"}
        weights : {"own", "sparc"}
            Those of the loss the model was trained with, or SPARC's.
        content_first : bool
            Draw words such as "a" and "of" (English ones are known) after the others.

        Returns
        -------
        matplotlib.figure.Figure
            Write it with its ``savefig``.

        Raises
        ------
        DataError
            A picture that is not there or cannot be read.
        ValueError, TypeError
            Another argument is not as above.
        """
        from csparc.viz import explain

        given = picture
        if isinstance(picture, (int, np.integer)):
            number = whole_number(picture, "picture", low=0, high=len(self.data) - 1)
            given = self.data.load(number)
        found = explain(self, given, caption, weights=weights)
        return found.plot(theme=theme, content_first=content_first)


def fit(
    data: Dataset | str | os.PathLike,
    *,
    model: str | None = None,
    loss: Any = None,
    init: str | os.PathLike | None = None,
    val_share: float = 0.1,
    vocab_size: int = 2048,
    augment: bool | None = None,
    seed: int = 0,
    **settings: Any,
) -> Fitted:
    """Train a model on pictures with captions, with sensible settings for their number.

    Parameters
    ----------
    data : Dataset, str or path
        A folder of pictures, each with a ``.txt`` of captions beside it, or anything else that
        `csparc.data.open` takes.
    model : str, optional
        One of `csparc.list_models()`. Where neither ``model`` nor ``loss`` is given, the setting in
        which words find their objects (`csparc.trainer.grounded`: ``nano-local``, CLIP with the
        word contrast, ``lr=3e-3``), which is csparc's own and not the paper's; of three sets of
        real pictures it retrieved better on two of about a thousand, worse on one of seven
        thousand (docs/real-pictures.md). With a ``loss``, ``nano``.
    loss : str, Loss or object, optional
        As `Trainer` takes it; with a ``model``, ``sparc``; with ``init`` that it was trained with,
        if the file says so.
    init : path, optional
        Begin from these weights, a checkpoint's or those of others, as `csparc.load_checkpoint`
        takes them (docs/fine-tuning.md): model, tokenizer and pixel values come with them, ``lr``
        is 1e-5 where it is not given, and ``model``, where it is, must be theirs.
    val_share : float
        Share of the pictures held out for validation, chosen at random by ``seed``; 0 holds none
        out, and with fewer than 20 pictures none is.
    vocab_size : int
        Most entries of the tokenizer that is trained on the captions; with ``init`` none is.
    augment : bool or None
        Train on slightly varied crops; None does so except for generated scenes.
    seed : int
        Decides initial weights, split, order and augmentation.
    **settings
        Fields of `TrainConfig`. By default the batch is the whole training set, up to 128
        pictures, and a run has a hundred epochs, but at least 200 and at most 2000 steps. With
        ``out`` the run is logged and can be resumed.

    Returns
    -------
    Fitted
        With the weights of the last step, or with ``ema`` the averages after it; where
        ``early_stop`` ended the run, those of its best validation, whose figures it then has. It
        can ``search`` and ``plot_alignment``.

    Raises
    ------
    DataError, ValueError, TypeError, TrainingError
        As `Trainer`.

    Examples
    --------
    >>> run = csparc.fit("photos/")  # doctest: +SKIP
    >>> run.search("a red bicycle", k=3)[0].name  # doctest: +SKIP
    'bicycle.png'
    """
    whole = data if isinstance(data, Dataset) else open_data(data)
    train, held_out = whole, None
    if val_share != 0 and len(whole) >= FEWEST_TO_HOLD_OUT:
        train, held_out = _split(whole, val_share, seed)
    source = None
    if init is not None:
        settings = {"lr": INIT_LEARNING_RATE, **settings}
        initial = read_initial(init, model=model)
        loss = as_loss((initial.loss or DEFAULT) if loss is None else loss)
        initial.begin(loss)
        began, source = (initial.model, initial.tokenizer, initial.preprocess), initial.record()
    else:
        if model is None and loss is None:
            model, loss = grounded.MODEL, grounded.grounded_loss()
            settings = {"lr": grounded.LEARNING_RATE, **settings}
        loss = as_loss(DEFAULT if loss is None else loss)
        began = _fresh(PAPERS_MODEL if model is None else model, loss, train, vocab_size, seed)
    network, words, val_preprocess = began
    varied = not whole.generated if augment is None else augment
    trainer = Trainer(
        network, loss, train, tokenizer=words, val_data=held_out, val_preprocess=val_preprocess,
        preprocess=_varied(val_preprocess) if varied else val_preprocess, init=source,
        seed=seed, **{**default_length(len(train), settings), **settings},
    )  # fmt: skip
    result = trainer.run()
    if result.stopped_early:
        trainer.use_best()
        result = replace(result, validation=trainer.validation.run(network))
    else:
        trainer.use_averages()
    return Fitted(network, words, val_preprocess, whole, held_out, trainer.loss, result)


def _fresh(
    model: str, loss: Loss, train: Dataset, vocab_size: int, seed: int
) -> tuple[TwoTower, Tokenizer, Preprocess]:
    """A model of fresh weights, and a tokenizer trained on the captions."""
    words = tokenizer.train(
        train.all_captions(),
        vocab_size=vocab_size,
        context_length=configure(model).context_length,
    )
    network = create_model(model, vocab_size=words.vocab_size, seed=seed, **loss.suited_model())
    return network, words, default_preprocess(network)


def _varied(plain: Preprocess) -> Preprocess:
    """Random crops, and otherwise the same."""
    return Preprocess(**{**plain.config(), "train": True})


def _split(whole: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """(training, held out); of shuffled pairs only those to train on are shuffled, and of several
    data sets the parts to train on are mixed as they were."""
    if isinstance(whole, Joined):
        pairs = [_split(one, share, seed) for one in whole.datasets]
        return whole.of([rest for rest, _ in pairs]), Joined([part for _, part in pairs])
    if isinstance(whole, ShuffledPairs):
        rest, part = split(whole.dataset, share, seed)
        return ShuffledPairs(rest, whole.seed, whole.kind), part
    return split(whole, share, seed)


def default_length(pictures: int, settings: dict[str, Any]) -> dict[str, int]:
    """Batch size and steps for so many training pictures, where ``settings`` do not say.

    A tenth of the pictures may turn out to be bad, and a batch must still be filled.
    """
    batch = settings.get("batch_size") or max(1, min(LARGEST_BATCH, int(0.9 * pictures)))
    if settings.get("steps") or settings.get("epochs"):
        return {"batch_size": batch}
    pairs = LARGEST_BATCH if batch == AUTO else batch
    return {"batch_size": batch, "steps": min(2000, max(200, 100 * pictures // pairs))}
