"""The sections of the demo's page: each a function from the result to HTML text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from csparc._text import duration
from csparc.demo.page.loss_text import curves_of
from csparc.demo.page.result import DemoResult
from csparc.demo.page.svg import line_chart
from csparc.losses.registry import loss_class
from csparc.viz.curves import curve, smooth
from csparc.viz.wording import (
    PARTS_OF_SPEECH,
    figure,
    per_cent,
)


def section(name: str, title: str, lead: str, body: str) -> str:
    """A titled section with a sentence or two of lead (HTML) before its body (HTML)."""
    return (
        f'<section id="{name}"><h2>{escape(title)}</h2><p class="lead">{lead}</p>{body}</section>'
    )


def headline(result: DemoResult) -> str:
    """The title, the conditions every claim stands under, and four figures."""
    trained, before = result.retrieval, result.untrained_retrieval
    tiles = []
    for key, name in (
        ("text_to_image_R@1", "sentence finds its picture first"),
        ("image_to_text_R@1", "picture finds a sentence of its own first"),
    ):
        tiles.append(
            (
                per_cent(trained[key]),
                name,
                f"chance {per_cent(trained['chance'][key])}, untrained {per_cent(before[key])}",
            )
        )
    tiles += _alignment_tile(result)
    tiles.append(
        (
            duration(result.seconds),
            "training time",
            f"{result.pairs:,} pairs, {result.pairs / max(result.seconds, 1e-9):,.0f} a second "
            f"on {result.threads} thread{'s' * (result.threads != 1)}",
        )
    )
    cards = "".join(
        f"<li><b>{value}</b><span>{escape(name)}</span><em>{escape(note)}</em></li>"
        for value, name, note in tiles
    )
    return (
        f'<header><p class="brand">csparc <span>SPARC image-text alignment in C, for NumPy</span>'
        f'</p><h1>{escape(result.title)}</h1><p class="lead">{escape(result.conditions)}</p>'
        f'<ul class="tiles">{cards}</ul></header>'
    )


def _alignment_tile(result: DemoResult) -> list[tuple[str, str, str]]:
    """The control, of a loss whose local part it measures; of another whether words point at their
    objects, where that is known.

    (figure, name, note), or nothing.
    """
    local = result.grounding
    if loss_class(result.loss).local_loss_is_measured:
        return [
            (
                f"{figure(local['matched']['local_loss'])} <small>vs</small> "
                f"{figure(local['swapped']['local_loss'])}",
                "local loss: own patches vs another picture’s",
                f"telling nothing apart would be {figure(local['chance_local_loss'])}",
            )
        ]
    if not result.placement:
        return []

    def areas(found: Mapping) -> list[str]:
        return [per_cent(found[kind]["auc"]) for kind in shown if kind in found]

    # Colours are adjectives, too: the others, sizes and textures, are in the table alone.
    shown = [kind for kind in result.placement if kind != "ADJ" or "COLOUR" not in result.placement]
    now = [result.placement[kind]["auc"] for kind in shown]
    names = " and ".join(PARTS_OF_SPEECH.get(kind, kind) for kind in shown)
    before = " and ".join(areas(result.untrained_placement or {}))
    return [
        (
            " <small>and</small> ".join(map("{:.0f}".format, now)) + "\N{NO-BREAK SPACE}%",
            f"{names}: a patch of their object above another object’s",
            f"chance {per_cent(50.0)}" + (f", untrained {before}" if before else ""),
        )
    ]


def retrieval_section(result: DemoResult) -> str:
    """Every retrieval figure beside the untrained model and chance, as a table with bars."""
    trained, before, chance = (
        result.retrieval,
        result.untrained_retrieval,
        result.retrieval["chance"],
    )
    rows = []
    for direction, name in (
        ("text_to_image", "Sentence → picture"),
        ("image_to_text", "Picture → sentence"),
    ):
        rows.append(f'<tr class="group"><th colspan="4" scope="rowgroup">{name}</th></tr>')
        for k in (1, 5, 10):
            key = f"{direction}_R@{k}"
            rows.append(
                f'<tr><th scope="row">among the first {k}</th>'
                if k > 1
                else '<tr><th scope="row">first</th>'
            )
            rows.append(
                f'<td class="now">{_bar(trained[key])}</td><td class="before">{_bar(before[key])}'
                f'</td><td class="chance">{_bar(chance[key])}</td></tr>'
            )
        key = f"{direction}_median_rank"
        rows.append(
            f'<tr><th scope="row">median place</th><td>{trained[key]:g}</td>'
            f"<td>{before[key]:g}</td><td>{chance[key]:g}</td></tr>"
        )
        if result.semantic is not None:
            rows.append(
                f'<tr><th scope="row">first is right by meaning</th>'
                f'<td class="now">{_bar(result.semantic[direction])}</td>'
                f'<td class="before">{_bar(result.untrained_semantic[direction])}</td>'
                f'<td class="chance">{_bar(result.semantic["chance"])}</td></tr>'
            )
    ties = max(trained["image_to_text_tie_share"], trained["text_to_image_tie_share"])
    lead = (
        f"{trained['n_images']:,} held-out pictures and their {trained['n_texts']:,} sentences. "
        "Recall in per cent: how often a right answer is among the first places. "
        + (
            "No right answer tied with a wrong one."
            if ties == 0
            else f"Up to {per_cent(ties)} of the right answers tied with a wrong one (one sentence "
            "may be written for several pictures); of equals the first in order goes first."
        )
    )
    if result.semantic is not None:
        lead += (
            " Many sentences are true of several pictures; “right by meaning” counts every "
            "true one."
        )
    table = (
        '<table class="retrieval"><thead><tr><td></td><th scope="col">trained</th>'
        '<th scope="col">untrained</th><th scope="col">chance</th></tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table>"
    )
    return section("retrieval", "Does it find the right one?", lead, table)


def curves_section(result: DemoResult) -> str:
    """The losses and the scale, step by step."""
    lead = (
        f"{result.steps:,} steps. Faint: each step. Bold: a running average. "
        "The horizontal axis counts steps."
    )
    body = f'<div class="charts">{curve_charts(result.loss, result.log)}</div>'
    return section("curves", "How it got there", lead, body)


def curve_charts(loss: str, log: Sequence[Mapping]) -> str:
    """A chart of each curve of a loss that the log has."""
    charts = []
    for key, title, note in curves_of(loss):
        steps, values = curve(log, key)
        if len(values):
            drawn = line_chart(title, steps, values, smooth(values))
            charts.append(f"<figure><figcaption><b>{title}</b> {note}</figcaption>{drawn}</figure>")
    return "".join(charts)


def configuration_section(result: DemoResult) -> str:
    """The run's settings, and the command that repeats it."""
    return section(
        "configuration",
        "The run",
        f"Repeat it with <code>{escape(result.command)}</code>.",
        definition_groups(result.configuration),
    )


def definition_groups(configuration: Mapping[str, Mapping[str, object]]) -> str:
    """Names and values under their headings."""
    groups = "".join(
        f"<div><h3>{escape(name)}</h3><dl>{_definitions(values.items())}</dl></div>"
        for name, values in configuration.items()
    )
    return f'<div class="configuration">{groups}</div>'


def _definitions(items: Iterable[tuple[str, object]]) -> str:
    return "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in items)


def _bar(value: float) -> str:
    share = min(max(value, 0.0), 100.0)
    return (
        f'{per_cent(value)}<span class="bar" aria-hidden="true">'
        f'<i style="width:{share:.2f}%"></i></span>'
    )
