"""Controls: what takes the place of a model, to see what a figure is without what it stands for.

A control has the methods of a model, so every task runs on it as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from csparc import _random
from csparc._repr import line
from csparc.data.scenes import Scenes
from csparc.data.scenes.scene import PALETTE
from csparc.data.transforms import Preprocess
from csparc.evaluate.figure import Figure
from csparc.evaluate.tasks import Subject, Task, TaskResult, run_task
from csparc.models import TwoTower

__all__ = ["CONTROLS", "run_with_controls"]

CONTROLS = {
    "untrained": "a model of the same configuration with fresh weights",
    "constant": "a model that gives every picture, patch, caption and word the same vector",
    "shuffled": "the model, with what it gives of each picture taken from another one",
    "colour": "the mean colours of patches against the colours that words name (scenes alone)",
}
"""By name, what takes the place of the model."""
_STREAM = int.from_bytes(b"another", "big")


def run_with_controls(
    task: Task,
    subject: Subject,
    seed: int = 0,
    run: Callable[[str, Task, Subject], TaskResult | None] = lambda _, *given: run_task(*given),
) -> tuple[TaskResult, dict[str, dict[str, Figure]]] | None:
    """What a task finds, and the same figures of each of the `CONTROLS` that there are.

    Parameters
    ----------
    task : Task
    subject : Subject
        With a `csparc.TwoTower`, a tokenizer and data with pictures.
    seed : int
        Of the untrained model's weights, and of which picture stands for which.
    run : callable
        Runs a task on a subject; told the name of a control, or of the task itself.

    Returns
    -------
    (TaskResult, dict), or None when asked to stop
        The figures of each control by their paths, as `Task.measured` gives them.

    Raises
    ------
    ValueError
        A subject without such a model, or whose data have no pictures.

    Notes
    -----
    The time of the task once more for each control but ``shuffled`` and ``constant``, which encode
    no picture. What the model gave of all pictures is in memory, of tasks that read patches these
    too. Windows of one picture count as pictures where a task cuts some.
    """
    if not isinstance(subject.model, TwoTower) or getattr(subject.data, "has_rows", True):
        raise ValueError(
            f"controls: expected a model and data with pictures for {task.name}, found "
            f"{type(subject.model).__name__} and {getattr(subject.data, 'spec', 'no data')}"
        )
    recorded = Recorded(subject.model)
    found = run(task.name, task, replace(subject, model=recorded))
    if found is None:
        return None
    beside = {}
    for name, model in _substitutes(subject, recorded, seed):
        other = run(name, task, replace(subject, model=model))
        if other is None:
            return None
        beside[name] = task.measured(other.figures)
    return found, beside


def _substitutes(subject: Subject, recorded: Recorded, seed: int) -> Iterator[tuple[str, Any]]:
    model = subject.model
    untrained = TwoTower(model.config, seed=seed, dtype=model.dtype)
    untrained.precision = model.precision
    yield "untrained", untrained
    yield "constant", Constant(model)
    yield "shuffled", Shuffled(recorded, seed)
    if isinstance(subject.data, Scenes):
        yield "colour", ColourOnly(model, subject.preprocess, subject.tokenizer)


class Substitute:
    """Stands for a model; what it does not say itself, the model says."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["model"], name)

    def __repr__(self) -> str:
        return line(self, repr(self.model))

    def resized(self, image_size: int) -> Any:
        """The same for the model of another size."""
        other = copy.copy(self)
        other.model = self.model.resized(image_size)
        return other


