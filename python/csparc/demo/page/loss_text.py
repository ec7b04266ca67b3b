"""What the demo's page says of the loss a run was trained with."""

from __future__ import annotations

from collections.abc import Mapping

from csparc.losses.explains import NAMES

_SCALE = ("logit_scale", "Logit scale", "learned inverse temperature, at most 100")
_WHOLES = ("global_loss", "Global loss", "pictures against sentences, over a batch")
_DECISIONS = ("global_loss", "Loss", "each picture and sentence a yes or a no")
_MATCHES = ("local_loss", "Local loss", "best matches of words and patches, over a batch")
CURVES = {
    "sparc": (_WHOLES, ("local_loss", "Local loss", "words against patches, within one pair")),
    "clip": (_WHOLES,),
    "siglip": (_DECISIONS,),
    "pacl": (("local_loss", "Loss", "sentences and the patches they weigh, over a batch"),),
    "filip": (_MATCHES,),
    "clip+filip": (_WHOLES, _MATCHES),
    "gloria": (
        _WHOLES,
        ("local_loss", "Local loss", "words and the patches they attend to, over a batch"),
    ),
    "mgca": (
        _WHOLES,
        ("local_loss", "Token loss", "words and patches and what they attend to, within one pair"),
        ("prototype_loss", "Prototype loss", "pictures and sentences by shared prototypes"),
    ),
}
"""By the name of a loss: its parts in the log, their names and what each contrasts."""
_PANELS = {
    "match": (
        "One panel a word: colour goes with its cosine with a patch, from the least to the most in "
        "this picture; the amber line runs around the best match, by which the word counts, and "
        "the line below is its cosine. "
    ),
    "weights": (
        "One panel a word: the patches it weighs most. Colour goes with the weight, the amber line "
        "runs around the fewest patches that hold a quarter of it, and the line below counts how "
        "many equal weights would spread as widely. "
    ),
}
_ONE_RUN = (
    "This is one run with one seed, and figures of such short runs move by several points from "
    "seed to seed."
)


def curves_of(loss: str) -> tuple[tuple[str, str, str], ...]:
    """(key in the log, title, what it is) of each curve of a loss."""
    return (*CURVES[loss], _SCALE)


def has_both(loss: str) -> bool:
    """Whether a loss has a local part beside a global one."""
    return {"global_loss", "local_loss"} <= {key for key, *_ in CURVES[loss]}


def panels(loss: str, weights: Mapping, match: bool) -> str:
    """What an alignment panel shows, as text: ``weights`` as `Alignment.about` describes them,
    ``match`` where they mark best matches."""
    if loss == "sparc":
        return _PANELS["weights"].replace("weighs most.", "weighs most in the local loss.")
    drawn = _PANELS["match" if match else "weights"]
    if weights["of"] == "captions":
        drawn = drawn.replace("One panel a word: the patches it", "One panel: the patches it")
        drawn = drawn.replace("it weighs most", "the whole sentence weighs most")
    return " ".join([f"{weights['title']}.", *weights["notes"], drawn])


def limits(loss: str) -> tuple[str, ...]:
    """What no short run with this loss can show."""
    if loss == "sparc":
        scale = (
            "Anything at the paper’s scale. The paper trains on billions of pairs; none of its "
            "figures can be checked by this run, and this page claims none of them."
        )
        helps = (
            "That the fine-grained loss helps. That needs the same run without it, and one with it "
            "on shuffled patches, over several seeds. "
        )
    else:
        scale = (
            f"Anything at the scale papers train at. No published figure of {NAMES[loss]} can be "
            "checked by this run, and this page claims none of them."
        )
        helps = (
            "That this loss is better or worse than another. That needs the same run with both, "
            "over several seeds. "
        )
    return (
        scale,
        helps + _ONE_RUN,
        "Zero-shot classification, segmentation, detection, captioning: not measured here.",
    )
