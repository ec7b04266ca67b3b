"""The page's nearest neighbours: sentences searched with pictures, pictures with sentences."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from csparc.demo.page.result import DemoResult, Hit
from csparc.demo.page.sections import section
from csparc.viz.overlay import data_uri, enlarge

_THUMBNAIL = 128


def searches_section(result: DemoResult) -> str:
    """Nearest neighbours in both directions, as pictures and sentences."""
    by_text = "".join(
        f'<article class="search"><h3>“{escape(search.caption)}”</h3><ol class="pictures">'
        f"{picture_hits(search.hits)}</ol></article>"
        for search in result.text_searches
    )
    by_image = "".join(
        f'<article class="search captions">{_image(search.image, "the picture searched with")}'
        f"<ol>{''.join(map(_caption_hit, search.hits))}</ol></article>"
        for search in result.image_searches
    )
    lead = (
        "The first held-out pictures in order, not the best ones, each searched for with the "
        "longest of its sentences. “Own” marks the pair’s own partner; "
        "where it is not among the five nearest it follows with its place. Numbers are cosines."
    )
    if any(hit.true for search in result.image_searches for hit in search.hits):
        lead += (
            " “Also true” marks answers that fit by meaning though they belong to another "
            "pair: recall counts them as wrong."
        )
    return section(
        "neighbours",
        "What it puts next to what",
        lead,
        f'{by_text}<div class="two">{by_image}</div>',
    )


def _image(image: np.ndarray, alt: str) -> str:
    return f'<img src="{data_uri(enlarge(image, _THUMBNAIL))}" alt="{escape(alt)}">'


def _mark(hit: Hit) -> str:
    if hit.own:
        return '<span class="own">✓ own</span>'
    return '<span class="true">also true</span>' if hit.true else ""


def picture_hits(hits: Sequence[Hit]) -> str:
    """The items of a list of pictures found."""
    return "".join(map(_picture_hit, hits))


def _picture_hit(hit: Hit) -> str:
    kind = ("own " * hit.own + "late" * (hit.rank > 5)).strip()
    alt = f"place {hit.rank}" + (", the sentence’s own picture" if hit.own else "")
    return (
        f'<li class="{kind}">{_image(hit.image, alt)}<p><span class="place">{hit.rank}</span> '
        f"{_mark(hit)}<em>{_cosine(hit.score)}</em></p></li>"
    )


def _caption_hit(hit: Hit) -> str:
    kind = ("own " * hit.own + "late" * (hit.rank > 5)).strip()
    return (
        f'<li class="{kind}" value="{hit.rank}"><q>{escape(hit.text)}</q> {_mark(hit)} '
        f"<em>{_cosine(hit.score)}</em></li>"
    )


def _cosine(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")
