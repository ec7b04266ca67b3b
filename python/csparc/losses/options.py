"""What every option of every loss is: the source of the command line's help and of the docs.

Types and defaults are those of the classes' signatures; here stands what a signature cannot say.
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any

from csparc.losses.filip import DROPS
from csparc.losses.gloria import ATTENTIONS as GLORIA_ATTENTIONS
from csparc.losses.gloria import POOLINGS
from csparc.losses.mgca import ATTENTIONS as MGCA_ATTENTIONS
from csparc.losses.mgca import CONVENTIONS
from csparc.losses.pacl import POOLS
from csparc.losses.pacl import WEIGHTS as PACL_WEIGHTS
from csparc.losses.registry import loss_class
from csparc.losses.sparc import LOCAL_PATCHES, PRECISIONS, REDUCTIONS, TEXT_POOLS
from csparc.losses.sparc_pieces import DEGENERATE, NORMALIZERS, SIMILARITIES


@dataclass(frozen=True)
class Entry:
    """What is said about an option, beside its type and default."""

    about: str
    """One sentence."""
    choices: tuple[str, ...] = ()
    """The texts it may be, the class's own constant."""
    paper: str = ""
    """What the paper of the objective says, where it says something."""
    code: str = ""
    """What the paper's listing (SPARC) or the authors' public code (the others) does."""
    question: str = ""
    """What the paper leaves open here, in a few words: these options are listed in the README."""
    short: str = ""
    """Another key of ``--loss-opt`` for it, where a function has an argument of that name."""


SPARC = {
    "local_logit_scale": Entry(
        "Scale of the local part alone, a constant; none: it shares the learned logit scale.",
        paper="one, learned, for both losses",
        code="a constant for both",
        question="temperature",
    ),
    "global_weight": Entry(
        "What the global part is multiplied by.",
        paper="free; 0.5 (D.4)",
        code="free",
        question="weight of the global loss",
    ),
    "local_weight": Entry(
        "What the local part is multiplied by; 0: it is measured and not trained.",
        paper="free; 0.5 to 10 (D.4)",
        code="free",
        question="weight of the local loss",
    ),
    "normalizer": Entry(
        "How similarities become weights: min-max and threshold, min-max alone, or softmax.",
        NORMALIZERS,
        paper="min-max, cut below sigma, renormalised; the others are ablations (Table 8)",
        code="the same",
        question="weights",
    ),
    "similarity": Entry(
        "Inner product of the vectors as they are, or their cosine.",
        SIMILARITIES,
        paper="inner product of the raw embeddings",
        code="the same",
        question="similarity",
    ),
    "sigma": Entry(
        "Threshold in [0, 1] below which a normalised similarity is cut; none: 1/P.",
        paper="1/P",
        code="1/P",
        question="threshold sigma",
    ),
    "softmax_scale": Entry("Multiplies similarities under normalizer=softmax, held constant."),
    "reduction": Entry(
        "Mean over each caption's tokens and then over captions, or over all tokens.",
        REDUCTIONS,
        paper="over the tokens of a caption, then over captions",
        code="over all tokens of the batch",
        question="mean of the local loss",
    ),
    "text_pool": Entry(
        "Positions a text vector left out is the mean of; a model gives its own vector.",
        TEXT_POOLS,
        paper="mean of the valid tokens",
        code="mean of all positions, padding included",
        question="text pooled for the global loss, where `text_global` is not given",
    ),
    "degenerate": Entry(
        "Weights of a token that all patches match equally well: 1/P each, or none.",
        DEGENERATE,
        paper="each gets 1/P",
        code="0/0; an added epsilon gives zero",
        question="all patches equally similar",
    ),
    "detach_weights": Entry(
        "Hold the alignment weights constant in the gradient.",
        paper="not mentioned",
        code="the gradient flows",
        question="gradient through the weights",
    ),
    "local_patches": Entry(
        "Patches of the local part: the image's own, or as a control the next image's (also "
        "spelled patches=shuffled).",
        LOCAL_PATCHES,
        short="patches",
    ),
    "precision": Entry(
        "Products of the local loss in the arrays' own type, or of operands rounded to bfloat16.",
        PRECISIONS,
        paper="not mentioned",
        code="not mentioned",
        question="precision of products",
    ),
    "learn_local_logit_scale": Entry("Learn local_logit_scale from the number given."),
}

SIGLIP = {
    "logit_bias": Entry(
        "Where the bias of all logits starts; it is learned.", paper="starts at -10"
    ),
}

PACL = {
    "weight_scale": Entry(
        "Multiplies the cosines that patches are weighted by.",
        paper="none: a plain softmax of cosines",
    ),
    "learn_weight_scale": Entry("Learn weight_scale from where it starts."),
    "weights": Entry(
        "Softmax over the patches of an image, or each patch's own sigmoid.",
        PACL_WEIGHTS,
        paper="softmax",
    ),
    "pool": Entry("Weigh the patches as they are, or as unit vectors.", POOLS),
    "renormalize": Entry("Contrast cosines of what was pooled; false: inner products."),
}

