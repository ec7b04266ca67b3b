"""The cost of training steps as tables: by formula, in the paper's setting, and measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from csparc.cost import paper as paper_cost
from csparc.cost.measured import Measured, exponent
from csparc.cost.memory import estimate_memory
from csparc.cost.model import model_info
from csparc.cost.towers import text_flop, text_kept
from csparc.losses import ClipLoss
from csparc.losses.registry import loss_class
from csparc.models.config import ModelConfig

Cell = Callable[[str, int], str]
BASELINE = ClipLoss.name
"""What the others are compared with: the contrast of whole vectors that the paper adds to."""
LARGE = (8192, 16384)
"""Batch sizes where terms linear in B have faded."""


def grid(title: str, losses: Sequence[str], batches: Sequence[int], cell: Cell) -> str:
    """A Markdown table with a row a loss and a column a batch size."""
    rows = [["loss", *(f"B = {batch:,}" for batch in batches)]]
    rows += [[loss, *(cell(loss, batch) for batch in batches)] for loss in losses]
    return _aligned(title, rows)


def _aligned(title: str, rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        f"| {row[0]:{widths[0]}s} | "
        + " | ".join(f"{text:>{width}s}" for text, width in zip(row[1:], widths[1:]))
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join(
        "-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)
    )
    return "\n".join([f"{title}\n", lines[0], rule + "|", *lines[1:]])


def loss_flop(loss: str, config: ModelConfig, batch: int, extra: int = 0) -> int | None:
    """FLOP of one call with gradients by the loss's formula; None where it has none. ``extra``,
    here and below: captions without a picture to a pair."""
    return loss_class(loss)().flop(paper_cost.sizes_of(config, batch, extra * batch))


def step_flop(loss: str, config: ModelConfig, batch: int, extra: int = 0) -> int | None:
    """A training step of this package: encoders forward and backward, and the loss."""
    own = loss_flop(loss, config, batch, extra)
    pair = model_info(config).flop + extra * text_flop(config)
    return None if own is None else 3 * batch * pair + own


def more_flop(loss: str, config: ModelConfig, batch: int, extra: int = 0) -> int | None:
    """FLOP of a step beyond one with `BASELINE`."""
    own = step_flop(loss, config, batch, extra)
    return None if own is None else own - step_flop(BASELINE, config, batch, extra)


def loss_bytes(loss: str, config: ModelConfig, batch: int, extra: int = 0) -> int | None:
    """What the loss needs beyond its inputs and gradients, in float32; None where nobody said."""
    if not loss_class(loss).overrides("stages"):
        return None
    sizes = config.patches, config.context_length, config.shared_width
    return estimate_memory(loss, batch, *sizes, extra_texts=extra * batch)


def step_bytes(loss: str, config: ModelConfig, batch: int, extra: int = 0) -> int | None:
    """The same in memory, float32: weights, gradients, two moments, activations, gradients of the
    loss's inputs, and what the loss itself needs."""
    own = loss_bytes(loss, config, batch, extra)
    if own is None:
        return None
    rows = config.patches + config.context_length + 2 + extra
    gradients = 4 * batch * rows * config.shared_width
    texts = 4 * batch * extra * text_kept(config)
    return model_info(config).training_bytes(batch) + texts + gradients + own


def _in(unit: float, form: str, value: float | None) -> str:
    """``value`` in a unit, or a dash where it is not known."""
    return "-" if value is None else format(value / unit, form)


def own_tables(
    config: ModelConfig, losses: Sequence[str], batches: Sequence[int], extra: int = 0
) -> list[str]:
    """Steps of this package on one machine."""

    def table(title: str, cost: Callable, unit: float, form: str) -> str:
        def cell(loss: str, batch: int) -> str:
            return _in(unit, form, cost(loss, config, batch, extra))

        return grid(title, losses, batches, cell)

    return [
        table("TFLOP of a step", step_flop, 1e12, ",.2f"),
        table("of it, TFLOP more than CLIP", more_flop, 1e12, "+,.4f"),
        table("peak GB of a step", step_bytes, 1e9, ",.2f"),
        table("of it, MB of the loss beyond its inputs and gradients", loss_bytes, 1e6, ",.1f"),
    ]


def paper_tables(
    config: ModelConfig, losses: Sequence[str], batches: Sequence[int], known: bool
) -> list[str]:
    """Steps in the paper's way on one of its devices; with ``known``, its own figures beside."""
    large = paper_cost.paper_model(config)

    def figure(table: Mapping[str, Sequence[float | None]], loss: str, batch: int) -> str:
        if not known or loss not in table or batch not in paper_cost.BATCHES:
            return ""
        value = table[loss][paper_cost.BATCHES.index(batch)]
        return " (none)" if value is None else f" ({value:,})"

    def flop(loss: str, batch: int) -> str:
        value = paper_cost.device_flop(loss, large, batch)
        return f"{_in(1e12, ',.2f', value)}{figure(paper_cost.TFLOP, loss, batch)}"

    def memory(loss: str, batch: int) -> str:
        value = paper_cost.device_bytes(loss, large, batch)
        return f"{_in(1e6, ',.0f', value)}{figure(paper_cost.MEGABYTES, loss, batch)}"

    beside = " (paper)" if known else ""
    return [
        grid(f"TFLOP of a step on a device{beside}", losses, batches, flop),
        grid(f"peak MB on a device{beside}", losses, batches, memory),
    ]


def excess(found: Mapping[str, Mapping[int, Measured]], loss: str) -> list[int]:
    """FLOP beyond CLIP's by batch size."""
    return [one.flop - found[BASELINE][batch].flop for batch, one in found[loss].items()]


def measured_tables(
    config: ModelConfig, found: Mapping[str, Mapping[int, Measured]], losses: Sequence[str]
) -> list[str]:
    """What the losses did, each figure with its ratio to the formula."""
    batches = list(found[BASELINE])

    def ratio(counted: float, formula: float | None) -> str:
        return "-" if formula is None else f"{counted / formula:.2f}"

    def flop(loss: str, batch: int) -> str:
        counted = found[loss][batch].flop
        return f"{counted / 1e9:,.3f} ({ratio(counted, loss_flop(loss, config, batch))})"

    def memory(loss: str, batch: int) -> str:
        held = found[loss][batch].bytes
        return f"{held / 1e6:,.2f} ({ratio(held, loss_bytes(loss, config, batch))})"

    def seconds(loss: str, batch: int) -> str:
        return f"{found[loss][batch].seconds:.3f}"

    powers = [["loss", "counted", f"by formula, B = {LARGE[0]:,} to {LARGE[1]:,}"]]
    for loss in losses:
        counted = exponent(batches, excess(found, loss))
        more = [more_flop(loss, config, batch) for batch in LARGE]
        formula = math.nan if None in more else exponent(LARGE, more)
        powers.append([loss, *("-" if p != p else f"{p:.2f}" for p in (counted, formula))])
    return [
        grid("GFLOP counted in the core (ratio to formula)", losses, batches, flop),
        grid("MB held beyond inputs and gradients (ratio to estimate)", losses, batches, memory),
        grid("seconds", losses, batches, seconds),
        _aligned("power of B that FLOP more than CLIP's grow with", powers),
    ]
