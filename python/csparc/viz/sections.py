"""The sections of the demo's page: each a function from the result to HTML text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from csparc.viz.curves import curve, smooth
from csparc.viz.result import DemoResult
from csparc.viz.svg import line_chart
from csparc.viz.wording import (
    PARTS_OF_SPEECH,
    duration,
    figure,
    grounding_verdict,
    per_cent,
    placement_verdict,
    places_verdict,
    sentence_verdict,
)

_CURVES = (
    ("global_loss", "Global loss", "pictures against sentences, over a batch"),
    ("local_loss", "Local loss", "words against patches, within one pair"),
    ("logit_scale", "Logit scale", "learned inverse temperature, at most 100"),
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
    local = result.grounding
    tiles.append(
        (
            f"{figure(local['matched']['local_loss'])} <small>vs</small> "
            f"{figure(local['swapped']['local_loss'])}",
            "local loss: own patches vs another picture’s",
            f"telling nothing apart would be {figure(local['chance_local_loss'])}",
        )
    )
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
    charts = []
    for key, title, note in _CURVES:
        steps, values = curve(result.log, key)
        if len(values):
            drawn = line_chart(title, steps, values, smooth(values))
            charts.append(f"<figure><figcaption><b>{title}</b> {note}</figcaption>{drawn}</figure>")
    lead = (
        f"{result.steps:,} steps. Faint: each step. Bold: a running average. "
        "The horizontal axis counts steps."
    )
    body = f'<div class="charts">{"".join(charts)}</div>'
    return section("curves", "How it got there", lead, body)


def grounding_section(result: DemoResult) -> str:
    """The local loss on a pair's own patches and on another picture's, and what follows."""
    found = result.grounding
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{show(found["matched"][key])}</td>'
        f"<td>{show(found['swapped'][key])}</td><td>{reference}</td></tr>"
        for key, name, show, reference in (
            ("local_loss", "local loss", figure, f"chance {figure(found['chance_local_loss'])}"),
            (
                "token_accuracy",
                "words told apart",
                per_cent,
                f"chance {per_cent(found['chance_token_accuracy'])}",
            ),
            ("effective_patches", "patches a word spreads over", figure, f"of {found['patches']}"),
            ("zeroed", "weights set to zero", per_cent, ""),
        )
    )
    table = (
        '<table><thead><tr><td></td><th scope="col">own picture</th><th scope="col">another’s</th>'
        f'<th scope="col">reference</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    verdict = f'<p class="verdict">{escape(grounding_verdict(found))}</p>'
    if found["place_correlation"] == found["place_correlation"]:
        text = places_verdict(found["place_correlation"])
        verdict += f'<p class="verdict">{escape(text)}</p>'
    if result.placement is not None:
        verdict += _placement(result)
    lead = (
        "SPARC’s local loss asks each word to recognise the mix of patches it selected among the "
        "mixes of the sentence’s other words. A word takes part in choosing its own patches, so "
        "the loss can fall without any look at the picture. The control: the same sentences with "
        f"the patches of another picture, {found['n']:,} held-out pairs."
    )
    return section("control", "Does the local loss look at the picture?", lead, table + verdict)


def _placement(result: DemoResult) -> str:
    """Where the words' selected patches lie, against the known places of the objects."""
    rows = []
    groups = [
        (
            f"{PARTS_OF_SPEECH.get(kind, kind)} ({found['n_pointing']:,} words)",
            found,
            (result.untrained_placement or {}).get(kind),
        )
        for kind, found in result.placement.items()
    ]
    if result.sentence_placement is not None:
        found = result.sentence_placement
        groups.append(
            (
                f"whole sentences about one object ({found['n_pointing']:,})",
                found,
                result.untrained_sentence_placement,
            )
        )
    for name, found, before in groups:
        rows.append(f'<tr class="group"><th colspan="4" scope="rowgroup">{name}</th></tr>')
        for key, what, chance in (
            ("auc", "its patch outweighs another object’s", 50.0),
            ("pointing", "heaviest patch is its own", found["pointing_chance"]),
        ):
            untrained = per_cent(before[key]) if before else ""
            rows.append(
                f'<tr><th scope="row">{what}</th><td>{per_cent(found[key])}</td>'
                f"<td>{untrained}</td><td>{per_cent(chance)}</td></tr>"
            )
    sentence = ""
    if result.sentence_placement is not None:
        text = sentence_verdict(result.sentence_placement)
        sentence = f'<p class="verdict">{escape(text)}</p>'
    return (
        '<h3 class="later">Do words select the object they name?</h3><p class="lead">The generator '
        "knows where every object is, so it can be measured.</p>"
        '<table><thead><tr><td></td><th scope="col">trained</th><th scope="col">untrained</th>'
        f'<th scope="col">chance</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
        f'<p class="verdict">{escape(placement_verdict(result.placement))}</p>' + sentence
    )


def configuration_section(result: DemoResult) -> str:
    """The run's settings, and the command that repeats it."""
    groups = "".join(
        f"<div><h3>{escape(name)}</h3><dl>{_definitions(values.items())}</dl></div>"
        for name, values in result.configuration.items()
    )
    return section(
        "configuration",
        "The run",
        f"Repeat it with <code>{escape(result.command)}</code>.",
        f'<div class="configuration">{groups}</div>',
    )


def _definitions(items: Iterable[tuple[str, object]]) -> str:
    return "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in items)


def _bar(value: float) -> str:
    share = min(max(value, 0.0), 100.0)
    return (
        f'{per_cent(value)}<span class="bar" aria-hidden="true">'
        f'<i style="width:{share:.2f}%"></i></span>'
    )
