"""Figures as people write them, and the sentences the control's figures do and do not support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from csparc.evaluate.grounding import effective_patches

SAME_PLACES = 0.5
"""Correlation of a word's weights in two pictures above which it is said to select places."""


def per_cent(value: float) -> str:
    """34.2 %, 0.05 %: one decimal, or two significant digits below one."""
    number = f"{value:.1f}" if value >= 0.995 or value == 0 else f"{value:.2g}"
    return number + "\N{NO-BREAK SPACE}%"


def figure(value: float) -> str:
    """Three significant digits, two below one, without an exponent in the usual range."""
    if value == 0 or abs(value) >= 0.9995:
        return f"{value:.3g}"
    return f"{value:.2g}" if abs(value) >= 0.0005 else f"{value:.0e}"


FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in"),
        *("into", "is", "it", "its", "of", "off", "on", "onto", "or", "over", "that", "the"),
        *("their", "there", "these", "this", "those", "to", "under", "was", "were", "with"),
    )
)
"""English words that name nothing seen: drawn after the others where that is asked for."""


def in_order(words: Sequence[str], content_first: bool) -> list[int]:
    """The numbers of words as they are drawn: in their order, or those that name something first.

    Of csparc's own making, and of English: elsewhere all words but marks count as content.
    """

    def last(number: int) -> bool:
        word = words[number].strip().casefold()
        return word in FUNCTION_WORDS or not any(letter.isalnum() for letter in word)

    return sorted(range(len(words)), key=last) if content_first else list(range(len(words)))


def spread(weights: np.ndarray) -> str:
    """Over how many patches one word's weights [P] spread: ``over 9 of 64``."""
    if not np.any(weights > 0):
        return "no patch"
    return f"over {effective_patches(weights[None])[0]:.0f} of {len(weights)}"


def below_panel(weights: np.ndarray, values: np.ndarray | None) -> str:
    """What stands under a word's panel: over how many patches its weights [P] spread, or where
    they mark a best match by ``values`` [P], the value of that."""
    if values is None or not np.any(weights > 0):
        return spread(weights)
    return f"{np.max(np.asarray(values)[weights > 0]):.2f}"


def grounding_verdict(found: Mapping) -> str:
    """State what the local loss on own and swapped patches shows, by its gap and standard error."""
    gap, error = found["gap"], found["gap_standard_error"]
    difference = f"{figure(gap)} ± {figure(2 * error)}"
    swapped = found["swapped"]["token_accuracy"]
    chance = found["chance_token_accuracy"]
    if not gap > 2 * error:
        return (
            f"The local loss is not lower on a pair’s own picture (difference {difference}, twice "
            "the standard error): it was solved without looking at which picture it was given. "
            "The alignment pictures then show the direction each word settled on in the space of "
            "patches. They do not show that a word found its object."
        )
    sentence = (
        f"The local loss is lower on the own picture by {difference} (twice the standard error), "
        "so it depends on the picture to that extent."
    )
    if swapped > 2 * chance:
        sentence += (
            f" But with another picture’s patches {per_cent(swapped)} of the words are still told "
            f"apart (chance {per_cent(chance)}): much of the loss is solved without the picture, "
            "and a low local loss by itself is no sign that words found their objects."
        )
    return sentence


PARTS_OF_SPEECH = {
    "NOUN": "nouns", "ADJ": "adjectives", "COLOUR": "colours", "CAPTION": "sentences"
}  # fmt: skip
AREAS = (
    ("auc", "a patch of its object above one of another object"),
    ("auc_named", "above one of an object that its sentence names, too"),
    ("auc_all", "above any other patch of the picture"),
    ("pointing", "its heaviest patch lies on its object"),
)
"""Figures of `csparc.evaluate.placement.place_scores`, and what each is."""
POINTING = 55.0
"""Area under the ROC curve, in per cent, from which words are said to point at their objects."""


def places_verdict(correlation: float, one: str = "word") -> str:
    """State whether a word (``one``) selects the same places in two pictures.

    Above `SAME_PLACES` it does.
    """
    figures = (
        f"Between the own and the other picture a {one}’s weights correlate at {correlation:.2f} "
        "over the places of the grid"
    )
    if correlation > SAME_PLACES:
        return figures + f": a {one} selects its own places more than what they show."
    return figures + "."


def words_alike_verdict(correlation: float) -> str:
    """State whether two words of one sentence select the same patches: above `SAME_PLACES` so."""
    figures = f"Two words of one sentence correlate at {correlation:.2f} over the patches"
    if correlation > SAME_PLACES:
        return figures + ": they select much the same patches."
    return figures + "."


def sentence_verdict(found: Mapping, apart: bool = True) -> str:
    """State whether whole sentences lie on their object; within five points nothing is claimed.

    ``apart``: the loss has a local part beside a global one.
    """
    if not found["auc"] >= POINTING:
        return (
            "Whole sentences, compared with single patches on the global path, do not lie on the "
            "object they speak of: they tell its patches no better than a coin, within five points."
        )
    return (
        "Whole sentences, compared with single patches on the global path: a sentence about one "
        f"object puts that object’s patches above another object’s in {per_cent(found['auc'])} of "
        "comparisons. That comes with finding pictures by sentences"
        + ("; the local loss plays no direct part in it." if apart else ".")
    )


def chance_of(found: Mapping, key: str) -> float:
    """What one of the `AREAS` would be by chance."""
    return found["pointing_chance" if key == "pointing" else "auc_chance"]


def told(found: Mapping | None, key: str) -> float | None:
    """A figure; None where it was not measured, or over nothing."""
    value = (found or {}).get(key)
    return None if value is None or value != value else value


def points(found: Mapping | None) -> bool:
    """Whether `placement_verdict` claims that some words point at their objects."""
    return any(figures["auc"] >= POINTING for figures in (found or {}).values())


def placement_verdict(found: Mapping) -> str:
    """State whether words select their own object's patches, by the part of speech that does best.

    Within five points of chance no placement is claimed, whatever the number of words.
    """
    kind, best = max(found.items(), key=lambda item: item[1]["auc"])
    name = PARTS_OF_SPEECH.get(kind, kind)
    if not best["auc"] >= POINTING:
        subject = "Sentences, by these weights," if kind == "CAPTION" else "Words"
        return (
            f"{subject} do not pick out the object they name: they tell its patches from another "
            "object’s no better than a coin, within five points."
        )
    return (
        f"In {per_cent(best['auc'])} of comparisons the {name} weigh a patch of the object they "
        "name above a patch of another object; a coin would give half."
    )
