"""The page of two settings side by side, from a `Comparison`."""

from __future__ import annotations

from html import escape

from csparc.demo.page.comparison.figures import (
    control_section,
    placement_section,
    retrieval_section,
    training_section,
)
from csparc.demo.page.comparison.pictures import alignment_section
from csparc.demo.page.comparison.result import ComparedSearch, Comparison
from csparc.demo.page.comparison.wording import conditions, heading, title
from csparc.demo.page.document import document
from csparc.demo.page.loss_text import limit_of_data, limits
from csparc.demo.page.searches import picture_hits
from csparc.demo.page.sections import curve_charts, definition_groups, section
from csparc.losses.registry import DEFAULT


def render_comparison(result: Comparison) -> str:
    """The whole page as HTML text: no script, no network, pictures inside, light and dark."""
    body = "".join(
        (
            _header(result),
            "<main>",
            alignment_section(result),
            placement_section(result),
            retrieval_section(result),
            _searches_section(result),
            control_section(result),
            training_section(result),
            _curves_section(result),
            _limits_section(result),
            _configuration_section(result),
            "</main>",
        )
    )
    return document(title(result), body, "comparison/comparison.css")


def _header(result: Comparison) -> str:
    return (
        '<header class="short"><p class="brand">csparc <span>SPARC image-text alignment in C, for '
        f"NumPy</span></p><h1>{escape(title(result))}</h1>"
        f'<p class="lead">{escape(conditions(result))}</p></header>'
    )


def _searches_section(result: Comparison) -> str:
    names = [one.setting.name for one in result.contenders]
    body = "".join(_search(search, names) for search in result.searches)
    lead = (
        "The first held-out pictures in order, each searched for with the longest of its "
        "sentences. “Own” marks the sentence’s own picture; where it is not among the five nearest "
        "it follows with its place. Numbers are cosines."
    )
    return section("neighbours", "Which pictures a sentence finds", lead, body)


def _search(search: ComparedSearch, names: list[str]) -> str:
    rows = "".join(
        f'<h4>{escape(name)}</h4><ol class="pictures">{picture_hits(hits)}</ol>'
        for name, hits in zip(names, search.hits, strict=True)
    )
    return f'<article class="search"><h3>“{escape(search.caption)}”</h3>{rows}</article>'


def _curves_section(result: Comparison) -> str:
    groups = "".join(
        f'<h3>{escape(heading(one))}</h3><div class="charts">'
        f"{curve_charts(one.setting.loss, one.log)}</div>"
        for one in result.contenders
    )
    lead = (
        "Faint: each step. Bold: a running average. The horizontal axis counts steps. The losses "
        "of the two are different quantities: compare their figures above, not these."
    )
    return section("curves", "How they got there", lead, groups)


def _limits_section(result: Comparison) -> str:
    """What a reader must not conclude from the page."""
    paper = next(one for one in result.contenders if one.setting.loss == DEFAULT)
    notes = [
        "Which part does it: the two differ in loss, in towers and in learning rate, and this page "
        "does not take them apart.",
        limit_of_data(result.generated, result.held_out),
        *limits(paper.setting.loss),
    ]
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    lead = "This page shows one short run of each. It does not show:"
    return section("limits", "What is not shown", lead, f'<ul class="limits">{items}</ul>')


def _configuration_section(result: Comparison) -> str:
    groups = "".join(
        f"<details><summary>{escape(heading(one))}</summary>"
        f"{definition_groups(one.configuration)}</details>"
        for one in result.contenders
    )
    lead = f"Repeat it with <code>{escape(result.command)}</code>."
    return section("configuration", "The runs", lead, groups)
