"""A finished comparison of two settings, as its page shows it."""

from __future__ import annotations

import dataclasses

import numpy as np
from page_figures import GROUNDING
from test_page import NASTY, RETRIEVAL, SEMANTIC, picture

from csparc.demo.page.comparison.result import ComparedSearch, Comparison, Contender
from csparc.demo.page.result import Hit
from csparc.demo.settings import BOTH
from csparc.demo.shown import RULES, WORD_RULES
from csparc.viz.compared import ComparedPicture, ComparedWord

CHANCES = {"auc_chance": 50.0, "pointing_chance": 6.2, "n_pointing": 90}
AREAS = ("auc", "auc_named", "auc_all", "pointing")
CEILING = {group: dict(zip(AREAS, (88.5, 88.6, 98.7, 86.9))) for group in ("NOUN", "COLOUR")} | {
    "source": "measured once"
}


def placed(*values):
    """The same figures for nouns and for colours."""
    return {group: dict(zip(AREAS, values)) | CHANCES for group in ("NOUN", "ADJ", "COLOUR")}


def contender(setting, values, control, **changes):
    """One side, whose words score ``values`` on their own picture and ``control`` on another."""
    found = GROUNDING | {
        "placement": placed(*values),
        "placement_swapped": placed(*control),
        "variance": {"position": 56.0, "picture": 1.5},
        "ceiling": CEILING,
    }
    base = Contender(
        setting=setting,
        steps=120,
        batch_size=64,
        seconds=61.0,
        processor_seconds=120.0,
        parameters=290_000,
        log=[
            {"step": i, "global_loss": 4 / i, "local_loss": 1 / i, "logit_scale": 14 + i}
            for i in range(1, 61)
        ],
        retrieval=RETRIEVAL,
        grounding=found,
        configuration={"Model": {"preset": NASTY}},
        semantic=SEMANTIC,
    )
    return dataclasses.replace(base, **changes)


def unknown(one):
    """The same side on pictures nobody knows the objects of."""
    left_out = ("placement", "placement_swapped", "ceiling")
    found = {key: value for key, value in one.grounding.items() if key not in left_out}
    return dataclasses.replace(one, grounding=found, semantic=None)


def levels(heaviest):
    """Weights of 16 patches, most of them at ``heaviest``."""
    level = np.full(16, 0.1)
    level[heaviest] = 1.0
    return level


def compared_picture(caption=NASTY):
    """Of SPARC's two words of content none, of the other's one lies on the object."""
    inside = np.arange(16) == 5
    words = [
        ComparedWord(NASTY, [levels(0), levels(5)], True, inside),
        ComparedWord("dog", [levels(15), levels(0)], True, inside),
        ComparedWord("the", [levels(1), levels(1)], False),
    ]
    return ComparedPicture(picture(3), caption, words, (4, 4))


def comparison(**changes):
    hits = [Hit(1, 0.9, False, image=picture()), Hit(23, 0.1, True, image=picture(1))]
    base = Comparison(
        data="procedurally generated scenes",
        generated=True,
        held_out=500,
        contenders=[
            contender(BOTH[0], (50.1, 50.2, 41.3, 19.4), (49.1, 49.2, 40.3, 7.4)),
            contender(BOTH[1], (81.1, 80.2, 96.3, 78.4), (50.6, 50.7, 43.3, 6.4)),
        ],
        pictures=[compared_picture()],
        searches=[ComparedSearch(NASTY, [hits, hits])],
        rule=RULES[True],
        word_rule=WORD_RULES[True],
        threads=2,
        command="csparc demo --steps 120 120 --seed 0",
    )
    return dataclasses.replace(base, **changes)
