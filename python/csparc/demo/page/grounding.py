"""The page's control: what words select on a pair's own patches and on another picture's."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from csparc import _html
from csparc.demo.page.loss_text import has_both
from csparc.demo.page.result import DemoResult
from csparc.demo.page.sections import section
from csparc.losses.registry import loss_class
from csparc.viz.wording import (
    AREAS,
    PARTS_OF_SPEECH,
    chance_of,
    figure,
    grounding_verdict,
    per_cent,
    placement_verdict,
    places_verdict,
    sentence_verdict,
    told,
    words_alike_verdict,
)


def grounding_section(result: DemoResult) -> str:
    """What the words select on a pair's own patches and on another picture's, and what follows."""
    found, sparc = result.grounding, loss_class(result.loss).local_loss_is_measured
    weights = found["weights"]
    one = "sentence" if weights["of"] == "captions" else "word"
    table = _control_table(found, one, sparc)
    verdict = f'<p class="verdict">{escape(grounding_verdict(found))}</p>' if sparc else ""
    if found["place_correlation"] == found["place_correlation"]:
        text = places_verdict(found["place_correlation"], one)
        verdict += f'<p class="verdict">{escape(text)}</p>'
    if not sparc and result.words_alike is not None and result.words_alike == result.words_alike:
        verdict += f'<p class="verdict">{escape(words_alike_verdict(result.words_alike))}</p>'
    if result.placement is not None:
        verdict += _placement(result)
    swapped = f"with the patches of another picture, {found['n']:,} held-out pairs."
    if sparc:
        title = "Does the local loss look at the picture?"
        lead = (
            "SPARC’s local loss asks each word to recognise the mix of patches it selected among "
            "the mixes of the sentence’s other words. A word takes part in choosing its own "
            "patches, so the loss can fall without any look at the picture. The control: the same "
            f"sentences {swapped}"
        )
    else:
        title = f"Does what a {one} selects depend on the picture?"
        about = escape(" ".join([f"{weights['title']}.", *weights["notes"]]))
        lead = f"{about} The control: the same sentences {swapped}"
    return section("control", title, lead, table + verdict)


def _control_table(found: Mapping, one: str, sparc: bool) -> str:
    """The figures beside the control's: SPARC's loss and its zeros are those of SPARC alone."""
    kinds = [
        ("effective_patches", f"patches a {one} spreads over", figure, f"of {found['patches']}")
    ]
    if sparc:
        accuracy = f"chance {per_cent(found['chance_token_accuracy'])}"
        kinds = [
            ("local_loss", "local loss", figure, f"chance {figure(found['chance_local_loss'])}"),
            ("token_accuracy", "words told apart", per_cent, accuracy),
            *kinds,
            ("zeroed", "weights set to zero", per_cent, ""),
        ]
    rows = [
        (name, show(found["matched"][key]), show(found["swapped"][key]), reference)
        for key, name, show, reference in kinds
        if key != "zeroed" or found["matched"][key] > 0
    ]
    return _html.table(rows, ["own picture", "another’s", "reference"])


def _placement(result: DemoResult) -> str:
    """Where the words' selected patches lie, against the known places of the objects."""
    before, swapped = result.untrained_placement or {}, result.grounding.get("placement_swapped")
    ceilings = result.grounding.get("ceiling") or {}
    groups = [
        (
            f"{PARTS_OF_SPEECH.get(kind, kind)} ({found['n_pointing']:,} words)",
            (found, (swapped or {}).get(kind), before.get(kind), ceilings.get(kind)),
        )
        for kind, found in result.placement.items()
    ]
    if result.sentence_placement is not None:
        found = result.sentence_placement
        groups.append(
            (
                f"whole sentences about one object ({found['n_pointing']:,})",
                (found, None, result.untrained_sentence_placement, None),
            )
        )
    rows = []
    for name, sides in groups:
        rows.append(f'<tr class="group"><th colspan="6" scope="rowgroup">{name}</th></tr>')
        rows += [
            _place_row(key, what, *sides) for key, what in AREAS if told(sides[0], key) is not None
        ]
    asked = "Do words select the object they name?"
    if "CAPTION" in result.placement:
        asked = "Do sentences select the object they speak of?"
    sentence = ""
    if result.sentence_placement is not None:
        text = sentence_verdict(result.sentence_placement, has_both(result.loss))
        sentence = f'<p class="verdict">{escape(text)}</p>'
    heads = ("trained", "another’s", "untrained", "chance", "ceiling")
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    lead = (
        "The generator knows where every object is, so it can be measured: per cent. Another’s: "
        "on another picture’s patches, compared with the places in their own."
    )
    if ceilings:
        lead += f" Ceiling: {ceilings['source']}."
    return (
        f'<h3 class="later">{asked}</h3><p class="lead">{escape(lead)}</p>'
        f'<table class="places"><thead><tr><td></td>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<p class="verdict">{escape(placement_verdict(result.placement))}</p>' + sentence
    )


def _place_row(key: str, what: str, found: Mapping, *others: Mapping | None) -> str:
    """One of the `AREAS`: trained, then the control, untrained, chance, and the ceiling."""
    swapped, before, ceiling = (told(one, key) for one in others)
    cells = "".join(
        f"<td>{'–' if value is None else per_cent(value)}</td>"
        for value in (found[key], swapped, before, chance_of(found, key), ceiling)
    )
    return f'<tr><th scope="row">{what}</th>{cells}</tr>'
