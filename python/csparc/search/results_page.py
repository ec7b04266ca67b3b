"""What was found as one HTML file that loads nothing: pictures, scores, names."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from csparc import _html
from csparc.data.report import BadItem
from csparc.search.hits import Hit
from csparc.search.index import Index
from csparc.search.thumbnails import data_address, whole_thumbnail


def results_page(index: Index, hits: Sequence[Hit], query: str) -> str:
    """The page of ``hits`` in ``index``; ``query`` says what was searched with."""
    sheet = files("csparc.search").joinpath("results_page.css").read_text(encoding="utf-8")
    cards = "".join(_card(index, rank, hit) for rank, hit in enumerate(hits, 1))
    body = (
        f"<header><h1>{escape(query)}</h1><p>The {len(hits)} nearest of {len(index):,} pictures, "
        "the nearest first. Numbers are cosines; compare them within this page only.</p></header>"
        f'<main><ol class="results">{cards}</ol></main>'
    )
    return _html.document(query, body, sheet)


def _card(index: Index, rank: int, hit: Hit) -> str:
    try:
        address = data_address(whole_thumbnail(index.load(hit.index)))
        picture = f'<img src="{address}" alt="{escape(hit.name)}">'
    except BadItem as bad:
        picture = f'<p class="missing">{escape(bad.reason)}</p>'
    caption = f"<q>{escape(hit.captions[0])}</q>" if hit.captions else ""
    return (
        f"<li><figure>{picture}<figcaption><span><b>{rank}</b> <em>{cosine(hit.score)}</em></span>"
        f"<span>{escape(hit.name)}</span>{caption}</figcaption></figure></li>"
    )


def cosine(score: float) -> str:
    """A score as it is shown."""
    return f"{score:.3f}".replace("-", "\N{MINUS SIGN}")
