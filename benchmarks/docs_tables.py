"""The tables of docs/speed.md, made from a run: aims and what was reached, objectives, sizes,
variants, and those of `model_tables`. Pure, like results.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from found import MISSING, Found, Rows, entry
from model_tables import (
    bf16_encode_table,
    bf16_steps_table,
    encode_table,
    steps_table,
    threads_table,
)  # fmt: skip
from results import GB_OF_PEER, Record


def peak(name: str) -> Callable[[Found], float]:
    """Least fraction of the peak that csparc's entries of a case reach."""

    def read(found: Found) -> float:
        result = found.result(name)
        own = [n for n in result.names if "torch" not in n and "jax" not in n]
        return min(result.peak_fraction(n) or 0.0 for n in own)

    return read


def ratio(name: str, *words: str) -> Callable[[Found], float]:
    """How many times as fast as the peer with these words in its name."""

    def read(found: Found) -> float:
        result = found.result(name)
        return result.ratio(entry(result, *words))

    return read


def figure(name: str, label: str, scale: float = 1.0) -> Callable[[Found], float]:
    return lambda found: found.result(name).figures[label] * scale


def slowest_size(suffix: str) -> Callable[[Found], float]:
    """Least fraction of the peak among the sizes that fill a tile."""

    def read(found: Found) -> float:
        fractions = []
        for case in ("patches", "width", "tokens"):
            result = found.result(f"sparc/{case}{suffix}")
            whole = [n for n in result.names if not is_neighbour(n, result.names)]
            fractions += [result.peak_fraction(n) or 0.0 for n in whole]
        return min(fractions)

    return read


def is_neighbour(name: str, names: list[str]) -> bool:
    """Whether "P 50" follows a "P 49"."""
    letter, size = name.split()
    return f"{letter} {int(size) - 1}" in names


def steepest_step(suffix: str) -> Callable[[Found], float]:
    """How much less FLOP a second a size one above another one does, at worst."""

    def read(found: Found) -> float:
        drops = [0.0]
        for case in ("patches", "width", "tokens"):
            result = found.result(f"sparc/{case}{suffix}")
            for name in (n for n in result.names if is_neighbour(n, result.names)):
                letter, size = name.split()
                drops.append(1 - result.rate(name) / result.rate(f"{letter} {int(size) - 1}"))
        return max(drops)

    return read


def slowest_variant(found: Found) -> float:
    result = found.result("sparc/variants")
    return min(1 / result.ratio(name) for name in result.names[1:])


def memory_a_thread(found: Found) -> float:
    extra = found.result("sparc/memory").figures["B 256: extra resident MiB"]
    return extra * 2**20 / 1e6 / found.threads("sparc/memory")


def own_memory(name: str) -> Callable[[Found], float]:
    return figure(name, "csparc: extra resident MiB", 2**20 / 1e6)


@dataclass(frozen=True)
class Aim:
    """A figure to reach, at least or (``most``) at most."""

    case: str
    against: str
    value: float
    unit: str
    """"x", "%" (of 1), "us", "MB"."""
    read: Callable[[Found], float]
    most: bool = False

    def told(self, value: float) -> str:
        if self.unit == "%":
            return f"{100 * value:.0f} %"
        return f"{value:.3g} {self.unit}" if self.unit != "x" else f"{value:.2f} x"

    def row(self, found: Found) -> tuple[str, ...]:
        asked = ("at most " if self.most else "") + self.told(self.value)
        try:
            value = self.read(found)
        except KeyError:
            return self.case, self.against, asked, MISSING, ""
        met = value <= self.value if self.most else value >= self.value
        return self.case, self.against, asked, self.told(value), "yes" if met else "no"