class Recorded(Substitute):
    """The model, and what it gave of pictures: by call, the arrays one after another."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.given: dict[tuple, list[tuple[np.ndarray, ...]]] = {}

    def encode_image(
        self, image: np.ndarray, normalize: bool = False, return_patches: bool = False
    ) -> Any:
        """As of the model."""
        found = self.model.encode_image(image, normalize, return_patches)
        key = ("encode_image", normalize, return_patches)
        self.given.setdefault(key, []).append(found if return_patches else (found,))
        return found

    def encode_dense(self, image: np.ndarray, normalize: bool = False) -> np.ndarray:
        """As of the model."""
        found = self.model.encode_dense(image, normalize)
        self.given.setdefault(("encode_dense", normalize), []).append((found,))
        return found


class Shuffled(Substitute):
    """The model, which gives of picture i of a run what it gave of another one: a derangement.

    The same calls must come in the same order as they came to ``recorded``.
    """

    def __init__(self, recorded: Recorded, seed: int = 0) -> None:
        super().__init__(recorded.model)
        self.given = {
            key: tuple(np.concatenate(parts) for parts in zip(*calls))
            for key, calls in recorded.given.items()
        }
        self.others = {key: derangement(len(parts[0]), seed) for key, parts in self.given.items()}
        self.done = dict.fromkeys(self.given, 0)

    def encode_image(
        self, image: np.ndarray, normalize: bool = False, return_patches: bool = False
    ) -> Any:
        """What was given of other pictures."""
        found = self._next(("encode_image", normalize, return_patches), len(image))
        return found if return_patches else found[0]

    def encode_dense(self, image: np.ndarray, normalize: bool = False) -> np.ndarray:
        """What was given of other pictures."""
        return self._next(("encode_dense", normalize), len(image))[0]

    def _next(self, key: tuple, count: int) -> tuple[np.ndarray, ...]:
        first = self.done[key]
        self.done[key] += count
        rows = self.others[key][first : first + count]
        return tuple(part[rows] for part in self.given[key])


def derangement(count: int, seed: int = 0) -> np.ndarray:
    """For each of ``count`` pictures another one, each taken once, int64 [count]: one cycle through
    all of them in a random order.

    Raises
    ------
    ValueError
        There is no other picture.
    """
    if count < 2:
        raise ValueError(f"shuffled: expected two pictures or more, found {count}")
    order = _random.permutation(seed, _STREAM, count)
    others = np.empty(count, dtype=np.int64)
    others[order] = np.roll(order, -1)
    return others


class _Vectors(Substitute):
    """A substitute that makes vectors by itself, as wide as the model's, of patches and of tokens;
    those of a picture and of a caption are given, too."""

    def of_patches(self, images: np.ndarray) -> np.ndarray:
        """[B, P, D] of pictures [B, 3, H, W]."""
        raise NotImplementedError

    def of_tokens(self, ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """[B, L, D] of captions [B, L] whose tokens are ``valid``."""
        raise NotImplementedError

    def of_captions(self, tokens: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """[B, D] of the vectors of tokens."""
        raise NotImplementedError

    def encode_image(
        self, image: np.ndarray, normalize: bool = False, return_patches: bool = False
    ) -> Any:
        """As of a model."""
        patches = self.of_patches(image)
        whole = _as_asked(patches.mean(axis=1), normalize)
        return (whole, _as_asked(patches, normalize)) if return_patches else whole

    def encode_dense(self, image: np.ndarray, normalize: bool = False) -> np.ndarray:
        """As of a model."""
        return _as_asked(self.of_patches(image), normalize)

    def encode_text(
        self,
        text: np.ndarray,
        normalize: bool = False,
        return_tokens: bool = False,
        text_mask: np.ndarray | None = None,
    ) -> Any:
        """As of a model."""
        valid = self.model.valid_positions(text_mask, np.asarray(text))
        tokens = self.of_tokens(np.asarray(text), valid)
        whole = _as_asked(self.of_captions(tokens, valid), normalize)
        return (whole, _as_asked(tokens, normalize)) if return_tokens else whole


class Constant(_Vectors):
    """Gives the same vector for everything, so that all scores tie."""

    def of_patches(self, images: np.ndarray) -> np.ndarray:
        config = self.model.config
        return np.ones((len(images), config.patches, config.shared_width), np.float32)

    def of_tokens(self, ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
        return np.ones((*ids.shape, self.model.config.shared_width), np.float32)

    def of_captions(self, tokens: np.ndarray, valid: np.ndarray) -> np.ndarray:
        return tokens[:, 0]


_BRIGHT, _REST = 0.5, 1e-3
"""What a step in brightness counts against one in colour; what a vector holds beside its colour, so
that none is 0."""


class ColourOnly(_Vectors):
    """Knows of a picture the mean colour of each patch, against that of most of the picture, and of
    a caption the colours that it names. No shape, no place, no number."""

    def __init__(self, model: Any, preprocess: Preprocess, tokenizer: Any) -> None:
        super().__init__(model)
        self.preprocess, self.tokenizer = preprocess, tokenizer

    def of_patches(self, images: np.ndarray) -> np.ndarray:
        rows, columns = self.model.config.grid
        count, channels, height, width = images.shape
        tiles = images.reshape(
            count, channels, rows, height // rows, columns, width // columns
        ).mean(axis=(3, 5)).reshape(count, channels, -1).transpose(0, 2, 1)  # fmt: skip
        colours = tiles * np.float32(self.preprocess.std) + np.float32(self.preprocess.mean)
        return self._vectors(colours - np.median(colours, axis=1, keepdims=True))

    def of_tokens(self, ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
        colours = np.zeros((*ids.shape, 3), np.float32)
        for row, own in enumerate(ids):
            for word in self.tokenizer.word_spans(own):
                known = PALETTE.get(word.text.strip().casefold())
                if known is not None:
                    colours[row, word.start : word.stop] = np.float32(known) / 255 - 0.5
        return self._vectors(colours)

    def of_captions(self, tokens: np.ndarray, valid: np.ndarray) -> np.ndarray:
        named = valid & (tokens[..., :4] != 0).any(axis=-1)
        counted = np.where(named.any(axis=1, keepdims=True), named, valid)
        shares = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
        return np.einsum("bld,bl->bd", tokens, shares.astype(np.float32))

    def _vectors(self, colours: np.ndarray) -> np.ndarray:
        """Colours [..., 3] as vectors [..., D]: the part without brightness, brightness, a rest."""
        bright = colours.mean(axis=-1, keepdims=True)
        found = np.zeros((*colours.shape[:-1], self.model.config.shared_width), np.float32)
        found[..., :3] = colours - bright
        found[..., 3:4] = _BRIGHT * bright
        found[..., 4] = _REST
        return found


def _as_asked(vectors: np.ndarray, normalize: bool) -> np.ndarray:
    if not normalize:
        return vectors
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
