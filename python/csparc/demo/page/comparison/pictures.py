"""The comparison's alignment pictures: a column a word, SPARC above and the grounded one below."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from csparc.demo.page.comparison.result import Comparison
from csparc.demo.page.comparison.wording import seen
from csparc.demo.page.sections import section
from csparc.viz.compared import LINES, MARKS, ComparedPicture, ComparedWord
from csparc.viz.overlay import data_uri, enlarge, glow_patches, place_of_heaviest

_PANEL = 104
_WHOLE = 208
_SPOKEN = {True: ", on its object", False: ", not on its object", None: ""}


def alignment_section(result: Comparison) -> str:
    """For each caption a column a word, of two panels: what it selects by one model and the
    other."""
    names = [one.setting.name for one in result.contenders]
    about = escape(f"{result.rule} {result.word_rule}")
    blocks = "".join(_block(picture, names) for picture in result.pictures)
    known = any(word.inside is not None for one in result.pictures for word in one.words)
    return section(
        "alignment",
        "Which patches each word selects",
        f"<strong>{escape(seen(result))}</strong>",
        _legend(names, known)
        + f'<div class="pairs">{blocks}</div>'
        + f'<p class="lead rule">{about}</p>',
    )


def _legend(names: Sequence[str], known: bool) -> str:
    above, below = (escape(name) for name in names)
    items = [
        f"above <b>{above}</b>, the paper’s; below <b>{below}</b>, ours",
        '<i class="scale"></i> weight of a patch, from none to the heaviest’s, by its square root',
    ]
    if known:
        items += [
            '<i class="box found"></i> ✓ the heaviest patch: on the word’s object',
            '<i class="box missed"></i> ✗ not on it',
        ]
    else:
        items.append('<i class="box"></i> the heaviest patch')
    return f'<ul class="legend">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _block(item: ComparedPicture, names: Sequence[str]) -> str:
    first, later = item.shown_first(), item.shown_later()
    whole = data_uri(enlarge(item.image, _WHOLE))
    more = ""
    if later:
        more = (
            "<details><summary>the other words of this sentence</summary>"
            f'<div class="columns">{_columns(item, later, names)}</div></details>'
        )
    return (
        f'<article class="compared"><h3>“{escape(item.caption)}” {_tally(first, names)}</h3>'
        '<div class="compared-row">'
        f'<img class="whole" src="{whole}" alt="the whole picture">'
        f'<div class="columns">{_columns(item, first, names)}</div></div>{more}</article>'
    )


def _tally(words: Sequence[ComparedWord], names: Sequence[str]) -> str:
    """How many of the words shown have their heaviest patch on their object."""
    known = [word for word in words if word.inside is not None]
    if not known:
        return ""
    counts = ", ".join(
        f"{escape(name)} {sum(bool(word.found(k)) for word in known)}"
        for k, name in enumerate(names)
    )
    return f"<em>of {len(known)} words on their object: {counts}</em>"


def _columns(item: ComparedPicture, words: Sequence[ComparedWord], names: Sequence[str]) -> str:
    return "".join(_column(item, word, names) for word in words)


def _column(item: ComparedPicture, word: ComparedWord, names: Sequence[str]) -> str:
    panels = []
    for place, name in enumerate(names):
        found, level = word.found(place), np.asarray(word.levels[place])
        lit = glow_patches(item.image, level, item.grid, _PANEL, LINES[found])
        where = place_of_heaviest(level, item.grid)
        alt = f"{word.text}, {name}: heaviest patch in {where}{_SPOKEN[found]}"
        kind = {True: " found", False: " missed", None: ""}[found]
        panels.append(
            f'<img src="{data_uri(lit)}" alt="{escape(alt)}">'
            f'<em class="by{kind}" aria-hidden="true">{escape(name)}{MARKS[found]}</em>'
        )
    return f"<figure><figcaption>{escape(word.text)}</figcaption>{''.join(panels)}</figure>"
