"""The cost of training steps as tables: by formula, in the paper's setting, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from csparc.cost import paper as paper_cost
from csparc.cost.flop import LOSS_FLOP
from csparc.cost.measured import Measured, exponent
from csparc.cost.memory import estimate_memory
from csparc.cost.model import model_info
from csparc.models.config import ModelConfig

Cell = Callable[[str, int], str]
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


def step_flop(loss: str, config: ModelConfig, batch: int) -> int:
    """A training step of this package: encoders forward and backward, and the loss."""
    sizes = paper_cost.sizes_of(config, batch)
    return 3 * batch * model_info(config).flop + LOSS_FLOP[loss](sizes)


def loss_bytes(loss: str, config: ModelConfig, batch: int) -> int:
    """What the loss needs beyond its inputs and gradients, in float32."""
    return estimate_memory(loss, batch, config.patches, config.context_length, config.shared_width)


def step_bytes(loss: str, config: ModelConfig, batch: int) -> int:
    """The same in memory, float32: weights, gradients, two moments, activations, gradients of the
    loss's inputs, and what the loss itself needs."""
    rows = config.patches + config.context_length + 2
    gradients = 4 * batch * rows * config.shared_width
    return model_info(config).training_bytes(batch) + gradients + loss_bytes(loss, config, batch)


def own_tables(config: ModelConfig, losses: Sequence[str], batches: Sequence[int]) -> list[str]:
    """Steps of this package on one machine."""

    def over_clip(loss: str, batch: int) -> str:
        more = step_flop(loss, config, batch) - step_flop("clip", config, batch)
        return f"{more / 1e12:+,.4f}"

    return [
        grid("TFLOP of a step", losses, batches,
             lambda loss, batch: f"{step_flop(loss, config, batch) / 1e12:,.2f}"),
        grid("of it, TFLOP more than CLIP", losses, batches, over_clip),
        grid("peak GB of a step", losses, batches,
             lambda loss, batch: f"{step_bytes(loss, config, batch) / 1e9:,.2f}"),
        grid("of it, MB of the loss beyond its inputs and gradients", losses, batches,
             lambda loss, batch: f"{loss_bytes(loss, config, batch) / 1e6:,.1f}"),
    ]  # fmt: skip


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
        value = paper_cost.device_flop(loss, large, batch) / 1e12
        return f"{value:,.2f}{figure(paper_cost.TFLOP, loss, batch)}"

    def memory(loss: str, batch: int) -> str:
        value = paper_cost.device_bytes(loss, large, batch)
        text = "-" if value is None else f"{value / 1e6:,.0f}"
        return f"{text}{figure(paper_cost.MEGABYTES, loss, batch)}"

    beside = " (paper)" if known else ""
    return [
        grid(f"TFLOP of a step on a device{beside}", losses, batches, flop),
        grid(f"peak MB on a device{beside}", losses, batches, memory),
    ]


def excess(found: Mapping[str, Mapping[int, Measured]], loss: str) -> list[int]:
    """FLOP beyond CLIP's by batch size."""
    return [one.flop - found["clip"][batch].flop for batch, one in found[loss].items()]


def measured_tables(
    config: ModelConfig, found: Mapping[str, Mapping[int, Measured]], losses: Sequence[str]
) -> list[str]:
    """What the losses did, each figure with its ratio to the formula."""
    batches = list(found["clip"])

    def flop(loss: str, batch: int) -> str:
        counted = found[loss][batch].flop
        formula = LOSS_FLOP[loss](paper_cost.sizes_of(config, batch))
        return f"{counted / 1e9:,.3f} ({counted / formula:.2f})"

    def memory(loss: str, batch: int) -> str:
        held = found[loss][batch].bytes
        return f"{held / 1e6:,.2f} ({held / loss_bytes(loss, config, batch):.2f})"

    def seconds(loss: str, batch: int) -> str:
        return f"{found[loss][batch].seconds:.3f}"

    powers = [["loss", "counted", f"by formula, B = {LARGE[0]:,} to {LARGE[1]:,}"]]
    for loss in losses:
        counted = exponent(batches, excess(found, loss))
        formula = exponent(
            LARGE,
            [step_flop(loss, config, b) - step_flop("clip", config, b) for b in LARGE],
        )
        powers.append([loss, *("-" if p != p else f"{p:.2f}" for p in (counted, formula))])
    return [
        grid("GFLOP counted in the core (ratio to formula)", losses, batches, flop),
        grid("MB held beyond inputs and gradients (ratio to estimate)", losses, batches, memory),
        grid("seconds", losses, batches, seconds),
        _aligned("power of B that FLOP more than CLIP's grow with", powers),
    ]
