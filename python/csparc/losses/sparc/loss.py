"""SPARC as an object: its options, with what the paper leaves open, its cost and its alignment."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from csparc._scalars import number, scale_number, signed_scale_number, weight_number
from csparc.losses._batch import GLOBAL_PART
from csparc.losses._precision import PRECISIONS, precision_name
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage, contrast_flop, forward_contrast_flop
from csparc.losses.explains import Alignment, Pairs, if_trained, sparc_alignment
from csparc.losses.options import option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput
from csparc.losses.sparc.function import (
    INPUTS,
    LOCAL_PATCHES,
    REDUCTIONS,
    TEXT_POOLS,
    read_options,
    sparc_with,
)
from csparc.losses.sparc_pieces import DEGENERATE, NORMALIZERS, SIMILARITIES

SHAPING = ("normalizer", "similarity", "sigma", "softmax_scale", "degenerate")
"""The options that decide the weights."""
OF_OTHERS = "Trained, as a control, on the patches of other pictures."


def _threshold(value: object, name: str) -> float:
    return number(value, name, low=0, high=1)


@register
@dataclass(frozen=True, repr=False)
class SparcLoss(Loss):
    """:func:`sparc_loss` with its options fixed, as an object a trainer can hold.

    With ``learn_local_logit_scale`` it owns ``local_logit_scale`` as a parameter, which starts at
    the number given; otherwise it owns nothing.
    """

    name = "sparc"
    label = "SPARC"
    inputs = INPUTS
    parts = (
        GLOBAL_PART,
        Part("local_loss", "Local loss", "words against patches, within one pair"),
    )
    code_is = "listing"
    within_pairs = True
    takes_extra_texts = True
    local_loss_is_measured = True

    local_logit_scale: float | None = option(
        None,
        "Scale of the local part alone, a constant; none: it shares the learned logit scale.",
        check=scale_number,
        paper="one, learned, for both losses",
        code="a constant for both",
        question="temperature",
    )
    global_weight: float = option(
        0.5,
        "What the global part is multiplied by.",
        check=weight_number,
        paper="free; 0.5 (D.4)",
        code="free",
        question="weight of the global loss",
    )
    local_weight: float = option(
        1.0,
        "What the local part is multiplied by; 0: it is measured and not trained.",
        check=weight_number,
        paper="free; 0.5 to 10 (D.4)",
        code="free",
        question="weight of the local loss",
    )
    normalizer: str = option(
        "minmax_sparse",
        "How similarities become weights: min-max and threshold, min-max alone, or softmax.",
        NORMALIZERS,
        paper="min-max, cut below sigma, renormalised; the others are ablations (Table 8)",
        code="the same",
        question="weights",
    )
    similarity: str = option(
        "dot",
        "Inner product of the vectors as they are, or their cosine.",
        SIMILARITIES,
        paper="inner product of the raw embeddings",
        code="the same",
        question="similarity",
    )
    sigma: float | None = option(
        None,
        "Threshold in [0, 1] below which a normalised similarity is cut; none: one over the "
        "number of valid patches.",
        check=_threshold,
        paper="1/P",
        code="1/P",
        question="threshold sigma",
    )
    softmax_scale: float = option(
        1.0,
        "Multiplies similarities under normalizer=softmax, held constant.",
        check=signed_scale_number,
    )
    reduction: str = option(
        "sample",
        "Mean over each caption's tokens and then over captions, or over all tokens.",
        REDUCTIONS,
        paper="over the tokens of a caption, then over captions",
        code="over all tokens of the batch",
        question="mean of the local loss",
    )
    text_pool: str = option(
        "masked",
        "Positions a text vector left out is the mean of; a model gives its own vector.",
        TEXT_POOLS,
        paper="mean of the valid tokens",
        code="mean of all positions, padding included",
        question="text pooled for the global loss, where `text_global` is not given",
    )
    degenerate: str = option(
        "uniform",
        "Weights of a token that all patches match equally well: 1/P each, or none.",
        DEGENERATE,
        paper="each gets 1/P",
        code="0/0; an added epsilon gives zero",
        question="all patches equally similar",
    )
    detach_weights: bool = option(
        False,
        "Hold the alignment weights constant in the gradient.",
        paper="not mentioned",
        code="the gradient flows",
        question="gradient through the weights",
    )
    local_patches: str = option(
        "own",
        "Patches of the local part: the image's own, or as a control the next image's (also "
        "spelled patches=shuffled).",
        LOCAL_PATCHES,
        short="patches",
    )
    precision: str = option(
        "fp32",
        "Products of the local loss in the arrays' own type, or of operands rounded to bfloat16.",
        PRECISIONS,
        check=precision_name,
        paper="not mentioned",
        code="not mentioned",
        question="precision of products",
    )
    learn_local_logit_scale: bool = option(False, "Learn local_logit_scale from the number given.")

    def _begin(self) -> None:
        *options, learned = (getattr(self, field.name) for field in fields(self))
        object.__setattr__(self, "_read", read_options(*options))
        if not learned:
            return
        if self.local_logit_scale is None:
            raise ValueError(
                "learn_local_logit_scale: expected a number for local_logit_scale beside it, "
                "where it starts; found None"
            )
        self._own_scale("local_logit_scale", self.local_logit_scale)

    @property
    def contrasts_pairs_alone(self) -> bool:
        """Without the local loss, which tells the words of one caption apart."""
        return self.local_weight == 0

    def _compute(self, **call: Any) -> LossOutput:
        options = self._read
        if self.parameters:
            options = options._replace(local_scale=self.value("local_logit_scale"))
        return sparc_with(options, **call)

    def apart(self) -> tuple[Loss, float, Loss] | None:
        if self.reduction != "sample" or self.local_patches != "own":
            return None
        from csparc.losses.clip import ClipLoss

        return ClipLoss(), self.global_weight, replace(self, global_weight=0.0)

    def local_scale(self, logit_scale: float) -> float:
        own = self.value("local_logit_scale")
        return logit_scale if own is None else own

    def _align(self, pairs: Pairs) -> Alignment:
        options = {name: getattr(self, name) for name in SHAPING}
        found = if_trained(sparc_alignment(pairs, options), self.local_weight)
        if self.local_patches == "own":
            return found
        return replace(found, notes=(*found.notes, OF_OTHERS), trained=False)

    def _align_by_sparc(self, pairs: Pairs) -> Alignment:
        return sparc_alignment(pairs, {})

    def flop(self, sizes: Sizes) -> int:
        """Within a pair: similarities, groups, scores, thrice (csparc/loss/sparc/local_loss.h)."""
        s = sizes
        return contrast_flop(s) + s.B * (12 * s.L * s.P * s.D + 6 * s.L**2 * s.D)

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        s = sizes
        within = 4 * s.L * s.P * s.D + 4 * s.L**2 * s.D
        return forward_contrast_flop(s, own) + own * within

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        return [Stage("sparc", {"rounded": int(self.precision == "bf16")})]

    @classmethod
    def limits(cls) -> tuple[str, str]:
        return (
            "Anything at the paper’s scale. The paper trains on billions of pairs; none of its "
            "figures can be checked by this run, and this page claims none of them.",
            "That the fine-grained loss helps. That needs the same run without it, and one with it "
            "on shuffled patches, over several seeds.",
        )
