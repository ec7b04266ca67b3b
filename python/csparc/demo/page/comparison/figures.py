"""The comparison's tables: where words point, what is found, what each was trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from csparc._text import duration
from csparc.demo.page.comparison.result import Comparison, Contender
from csparc.demo.page.comparison.wording import GROUPS, measured
from csparc.demo.page.sections import section
from csparc.viz.wording import AREAS, chance_of, figure, per_cent, told


def placement_section(result: Comparison) -> str:
    """Where nouns and colours point, beside the control, chance and the supervised ceiling."""
    if not measured(result):
        return ""
    ceilings = result.contenders[0].grounding.get("ceiling") or {}
    rows = []
    for group, name in GROUPS.items():
        found = result.contenders[0].grounding["placement"].get(group)
        if found is None:
            continue
        rows.append(_group(f"{name.capitalize()} ({found['n_pointing']:,})", 5))
        for key, what in AREAS:
            chance = chance_of(found, key)
            ceiling = told(ceilings.get(group), key)
            cells = [_placed(one, group, key, chance, ceiling) for one in result.contenders]
            rows.append(_row(what, [*cells, _number(chance), _number(ceiling)]))
    lead = (
        "How often, in per cent. The generator knows where every object is. The small figure is "
        "the control: the same words on another picture’s patches, compared with the places in "
        "their own; what it reaches has nothing to do with the picture."
    )
    if ceilings:
        lead += (
            f" The ceiling: {ceilings['source']}. On the bars grey marks chance, green the ceiling."
        )
    heads = [*_names(result), "chance", "ceiling"]
    return section("figures", "Do words find their objects?", escape(lead), _table(heads, rows))


def retrieval_section(result: Comparison) -> str:
    """Finding pictures by sentences and sentences by pictures, by both."""
    first = result.contenders[0].retrieval
    rows = []
    for direction, name in (
        ("text_to_image", "Sentence → picture"),
        ("image_to_text", "Picture → sentence"),
    ):
        rows.append(_group(name, 4))
        for k in (1, 5, 10):
            key = f"{direction}_R@{k}"
            chance = first["chance"][key]
            cells = [_bar(one.retrieval[key], chance) for one in result.contenders]
            what = "the right one first" if k == 1 else f"among the first {k}"
            rows.append(_row(what, [*cells, per_cent(chance)]))
        if all(one.semantic for one in result.contenders):
            chance = result.contenders[0].semantic["chance"]
            cells = [_bar(one.semantic[direction], chance) for one in result.contenders]
            rows.append(_row("first is right by meaning", [*cells, per_cent(chance)]))
    lead = (
        f"{first['n_images']:,} held-out pictures and their {first['n_texts']:,} sentences. Recall "
        "in per cent: how often a right answer is among the first places."
    )
    if result.generated:
        lead += (
            " Many sentences are true of several pictures; “right by meaning” counts every true "
            "one."
        )
    table = _table([*_names(result), "chance"], rows)
    return section("retrieval", "Does it find the right one?", lead, table)


def control_section(result: Comparison) -> str:
    """What the weights depend on: the picture, or fixed places."""
    sides = result.contenders
    rows = [
        _row(what, [figure(value(one)) for one in sides])
        for what, value in _DEPENDS
        if all(value(one) == value(one) for one in sides)
    ]
    lead = (
        "A word that selects the same places in its own and in another picture shows places, not "
        "things: then its weights correlate over the grid. SPARC’s local loss on own and on "
        "another picture’s patches, of SPARC alone: where both are as low, it was solved without a "
        "look at the picture."
    )
    for one in sides:
        if one.setting.loss == "sparc":
            own, other = (one.grounding[side]["local_loss"] for side in ("matched", "swapped"))
            lead += f" Here {figure(own)} and {figure(other)}."
    table = _table(_names(result), rows)
    return section("control", "What decides which patches a word selects?", escape(lead), table)


def _variance(of: str) -> Callable[[Contender], float]:
    return lambda one: one.grounding.get("variance", {}).get(of, float("nan"))


_DEPENDS: tuple[tuple[str, Callable[[Contender], float]], ...] = (
    (
        "correlation of a word’s weights in two pictures",
        lambda one: one.grounding["place_correlation"],
    ),
    ("variance of patches by place alone, %", _variance("position")),
    ("variance of patches by picture alone, %", _variance("picture")),
    (
        "patches a word spreads over",
        lambda one: one.grounding["matched"]["effective_patches"],
    ),
)


def training_section(result: Comparison) -> str:
    """What each is and what it took."""
    sides = result.contenders
    facts: tuple[tuple[str, Callable[[Contender], str]], ...] = (
        ("whose", lambda one: one.setting.whose),
        ("what", lambda one: one.setting.about),
        ("preset", lambda one: one.setting.model),
        ("loss", lambda one: " ".join([one.setting.loss, *one.setting.loss_options])),
        ("learning rate", lambda one: f"{one.setting.lr:g}"),
        ("parameters", lambda one: f"{one.parameters:,}"),
        ("steps", lambda one: f"{one.steps:,} of {one.batch_size} pairs"),
        ("seconds", lambda one: duration(one.seconds)),
        ("processor seconds", lambda one: f"{one.processor_seconds:,.0f}"),
    )
    rows = [_row(what, [escape(say(one)) for one in sides]) for what, say in facts]
    lead = (
        f"On {result.threads} thread{'s' * (result.threads != 1)}; processor seconds are those of "
        "all threads together, of training alone. SPARC has the paper’s options; the learning "
        "rates of both and the grounded setting’s options were chosen on scenes like these."
    )
    return section("trained", "What each is, and what it took", lead, _table(_names(result), rows))


def _names(result: Comparison) -> list[str]:
    return [
        f"{one.setting.name} <small>{escape(one.setting.whose)}</small>"
        for one in result.contenders
    ]


def _placed(
    one: Contender, group: str, key: str, chance: float | None, ceiling: float | None
) -> str:
    """A figure with its bar, and below it the control's."""
    value, control = (
        told(one.grounding.get(side, {}).get(group), key)
        for side in ("placement", "placement_swapped")
    )
    small = "" if control is None else f"<em>control {_number(control)}</em>"
    return _bar(value, chance, ceiling) + small


def _bar(value: float | None, chance: float | None, ceiling: float | None = None) -> str:
    """A figure in per cent with a bar, on which chance and ceiling are marked."""
    if value is None:
        return "–"
    marks = "".join(
        f'<s class="{name}" style="left:{place:.1f}%"></s>'
        for name, place in (("chance", chance), ("ceiling", ceiling))
        if place is not None
    )
    width = min(max(value, 0.0), 100.0)
    return (
        f'<b>{per_cent(value)}</b><span class="bar" aria-hidden="true">'
        f'<i style="width:{width:.2f}%"></i>{marks}</span>'
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _group(name: str, columns: int) -> str:
    return f'<tr class="group"><th colspan="{columns}" scope="rowgroup">{escape(name)}</th></tr>'


def _row(what: str, cells: Sequence[str]) -> str:
    """A row of cells (HTML)."""
    values = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(what)}</th>{values}</tr>'


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<table class="sides"><thead><tr><td></td>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