FILIP = {
    "keep": Entry(
        "Share of patches and of tokens that serve as keys.",
        paper='25 % of the tokens; the SPARC paper: "20% token dropping", and a cost that only '
        "keeping 20 % fits",
    ),
    "drop": Entry(
        "Drop from the keys alone, from queries and keys, or nothing.",
        DROPS,
    ),
    "drop_group": Entry(
        "Consecutive samples among which the keys are chosen.",
        paper="the samples of one worker",
    ),
}

CLIP_FILIP = {
    "local_logit_scale": Entry("Where the scale of the FILIP part starts; it is learned."),
    "global_weight": Entry("What the CLIP part is multiplied by."),
    "local_weight": Entry("What the FILIP part is multiplied by."),
    **FILIP,
}

GLORIA = {
    "attention_scale": Entry(
        "k1, multiplies the similarities by which words attend to patches.", code="fixed at 4"
    ),
    "pool_scale": Entry("k2, by which the words of a caption are pooled.", code="fixed at 5"),
    "local_logit_scale": Entry(
        "Where k3, the scale of the local contrast, starts; it is learned.", code="fixed at 10"
    ),
    "learn_attention_scales": Entry("Learn k1 and k2 too.", code="none is learned"),
    "attention": Entry(
        "Softmax over the patches, or first over the caption's words and then over the patches.",
        GLORIA_ATTENTIONS,
        paper="over the patches",
        code="words, then patches",
    ),
    "pooling": Entry(
        "Sum over words in the pooled similarity, or mean: without a bonus for long captions.",
        POOLINGS,
        code="sum",
    ),
    "divide_by_pool_scale": Entry(
        "Keep the pooled similarity on the scale of a cosine, by 1/k2.",
        paper="by 1/k2",
        code="without",
    ),
    "global_weight": Entry("What the global part is multiplied by.", paper="1"),
    "local_weight": Entry("What the local part is multiplied by.", paper="1"),
}

MGCA = {
    "embed_dim": Entry("Width D of the embeddings; none: that of the first batch."),
    "prototypes": Entry("How many prototypes.", paper="500"),
    "width": Entry(
        "Width H of the attention's projections.", paper="the SPARC paper: one head, 128"
    ),
    "heads": Entry("Heads of the attention; they divide the width.", paper="the SPARC paper: 1"),
    "attention": Entry(
        "Projections that are learned, or none: softmax of scaled cosines.",
        MGCA_ATTENTIONS,
        paper="the SPARC paper: adds parameters",
        code="free",
    ),
    "biases": Entry("Give the projections biases, starting at 0."),
    "local_logit_scale": Entry(
        "Where the scale of the token part starts; it is learned.", code="fixed at 1/0.1"
    ),
    "prototype_scale": Entry(
        "Where the scale of the prototype part starts; it is learned.", code="fixed at 1/0.2"
    ),
    "global_weight": Entry("What the global part is multiplied by.", paper="1"),
    "token_weight": Entry("What the token part is multiplied by.", paper="1"),
    "prototype_weight": Entry("What the prototype part is multiplied by.", paper="1"),
    "convention": Entry(
        "Every part a mean over its two directions, or the first two their sums.",
        tuple(CONVENTIONS),
        paper="means",
        code="sums",
    ),
    "seed": Entry("Decides the initial projections and prototypes."),
}

ENTRIES: dict[str, dict[str, Entry]] = {
    "sparc": SPARC, "clip": {}, "siglip": SIGLIP, "pacl": PACL, "filip": FILIP,
    "clip+filip": CLIP_FILIP, "gloria": GLORIA, "mgca": MGCA,
}  # fmt: skip
"""By the name of the loss, then of the option, in the order of the class's signature."""


@dataclass(frozen=True)
class Option:
    """One option of a loss: a keyword of its class, a key of ``--loss-opt``."""

    name: str
    hint: Any
    """The type the class declares."""
    default: Any
    entry: Entry
    code_is: str = "public code"
    """What ``entry.code`` speaks of."""

    def values(self) -> list[str]:
        """What it may be, as ``--loss-opt`` takes it, the default first."""
        if self.entry.choices:
            others = [choice for choice in self.entry.choices if choice != self.default]
            return [self.default, *others]
        if isinstance(self.default, bool):
            return ["true", "false"] if self.default else ["false", "true"]
        kinds = [_KINDS[kind] for kind in _alternatives(self.hint) if kind is not type(None)]
        default = "none" if self.default is None else f"{self.default:g}"
        return [default, *kinds]


_KINDS = {float: "a number", int: "a whole number"}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def options_of(name: str) -> list[Option]:
    """The options of the loss called ``name`` in the order of its class's signature.

    Raises
    ------
    ValueError
        An unknown name.
    KeyError
        An option without an entry in `ENTRIES`.
    """
    made = loss_class(name)
    hints = typing.get_type_hints(made.__init__)
    entries, code_is = ENTRIES[name], "listing" if name == "sparc" else "public code"
    return [
        Option(key, hints[key], parameter.default, entries[key], code_is)
        for key, parameter in inspect.signature(made).parameters.items()
    ]