FULL = "B 256, P 196, L 55, D 512"
AIMS = [
    Aim(FULL, "torch eager", 3.5, "x", ratio("sparc/full", "torch", "eager")),
    Aim("the same", "torch.compile", 2.5, "x", ratio("sparc/full", "torch", "compiled")),
    Aim("the same", "jax.jit", 4, "x", ratio("sparc/full", "jax")),
    Aim("the same", "FMA peak", 0.85, "%", peak("sparc/full")),
    Aim("the same, global vectors given", "FMA peak", 0.85, "%", peak("sparc/given")),
    Aim(f"{FULL}, AVX2 kernels", "FMA peak of AVX2", 0.78, "%", peak("sparc/full-avx2")),
    Aim("the same, global vectors given", "FMA peak of AVX2", 0.78, "%",
        peak("sparc/given-avx2")),
    Aim("lengths of COCO captions", "torch.compile", 8, "x",
        ratio("sparc/captions", "torch", "compiled")),
    Aim("P 49 to 576, D 64 to 768, L 8 to 256", "FMA peak, slowest", 0.7, "%", slowest_size("")),
    Aim("the same, AVX2 kernels", "FMA peak, slowest", 0.7, "%", slowest_size("-avx2")),
    Aim("a size one above those", "its neighbour, loss of rate", 0.15, "%", steepest_step(""),
        most=True),
    Aim("the same, AVX2 kernels", "its neighbour, loss of rate", 0.15, "%",
        steepest_step("-avx2"), most=True),
    Aim("variants, the slowest", "the plain loss", 0.7, "%", slowest_variant),
    Aim("bfloat16 products", "the loss in float32", 1.5, "x",
        ratio("sparc/bf16", "float32")),
    Aim("B 8, P 49, L 12, D 64", "a call beyond its arithmetic", 20, "us",
        figure("sparc/fixed", "fixed cost of a call, us"), most=True),
    Aim(f"{FULL}, global vectors given", "extra memory a thread", 2, "MB", memory_a_thread,
        most=True),
    Aim(FULL, "one thread", 1.9, "x", ratio("sparc/scaling", "one thread")),
    Aim("global loss, B 16,384", "torch, its best form", 2, "x",
        ratio("objectives/global", "torch")),
    Aim("the same", "FMA peak", 0.75, "%", peak("objectives/global")),
    Aim("the same", "extra memory", 150, "MB", own_memory("objectives/global"), most=True),
]  # fmt: skip

OBJECTIVES = {
    "global": ("CLIP", 2), "siglip": ("SigLIP", 2), "pacl": ("PACL", 3), "filip": ("FILIP", 3),
    "clip_filip": ("CLIP + FILIP", 3), "gloria": ("GLoRIA", 2), "mgca": ("MGCA", 1.5),
}  # fmt: skip
"""Case -> name and how many times torch's rate is aimed at."""


def aims_table(found: Found) -> Rows:
    head = ("case", "against", "aim", "reached", "met")
    return [head, *(aim.row(found) for aim in AIMS)]


def against_torch(found: Found, benchmark: str, memory: str, gigabytes: str = "") -> Rows:
    """The objectives as one benchmark found them; ``memory`` heads the column of torch's: its
    extra MB, or the GB that a figure gives."""
    rows: Rows = [(
        "objective", "times torch", "aim", "of the peak", "torch of it", "extra MB", memory, "B",
        "fastest form of torch",
    )]  # fmt: skip
    for case, (name, aim) in OBJECTIVES.items():
        try:
            result = found.result(f"{benchmark}/{case}")
            theirs = entry(result, "torch")
        except KeyError:
            rows.append((name, MISSING, f"{aim:g}", *[""] * (len(rows[0]) - 3)))
            continue
        entries = (result.names[0], theirs)
        extra = [result.figures[f"{e}: extra resident MiB"] * 2**20 / 1e6 for e in entries]
        if gigabytes:
            extra[1] = result.figures[gigabytes]
        rows.append((
            name, f"{result.ratio(theirs):.2f}", f"{aim:g}",
            *(f"{100 * (result.peak_fraction(e) or 0.0):.0f} %" for e in entries),
            f"{extra[0]:,.0f}" if extra[0] >= 10 else f"{extra[0]:.1f}",
            f"{extra[1]:,.1f}" if gigabytes else f"{extra[1]:,.0f}",
            f"{result.figures['B']:,.0f}",
            theirs.split(" ", 2)[2],
        ))  # fmt: skip
    return rows


