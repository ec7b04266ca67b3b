"""CLIP, SPARC, and CLIP with FILIP, each with the word contrast as one more part."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._scalars import scale_number, weight_number
from csparc.losses._batch import GLOBAL_PART, GLOBALS
from csparc.losses.base import Loss, Part
from csparc.losses.clip import clip_loss
from csparc.losses.clip_filip import ClipFilipLoss, clip_filip_loss
from csparc.losses.costs import Sizes, Stage, contrast_flop, forward_contrast_flop
from csparc.losses.explains import Alignment, Pairs, if_trained
from csparc.losses.filip import DROP, DROP_GROUP, KEEP, MATCHES
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput
from csparc.losses.sparc import SparcLoss, sparc_loss
from csparc.losses.word_contrast import ROWS
from csparc.losses.word_part import (
    NEGATIVES,
    POOL,
    POOL_SCALE,
    PRECISION,
    WORDS_PART,
    WordPart,
    words_limits,
)

if TYPE_CHECKING:
    from csparc.losses.pair_scores import LateFeatures, LateScores

WITH_WORDS = ("patches", "tokens", "image_global", "text_global", "word_ids", "lacks")
WORDS_WEIGHT = partial(
    option,
    1.0,
    "What the word contrast is multiplied by; 0: it is measured and not trained.",
    check=weight_number,
)
WORD_LOGIT_SCALE = partial(
    option,
    1 / 0.07,
    "Where the scale of the word contrast starts; it is learned.",
    check=scale_number,
)
WORD_SCALE_MAX = partial(
    option,
    100.0,
    "The most that scale may learn to: at a small one whole objects must answer to a word.",
    check=scale_number,
)
GLOBAL_WEIGHT = partial(option, 0.5, "What the CLIP part is multiplied by.", check=weight_number)


class WithWords(Loss):
    """A loss with the word contrast beside it, which owns ``word_logit_scale``.

    Subclasses have the options ``words_weight``, ``word_logit_scale``, ``word_scale_max``,
    ``pool``, ``pool_scale``, ``negatives`` and ``precision``, and say what the rest is.
    """

    inputs = WITH_WORDS
    takes_extra_texts = True
    words_weight: float
    word_logit_scale: float
    word_scale_max: float
    pool: str
    pool_scale: float
    negatives: int | None
    precision: str

    @abstractmethod
    def _rest(self, **call: Any) -> LossOutput:
        """The other parts, weighted, with their gradients."""

    @abstractmethod
    def _rest_flop(self, sizes: Sizes) -> int: ...

    @abstractmethod
    def _rest_forward_flop(self, sizes: Sizes, own: float) -> float: ...

    @abstractmethod
    def _rest_stages(self, sizes: Sizes, itemsize: int) -> list[Stage]: ...

    def _begin(self) -> None:
        self._own_scale("word_logit_scale", self.word_logit_scale)

    def limit_scales(self, scale_max: float) -> None:
        """Its own scale goes no further than ``word_scale_max`` either."""
        super().limit_scales(scale_max)
        own = self.parameters["word_logit_scale"].data
        np.minimum(own, math.log(self.word_scale_max), out=own)

    def _words(self) -> WordPart:
        return WordPart(self.pool, self.pool_scale, self.negatives, self.precision)

    def _compute(self, *, word_ids: Any, lacks: Any = None, **call: Any) -> LossOutput:
        call.pop("out_grads", None)  # filled by the caller
        rest = self._rest(**call)
        spoken = {**call, "word_ids": word_ids, "lacks": lacks}
        weight = self.words_weight
        if weight == 0 and all(name in rest.grads for name in ROWS):
            spoken["grad"] = False
        words = self._words()(spoken, self.value("word_logit_scale"), weight, rest.grads)
        grads = dict(rest.grads)
        for name in ROWS if words.grads else ():
            grads[name] = words.grads[name]
        if call["grad"]:
            grads["word_logit_scale"] = weight * words.grads.get("logit_scale", 0.0)
        return LossOutput(
            rest.loss + weight * words.loss,
            parts={**rest.parts, **words.parts},
            kept_fraction=rest.kept_fraction,
            grads=grads,
        )

    def local_scale(self, logit_scale: float) -> float:
        return self.value("word_logit_scale")

    def _align(self, pairs: Pairs) -> Alignment:
        return if_trained(self._words().align(pairs, self), self.words_weight)

    def pair_scores(self, features: LateFeatures) -> LateScores:
        """That of the word contrast; the vectors of the whole have their cosine."""
        return self._words().pair_scores(features)

    def flop(self, sizes: Sizes) -> int:
        return self._rest_flop(sizes) + self._words().flop(sizes)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        return self._rest_forward_flop(sizes, own) + self._words().forward_flop(sizes, own)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        """The rest first, whose gradients the word contrast adds to."""
        return [*self._rest_stages(sizes, itemsize), *self._words().stages(sizes)]

    @classmethod
    def limits(cls) -> tuple[str, str]:
        return words_limits(cls)


@register
@dataclass(frozen=True, repr=False)
class ClipWordsLoss(WithWords):
    """``global_weight`` :func:`clip_loss` + ``words_weight`` :func:`word_contrast_loss`.

    An objective of csparc's own. It owns ``word_logit_scale``, the scale of the second.
    """

    name = "clip+words"
    label = "CLIP + word contrast"
    parts = (GLOBAL_PART, WORDS_PART)

    global_weight: float = GLOBAL_WEIGHT()
    words_weight: float = WORDS_WEIGHT()
    word_logit_scale: float = WORD_LOGIT_SCALE()
    word_scale_max: float = WORD_SCALE_MAX()
    pool: str = POOL()
    pool_scale: float = POOL_SCALE()
    negatives: int | None = NEGATIVES()
    precision: str = PRECISION()

    def _rest(self, **call: Any) -> LossOutput:
        taken = (*GLOBALS, "logit_scale", "groups", "same_group", "grad")
        whole = clip_loss(**{name: call[name] for name in taken if name in call})
        grads = {name: self.global_weight * gradient for name, gradient in whole.grads.items()}
        return LossOutput(self.global_weight * whole.loss, parts=whole.parts, grads=grads)

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _rest_flop(self, sizes: Sizes) -> int:
        return contrast_flop(sizes)

    def _rest_forward_flop(self, sizes: Sizes, own: float) -> float:
        return forward_contrast_flop(sizes, own)

    def _rest_stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("contrastive")]


@register
@dataclass(frozen=True, repr=False)
class SparcWordsLoss(WithWords):
    """:func:`sparc_loss` with its defaults + ``words_weight`` :func:`word_contrast_loss`.

    An objective of csparc's own. It owns ``word_logit_scale``, the scale of the second; SPARC's
    parts share the model's.
    """

    name = "sparc+words"
    label = "SPARC + word contrast"
    parts = (
        GLOBAL_PART,
        Part("local_loss", "Local loss", "words against patches, within one pair"),
        WORDS_PART,
    )

    global_weight: float = option(
        0.5, "What SPARC's global part is multiplied by.", check=weight_number
    )
    local_weight: float = option(
        1.0, "What SPARC's local part is multiplied by.", check=weight_number
    )
    words_weight: float = WORDS_WEIGHT()
    word_logit_scale: float = WORD_LOGIT_SCALE()
    word_scale_max: float = WORD_SCALE_MAX()
    pool: str = POOL()
    pool_scale: float = POOL_SCALE()
    negatives: int | None = NEGATIVES()
    precision: str = PRECISION()

    def _rest(self, **call: Any) -> LossOutput:
        return sparc_loss(
            **call, global_weight=self.global_weight, local_weight=self.local_weight,
            precision=self.precision,
        )  # fmt: skip

    @property
    def contrasts_pairs_alone(self) -> bool:
        """Without the local loss, which tells the words of one caption apart."""
        return self.local_weight == 0

    def _rest_flop(self, sizes: Sizes) -> int:
        return SparcLoss().flop(sizes)

    def _rest_forward_flop(self, sizes: Sizes, own: float) -> float:
        return SparcLoss().forward_flop(sizes, own)

    def _rest_stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return SparcLoss(precision=self.precision).stages(sizes, itemsize)


@register
@dataclass(frozen=True, repr=False)
class ClipFilipWordsLoss(WithWords):
    """:func:`clip_filip_loss` + ``words_weight`` :func:`word_contrast_loss`.

    An objective of csparc's own. It owns ``local_logit_scale``, the scale of the FILIP part, and
    ``word_logit_scale``, that of the word contrast.
    """

    name = "clip+filip+words"
    label = "CLIP + FILIP + word contrast"
    parts = (GLOBAL_PART, MATCHES, WORDS_PART)

    local_logit_scale: float = option(
        1 / 0.07, "Where the scale of the FILIP part starts; it is learned.", check=scale_number
    )
    global_weight: float = GLOBAL_WEIGHT()
    local_weight: float = option(0.5, "What the FILIP part is multiplied by.", check=weight_number)
    keep: float = KEEP()
    drop: str = DROP()
    drop_group: int = DROP_GROUP()
    words_weight: float = WORDS_WEIGHT()
    word_logit_scale: float = WORD_LOGIT_SCALE()
    word_scale_max: float = WORD_SCALE_MAX()
    pool: str = POOL()
    pool_scale: float = POOL_SCALE()
    negatives: int | None = NEGATIVES()
    precision: str = PRECISION()

    def _begin(self) -> None:
        self._own_scale("local_logit_scale", self.local_logit_scale)
        super()._begin()

    def _other(self) -> ClipFilipLoss:
        return ClipFilipLoss(keep=self.keep, drop=self.drop, drop_group=self.drop_group)

    def _rest(self, **call: Any) -> LossOutput:
        return clip_filip_loss(
            **call, local_logit_scale=self.value("local_logit_scale"),
            global_weight=self.global_weight, local_weight=self.local_weight,
            keep=self.keep, drop=self.drop, drop_group=self.drop_group,
        )  # fmt: skip

    @property
    def contrasts_pairs_alone(self) -> bool:
        return True

    def _rest_flop(self, sizes: Sizes) -> int:
        return self._other().flop(sizes)

    def _rest_forward_flop(self, sizes: Sizes, own: float) -> float:
        return self._other().forward_flop(sizes, own)

    def _rest_stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return self._other().stages(sizes, itemsize)
