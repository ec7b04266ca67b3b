"""The picture of a profile: one HTML file that loads nothing, light or dark, narrow or wide."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.resources import files

from csparc import _html
from csparc.profile.report import PARTS, Report, Row, duration_of

MOST_ROWS = 40
_COLOURS = dict(zip(PARTS, ("encoders", "loss", "optimiser", "waiting", "between")))
"""Part -> the class that colours it."""


def page(found: Report) -> str:
    """The whole page."""
    style = files("csparc.profile").joinpath("page.css").read_text(encoding="utf-8")
    title = f"A step takes {duration_of(found.seconds)}"
    body = [
        f"<header><h1>{escape(title)}</h1><p>Mean of {found.steps} training steps, "
        f"threads {found.peaks.threads}. Where the time goes, and how far each part is from what "
        "this machine can do.</p></header><main>",
        _tiles(found),
        _parts(found),
        _bars("Ops of a step", found.rows, found.rows[0].share if found.rows else 1.0),
    ]
    if found.beside:
        body.append(
            _bars(
                "Beside the step, in the threads that load data", found.beside,
                max(row.share for row in found.beside),
            )
        )  # fmt: skip
    body.append(_notes(found))
    return _html.document(title, f"{''.join(body)}</main>", style)


def _tiles(found: Report) -> str:
    ops = sum(row.calls for row in found.rows)
    tiles = (
        (f"{found.peak_fraction:.0%}", "of the peak of products",
         f"products of the whole step; peak {found.peaks.flop / 1e9:.0f} GFLOP/s"),
        (f"{found.waiting:.1%}", "waiting for data", "nothing is computed meanwhile"),
        (f"{found.parts['between ops']:.1%}", "between ops", "Python and NumPy"),
        (f"{ops:.0f}", "calls of the core a step",
         f"memory gives {found.peaks.bandwidth / 1e9:.1f} GB/s"),
    )  # fmt: skip
    items = "".join(
        f"<li><b>{number}</b><span>{escape(name)}</span><em>{escape(note)}</em></li>"
        for number, name, note in tiles
    )
    return f'<ul class="tiles">{items}</ul>'


def _parts(found: Report) -> str:
    """One bar for the whole step, and its legend."""
    pieces = "".join(
        f'<i class="{_COLOURS[name]}" style="width:{100 * share:.3f}%" '
        f'title="{name} {share:.1%}"></i>'
        for name, share in found.parts.items()
    )
    legend = "".join(
        f'<li><i class="{_COLOURS[name]}"></i>{escape(name)} <b>{share:.1%}</b></li>'
        for name, share in found.parts.items()
    )
    return (
        f'<section><h2>A step</h2><div class="whole" role="img" aria-label="shares of a step">'
        f'{pieces}</div><ul class="legend">{legend}</ul></section>'
    )


def _bars(title: str, rows: list[Row], longest: float) -> str:
    """A bar a row: its length the share of a step, its full colour the fraction of the peak."""
    shown, rest = rows[:MOST_ROWS], rows[MOST_ROWS:]
    items = "".join(_bar(row, longest) for row in shown)
    more = ""
    if rest:
        share = sum(row.share for row in rest)
        more = f"<p>and {len(rest)} more, {share:.1%} of a step</p>"
    return (
        f'<section><h2>{escape(title)}</h2><ol class="bars">{items}</ol>{more}</section>'
        if items else ""
    )  # fmt: skip


def _bar(row: Row, longest: float) -> str:
    reached = min(1.0, row.peak_fraction or 0.0)
    colour = _COLOURS.get(row.part, "waiting")
    told = "" if row.peak_fraction is None else f"{row.peak_fraction:.0%} of {_of(row)}"
    return (
        f'<li><div class="name"><b>{escape(row.op)}</b> <span>{escape(row.shape)}</span></div>'
        f'<div class="track"><i class="{colour} faint" style="width:'
        f'{100 * row.share / longest:.2f}%"><i class="{colour}" style="width:{100 * reached:.1f}%">'
        f'</i></i></div><div class="numbers"><b>{row.share:.1%}</b> {duration_of(row.seconds)} '
        f"<span>{row.calls:.4g} calls</span> <span>{escape(told)}</span></div></li>"
    )


def _of(row: Row) -> str:
    return {"products": "FMA peak", "bf16": "bfloat16 peak", "memory": "memory"}[row.bound]


def _notes(found: Report) -> str:
    notes: Iterable[str] = (
        "A bar is as long as the op's share of a step; the part of it in full colour is the "
        "fraction of the peak it reaches: of nothing but multiply-adds for ops with matrix "
        "products, of the memory's bandwidth for the others.",
        "Bytes are what a call must read and write; where they come from a cache, more than the "
        "memory gives is possible.",
        "FLOP are those the result needs. Of losses the core counts the products it makes, whose "
        "rows it may fill up.",
        "Shapes of an op that take less than 1 % of a step each are one bar, with the range of "
        "each size.",
    )
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section><h2>How to read it</h2><ul class="notes">{items}</ul></section>'
