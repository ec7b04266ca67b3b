"""The demo's page: one HTML file that loads nothing, from a `DemoResult`."""

from __future__ import annotations

from html import escape
from os import PathLike
from pathlib import Path

from csparc.demo.page.comparison.page import render_comparison
from csparc.demo.page.comparison.result import Comparison
from csparc.demo.page.document import document, write_whole
from csparc.demo.page.grounding import grounding_section
from csparc.demo.page.loss_text import limits, panels
from csparc.demo.page.result import Alignment, DemoResult
from csparc.demo.page.searches import searches_section
from csparc.demo.page.sections import (
    configuration_section,
    curves_section,
    headline,
    retrieval_section,
    section,
)
from csparc.evaluate.explain import WHOLE
from csparc.losses.registry import loss_class
from csparc.viz.overlay import data_uri, enlarge, light_patches, place_of_heaviest
from csparc.viz.wording import (
    SAME_PLACES,
    below_panel,
    placement_verdict,
    points,
    words_alike_verdict,
)

_PANEL = 144


def render(result: DemoResult) -> str:
    """The whole page as HTML text: no script, no network, pictures inside, light and dark."""
    body = "".join(
        (
            headline(result),
            "<main>",
            retrieval_section(result),
            alignment_section(result),
            searches_section(result),
            grounding_section(result),
            curves_section(result),
            limits_section(result),
            configuration_section(result),
            "</main>",
        )
    )
    return document(result.title, body)


def write_page(result: DemoResult | Comparison, path: str | PathLike) -> Path:
    """Write the page to ``path``, whole or not at all, and return its absolute path."""
    text = render_comparison(result) if isinstance(result, Comparison) else render(result)
    return write_whole(text, path)


def alignment_section(result: DemoResult) -> str:
    """For each caption, one panel a word: the patches it selected, lit on the dimmed picture."""
    weights = result.grounding["weights"]
    match = any(item.chosen_by is not None for item in result.alignments)
    lead = escape(panels(result.loss, weights, match)) + (
        "“Sentence” compares the whole sentence with each patch, as finding pictures does, and "
        "outlines the nearest. The first held-out pictures in order, each with the longest of its "
        "sentences. "
    )
    control = 'see <a href="#control">the control</a>.'
    one = "sentence" if weights["of"] == "captions" else "word"
    fixed = result.grounding["place_correlation"] > SAME_PLACES
    if fixed:
        lead += (
            f"<strong>In this run a {one} selects much the same places whatever the picture shows: "
            f"compare a {one} from row to row, and {control}</strong>"
        )
    measured = loss_class(result.loss).local_loss_is_measured
    alike = not measured and (result.words_alike or 0) > SAME_PLACES
    if points(result.placement):
        lead += f" <strong>{escape(placement_verdict(result.placement))}</strong>"
    if alike:
        lead += f" <strong>{escape(words_alike_verdict(result.words_alike))}</strong>"
    if not (fixed or alike or points(result.placement)):
        lead += f"A selection is not yet a found object: {control}"
    body = "".join(alignment_article(item) for item in result.alignments)
    return section("alignment", f"Which patches each {one} selected", lead, body)


def limits_section(result: DemoResult) -> str:
    """What a reader must not conclude from the page."""
    items = "".join(f"<li>{escape(note)}</li>" for note in (*result.notes, *limits(result.loss)))
    lead = "This page shows one short run. It does not show:"
    return section("limits", "What is not shown", lead, f'<ul class="limits">{items}</ul>')


def alignment_article(item: Alignment) -> str:
    """A caption, its picture, and a panel for what each of its words selected."""
    whole = enlarge(item.image, _PANEL)
    panels = [
        f'<figure class="whole"><figcaption>picture</figcaption><img src="{data_uri(whole)}" '
        'alt="the whole picture"></figure>'
    ]
    if item.sentence is not None:
        alt = f"whole sentence: nearest patch in {place_of_heaviest(item.sentence, item.grid)}"
        nearest = item.sentence == item.sentence.max()
        lit = light_patches(item.image, nearest, item.grid, _PANEL, chosen_by=item.sentence)
        panels.append(
            '<figure class="whole"><figcaption>sentence</figcaption>'
            f'<img src="{data_uri(lit)}" alt="{escape(alt)}"></figure>'
        )
    values = [None] * len(item.words) if item.chosen_by is None else item.chosen_by
    for word, weights, value in zip(item.words, item.weights, values, strict=True):
        lit = light_patches(item.image, weights, item.grid, _PANEL, value)
        best = "heaviest patch" if value is None else "best match"
        alt = f"{word}: {best} in {place_of_heaviest(weights, item.grid)}"
        panels.append(
            f"<figure><figcaption>{'weights' if word == WHOLE else escape(word)}</figcaption>"
            f'<img src="{data_uri(lit)}" alt="{escape(alt)}">'
            f"<em>{below_panel(weights, value)}</em></figure>"
        )
    return (
        f'<article class="alignment"><h3>“{escape(item.caption)}”</h3>'
        f'<div class="panels">{"".join(panels)}</div></article>'
    )
