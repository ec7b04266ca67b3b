"""A picture of a run: each case's entries as fractions of the peak, or of the fastest entry."""

from __future__ import annotations

from pathlib import Path

from results import Record

PEERS = ("torch", "jax")


def bars(records: list[Record]) -> list[tuple[str, float, bool]]:
    """(label, length, whether it is a peer's) from top to bottom."""
    out = []
    for record in records:
        result = record.measurement
        if result is None:
            continue
        top = max(result.rate(name) for name in result.names)
        case = f"{record.script.removeprefix('bench_')}/{record.case}"
        for name in result.names:
            fraction = result.peak_fraction(name)
            length = result.rate(name) / top if fraction is None else fraction
            out.append((f"{case}: {name}", length, name.startswith(PEERS)))
    return out


def plot(records: list[Record], path: Path) -> None:
    """Write the picture; the file's ending decides the format."""
    from csparc._extras import require

    require("matplotlib", extra="train").use("Agg")
    pyplot = require("matplotlib.pyplot", extra="train")
    drawn = bars(records)
    if not drawn:
        return  # every case failed
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.22 * len(drawn)), layout="constrained")
    colours = ["tab:gray" if peer else "tab:blue" for _, _, peer in drawn]
    axes.barh(range(len(drawn)), [length for _, length, _ in drawn], color=colours)
    axes.set_yticks(range(len(drawn)), [label for label, _, _ in drawn], fontsize=7)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("fraction of the FMA peak; without one, of the case's fastest")
    axes.grid(axis="x", alpha=0.4)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
