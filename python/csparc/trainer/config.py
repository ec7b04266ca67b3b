"""The settings of a training run, checked when they are made."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from csparc._precision import precision_name
from csparc._repr import fields_line
from csparc._scalars import choice, flag, number, positive, whole_number

_WHERE_AND_HOW = {
    "out", "resume", "overwrite", "threads", "save_frequency", "val_frequency", "val_tasks",
    "progress", "profile", "cache", "early_stop", "remat",
}  # fmt: skip
"""Settings that do not decide a single bit of the weights after a step."""

_WHERE_GIVEN = {
    "val_best", "lock_image", "lock_image_unlocked_groups", "lock_text",
    "lock_text_unlocked_layers", "layer_decay", "ema", "precision",
}  # fmt: skip
"""Settings that a checkpoint records only where they are not their default."""

_LOWEST = {
    "batch_size": 1, "steps": 1, "epochs": 1, "accum_freq": 1, "warmup": 0, "save_frequency": 1,
    "val_frequency": 0, "threads": 1, "early_stop": 1, "lock_image_unlocked_groups": 0,
    "lock_text_unlocked_layers": 0, "micro_batch": 1,
}  # fmt: skip
"""The least that a setting which counts something may be."""
_OPTIONAL = {"steps", "epochs", "warmup", "threads", "early_stop", "micro_batch"}

INIT_LEARNING_RATE = 1e-5
"""The peak learning rate of a run that begins from weights and says no other: the one that fresh
weights learn at undoes what was learned before."""

PROGRESS = ("auto", "bar", "lines", "none")
DUPLICATES = ("allow", "avoid", "exclude", "positive")


@dataclass(frozen=True)
class TrainConfig:
    """How to train; one of ``steps`` and ``epochs`` is needed.

    Parameters
    ----------
    batch_size : int or "auto"
        Pairs of one forward pass. The contrastive losses draw their negatives from these alone.
        "auto": the largest sensible number that fits the memory there is when the trainer is made
        (see `csparc.trainer.batch_size`); the number is recorded, and a resumed run keeps it.
    steps, epochs : int, exactly one of them
        Length of the run, in optimiser steps or in passes over the data (an incomplete last batch
        of a pass is left out). Passes that ``"avoid"`` duplicates are planned before the first
        step, for which every picture is decoded once.
    lr : float
        Peak learning rate: reached by a straight line over ``warmup`` steps, then a half cosine
        down to 0 at the last step.
    wd : float
        Decoupled weight decay (AdamW), of matrices only: not of biases, norms and scales.
    warmup : int or None
        Steps of warm-up; None is a tenth of the run, 2500 at most.
    beta1, beta2, eps : float
        AdamW's; the defaults are the usual ones for vision transformers.
    grad_clip_norm : float or None
        Longest gradient: above it all gradients are scaled down together. None never clips.
    accum_freq : int
        Batches whose losses are averaged in one step. The gradient is that of the average of the
        slices' losses, each computed on its own: negatives come from the slice alone, so this
        is not the same as a batch ``accum_freq`` times as large. ``micro_batch`` is.
    micro_batch : int or None
        Pairs that the towers hold at a time, at most ``batch_size``: the gradient is that of the
        whole batch, to rounding, from memory for this many pairs and the features of all, at the
        cost of a second forward pass (see `csparc.trainer.gradient_cache`). None: the whole batch.
    remat : bool
        Compute transformer blocks again in the backward pass instead of keeping what is inside
        them: the same bits from less memory, in more time (see `csparc.nn.remat`).
    precision : "fp32" or "bf16"
        Of the products of the model's linear layers (`csparc.TwoTower.precision`, which is set);
        "bf16" is faster where the processor multiplies bfloat16. A loss follows its own option
        ``precision``, where it has one.
    duplicates : "allow", "avoid", "exclude" or "positive"
        What pairs of a batch with equal captions (as token ids) or equal pictures are. "allow":
        each other's negatives. "avoid": kept out of the same batch (see `csparc.data.Loader`).
        "exclude": neither negatives nor matches of each other. "positive": matches. The last two
        are given to the loss as ``groups``.
    seed : int
        Decides order, caption choice and augmentation.
    scale_min, scale_max : float
        After each step the model's logit scale is clamped to this range, and every scale that the
        loss owns and learns to at most ``scale_max``.
    save_frequency : int
        Steps between checkpoints; one is written at the end in any case.
    val_frequency : int
        Steps between validations; 0 validates only at the end.
    val_tasks : tuple of str
        What is evaluated then beside retrieval: names in `csparc.evaluate.TASKS`, each by itself or
        with options, ``"retrieval:score=own"``. Their main figures are logged as
        ``val/TASK/FIGURE``.
    val_best : str or None
        The figure whose highest value makes the best checkpoint, such as ``"val/grounding/gap"``;
        None: the mean of both R@1 of retrieval. With a figure, retrieval runs only where named.
    early_stop : int or None
        End the run after so many validations in a row without a better score, of the figure that
        makes the best checkpoint; None never does. The learning rate follows the whole run.
    lock_image, lock_text : bool
        Train nothing of the tower but its last groups (`csparc.TwoTower.lock_image_tower`): what is
        locked costs no backward pass and no state of the optimiser.
    lock_image_unlocked_groups, lock_text_unlocked_layers : int
        How many groups of a locked tower are trained: 1 is the projection, 2 the last block and its
        norm as well, and so on, as open_clip counts.
    layer_decay : float
        What the learning rate of a group of a tower is multiplied by for every group that comes
        after it, above 0 and at most 1: the projection learns at ``lr``, the last block at ``lr``
        times this, the one before it at ``lr`` times its square. What a loss owns and the logit
        scale learn at ``lr``.
    ema : float or None
        Decay of averages of the weights (`csparc.trainer.averages.Averages`), which are what is
        validated, and what `csparc.load_checkpoint` gives; None keeps none. One more copy of what
        is trained, in memory and in every checkpoint.
    threads : int or None
        Threads of the core; None leaves the setting alone. The result does not depend on it.
    out : path or None
        Folder for ``log.jsonl``, ``validation.jsonl`` and ``checkpoints/``; None writes nothing.
    resume : None, "latest" or path
        "latest" goes on from the newest whole checkpoint in ``out``, and starts anew when there is
        none. A path names the checkpoint to go on from.
    overwrite : bool
        Without ``resume``, replace the run that ``out`` already holds instead of refusing.
    progress : "auto", "bar", "lines" or "none"
        A progress bar on standard error, or plain lines; "auto" draws the bar on a terminal.
    profile : path or None
        Where `csparc.profile.Profile` writes what the steps' time went into: ``NAME.json`` and
        ``NAME.html``, whatever the suffix of the path.
    cache : path or None
        Folder of decoded and resized pictures, which may be shared by runs
        (`csparc.data.loading.disk_cache`); None keeps pictures in memory alone.

    Raises
    ------
    TypeError, ValueError
        Naming the setting, what was expected and what was found.
    """

    batch_size: int | str = 256
    steps: int | None = None
    epochs: int | None = None
    lr: float = 1e-3
    wd: float = 0.1
    warmup: int | None = None
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    grad_clip_norm: float | None = 1.0
    accum_freq: int = 1
    micro_batch: int | None = None
    remat: bool = False
    precision: str = "fp32"
    duplicates: str = "allow"
    seed: int = 0
    scale_min: float = 1.0
    scale_max: float = 100.0
    save_frequency: int = 100
    val_frequency: int = 200
    val_tasks: tuple[str, ...] = ()
    val_best: str | None = None
    early_stop: int | None = None
    lock_image: bool = False
    lock_image_unlocked_groups: int = 0
    lock_text: bool = False
    lock_text_unlocked_layers: int = 0
    layer_decay: float = 1.0
    ema: float | None = None
    threads: int | None = None
    out: str | os.PathLike | None = None
    resume: str | os.PathLike | None = None
    overwrite: bool = False
    progress: str = "auto"
    profile: str | os.PathLike | None = None
    cache: str | os.PathLike | None = None

    __repr__ = fields_line

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            found = "neither" if self.steps is None else "both"
            raise ValueError(f"expected one of steps and epochs, found {found}")
        chosen_later = isinstance(self.batch_size, str) and self.batch_size == "auto"
        for name, low in _LOWEST.items():
            if name == "batch_size" and chosen_later:
                continue
            if getattr(self, name) is not None or name not in _OPTIONAL:
                self._take(name, whole_number, low=low)
        self._take("seed", whole_number, low=-(1 << 63), high=(1 << 63) - 1)
        for name in ("lr", "wd"):
            self._take(name, number, low=0)
        for name in ("beta1", "beta2"):
            self._take(name, number, low=0, below=1)
        for name in ("eps", "scale_min"):
            self._take(name, positive)
        if self.grad_clip_norm is not None:
            self._take("grad_clip_norm", positive)
        self._take("scale_max", number, low=self.scale_min)
        choice(self.progress, "progress", PROGRESS)
        choice(self.duplicates, "duplicates", DUPLICATES)
        object.__setattr__(self, "precision", precision_name(self.precision, "precision"))
        if not isinstance(self.val_tasks, (tuple, list)) or not all(
            isinstance(task, str) for task in self.val_tasks
        ):
            raise TypeError(f"val_tasks: expected a tuple of names, found {self.val_tasks!r}")
        object.__setattr__(self, "val_tasks", tuple(self.val_tasks))
        if self.val_best is not None and not isinstance(self.val_best, str):
            raise TypeError(f"val_best: expected the name of a figure, found {self.val_best!r}")
        for name in ("out", "resume", "profile", "cache"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, (str, os.PathLike)):
                raise TypeError(f"{name}: expected a path, found {value!r}")
            if value == "":
                raise ValueError(f"{name}: expected a path, found an empty text")
        for name in ("overwrite", "lock_image", "lock_text", "remat"):
            self._take(name, flag)
        self._check_fine_tuning()
        if not (self.micro_batch is None or chosen_later) and self.micro_batch > self.batch_size:
            raise ValueError(
                f"micro_batch: expected at most batch_size, {self.batch_size} pairs, of which it "
                f"is a part, found {self.micro_batch}"
            )
        if self.resume is not None and self.out is None:
            raise ValueError("resume: expected out, the folder of the run, beside it; found None")

    def _check_fine_tuning(self) -> None:
        self._take("layer_decay", number, above=0, high=1)
        if self.ema is not None:
            self._take("ema", number, low=0, below=1)
        for name, lock in (
            ("lock_image_unlocked_groups", "lock_image"),
            ("lock_text_unlocked_layers", "lock_text"),
        ):
            if getattr(self, name) and not getattr(self, lock):
                raise ValueError(
                    f"{name}: expected {lock}=True beside it, found {getattr(self, name)} of a "
                    "tower that is not locked"
                )
        if self.early_stop is not None and self.val_frequency == 0:
            raise ValueError(
                "early_stop: expected val_frequency of at least 1, found 0, which validates only "
                "at the end"
            )

    def _take(self, name: str, check: Callable[..., Any], **limits: float) -> None:
        """Check a setting; a number of NumPy becomes one of Python, as JSON holds them."""
        given = getattr(self, name)
        checked = check(given, name, **limits)
        if type(given) not in (int, float, bool):
            object.__setattr__(self, name, checked)

    @property
    def needs_plan(self) -> bool:
        """Whether the length of the run depends on what the pairs hold."""
        return self.epochs is not None and self.duplicates == "avoid"

    def total_steps(self, pictures: int, batches: Callable[[int], int] | None = None) -> int:
        """Optimiser steps of the whole run on a data set of ``pictures`` pictures.

        ``batches`` gives the number of batches of an epoch; None: as many as the pictures fill.

        Raises
        ------
        ValueError
            The data does not fill one step.
        """
        if pictures < self.batch_size:
            raise ValueError(
                f"batch_size: expected at most the {pictures} pictures of the data, "
                f"found {self.batch_size}"
            )
        if self.steps is not None:
            return self.steps
        if batches is None:
            total = self.epochs * (pictures // self.batch_size)
        else:
            total = sum(map(batches, range(self.epochs)))
        return max(1, total // self.accum_freq)

    def warmup_steps(self, total: int) -> int:
        """Steps of warm-up in a run of ``total``."""
        return min(2500, total // 10) if self.warmup is None else self.warmup

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the result, as JSON values: what a checkpoint records.

        Those that came later, or decide the best checkpoint alone, are recorded where they are
        given.
        """
        usual = {field.name: field.default for field in fields(self) if field.name in _WHERE_GIVEN}
        left_out = _WHERE_AND_HOW | {k for k, v in usual.items() if getattr(self, k) == v}
        return {key: value for key, value in asdict(self).items() if key not in left_out}
