"""What the demo's page tells about the loss a run was trained with."""

from __future__ import annotations

from collections.abc import Mapping

from csparc.losses.registry import loss_class

_SCALE = ("logit_scale", "Logit scale", "learned inverse temperature, at most 100")
_PANELS = {
    "match": (
        "One panel a word: colour goes with its cosine with a patch, from the least to the most in "
        "this picture; the amber line runs around the best match, by which the word counts, and "
        "the line below is its cosine. "
    ),
    "weights": (
        "One panel a word: the patches it weighs most. Colour goes with the weight, the amber line "
        "runs around the fewest patches that hold a quarter of it, the dot marks the heaviest, and "
        "the line below counts how many equal weights would spread as widely. "
    ),
}
_ONE_RUN = (
    "This is one run with one seed, and figures of such short runs move by several points from "
    "seed to seed."
)


def curves_of(loss: str) -> tuple[tuple[str, str, str], ...]:
    """(key in the log, title, what it is) of each curve of a loss."""
    parts = loss_class(loss).parts
    return (*((part.name, part.label, part.about) for part in parts), _SCALE)


def has_both(loss: str) -> bool:
    """Whether a loss has a local part beside a global one."""
    return {"global_loss", "local_loss"} <= {part.name for part in loss_class(loss).parts}


def panels(loss: str, weights: Mapping, match: bool) -> str:
    """What an alignment panel shows, as text: ``weights`` as `Alignment.about` describes them,
    ``match`` where they mark best matches."""
    if loss_class(loss).local_loss_is_measured:
        return _PANELS["weights"].replace("weighs most.", "weighs most in the local loss.")
    drawn = _PANELS["match" if match else "weights"]
    if weights["of"] == "captions":
        drawn = drawn.replace("One panel a word: the patches it", "One panel: the patches it")
        drawn = drawn.replace("it weighs most", "the whole sentence weighs most")
    return " ".join([f"{weights['title']}.", *weights["notes"], drawn])


def limit_of_data(generated: bool, held_out: int) -> str:
    """What pictures like these cannot show."""
    if generated:
        return (
            "Pictures of the world. These are drawn: eight shapes in eight colours, one to three "
            "in a picture. What works here need not work on photographs."
        )
    return (
        f"More than {held_out} held-out pictures can tell: one picture found or missed moves a "
        f"figure by {100 / held_out:.2g} points."
    )


def limits(loss: str) -> tuple[str, ...]:
    """What no short run with this loss can show."""
    scale, helps = loss_class(loss).limits()
    return (
        scale,
        f"{helps} {_ONE_RUN}",
        "Zero-shot classification, segmentation, detection, captioning: not measured here.",
    )