def objectives_table(found: Found) -> Rows:
    return against_torch(found, "objectives", "torch's MB")


def largest_table(found: Found) -> Rows:
    return against_torch(found, "largest", "torch's GB", GB_OF_PEER)


def sizes_table(found: Found) -> Rows:
    """Fractions of the peak, a row a size, a column an instruction set."""
    columns = {}
    for suffix in ("", "-avx2"):
        fractions: dict[str, str] = {}
        label = ""
        for case in ("patches", "width", "tokens"):
            try:
                result = found.result(f"sparc/{case}{suffix}")
            except KeyError:
                continue
            label = result.notes["isa"]
            fractions |= {n: f"{100 * (result.peak_fraction(n) or 0):.0f} %" for n in result.names}
        columns[label or f"{MISSING}{suffix}"] = fractions
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    head = ("size", *(f"`{label}`" for label in columns))
    return [head, *((name, *(c.get(name, "") for c in columns.values())) for name in names)]


def variants_table(found: Found) -> Rows:
    rows: Rows = [("variant", "rate, the plain loss 100 %", "of the peak")]
    try:
        result = found.result("sparc/variants")
    except KeyError:
        return [*rows, (MISSING, "", "")]
    for name in result.names:
        share = result.rate(name) / result.rate(result.names[0])
        fraction = f"{100 * (result.peak_fraction(name) or 0.0):.0f} %"
        rows.append((name, f"{100 * share:.0f} %", fraction))
    return rows


TABLES: dict[str, tuple[Callable[[Found], Rows], tuple[str, ...]]] = {
    "aims": (aims_table, ("sparc", "objectives")),
    "objectives": (objectives_table, ("objectives",)),
    "largest": (largest_table, ("largest",)),
    "sizes": (sizes_table, ("sparc",)),
    "variants": (variants_table, ("sparc",)),
    "steps": (steps_table, ("steps",)),
    "steps in bfloat16": (bf16_steps_table, ("steps",)),
    "threads": (threads_table, ("threads",)),
    "encode": (encode_table, ("encode",)),
    "encode in bfloat16": (bf16_encode_table, ("encode",)),
}
"""What makes each table, and the benchmarks it is of."""

CONDITIONS = {
    "conditions": ("sparc", "objectives", "largest"),
    "conditions of models": ("steps", "threads", "encode"),
}
"""Where the machine is told, and of which benchmarks."""


def markdown(rows: Rows) -> str:
    first, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (first, ("---",) * len(first), *rest))


def filled(text: str, about: dict[str, Any], records: list[Record]) -> str:
    """``text`` with what stands between its markers replaced: ``<!-- aims -->`` to
    ``<!-- end of aims -->``, and so on; ``conditions`` is the machine. Tables of benchmarks that
    the run has no case of stay as they are.

    Raises ``ValueError`` where a marker is missing.
    """
    found = Found(records)
    ran = {name.partition("/")[0] for name in found.records}
    machine = "\n".join(f"- {name}: {value}" for name, value in about.items())
    parts = {name: machine for name, of in CONDITIONS.items() if ran.intersection(of)}
    for name, (make, of) in TABLES.items():
        if ran.intersection(of):
            parts[name] = markdown(make(found))
    for name, part in parts.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda m, part=part: f"{m[1]}\n{part}\n\n{m[2]}", text)
        if count != 1:
            raise ValueError(f"expected one pair of markers '<!-- {name} -->', found {count}")
    return text


def fill(path: Path, about: dict[str, Any], records: list[Record]) -> None:
    """Write the tables of a run into a page."""
    text = filled(path.read_text(encoding="utf-8"), about, records)
    path.write_text(text, encoding="utf-8")
