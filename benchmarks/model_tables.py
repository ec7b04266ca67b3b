"""The tables of training steps and of encoding. Pure, like results.py."""

from __future__ import annotations

from found import MISSING, Found, Rows, entry
from results import Measurement, duration

STEPS = ("nano", "tiny", "small", "vit-b-32", "vit-b-16")
ENCODE = {
    "image-b32-1": ("encode_image, ViT-B/32", 1), "image-b32-32": ("encode_image, ViT-B/32", 32),
    "image-b16-1": ("encode_image, ViT-B/16", 1), "image-b16-32": ("encode_image, ViT-B/16", 32),
    "text-1": ("encode_text", 1), "text-32": ("encode_text", 32),
}  # fmt: skip
"""Case -> what is encoded, and how many at once."""


def percent(result: Measurement, name: str) -> str:
    return f"{100 * (result.peak_fraction(name) or 0.0):.0f} %"


def steps_table(found: Found) -> Rows:
    """Whole training steps: how many times as fast as torch, which share of the peak."""
    rows: Rows = [(
        "model", "B", "threads", "times torch, to the longest", "times torch, to 55",
        "of the peak", "torch of it", "pairs a second", "faster form of torch",
    )]  # fmt: skip
    for case in (name + suffix for name in STEPS for suffix in ("", "-one-thread")):
        if (row := steps_row(found, case)) is not None:
            rows.append(row)
    return rows


def steps_row(found: Found, case: str) -> tuple[str, ...] | None:
    """None: a case of one thread that was not run."""
    model, one, _ = case.partition("-one-thread")
    try:
        result = found.result(f"steps/{case}")
        longest, whole = entry(result, "to the longest"), entry(result, "to 55")
    except KeyError:
        return None if one else (model, MISSING, *[""] * 7)
    return (
        model, f"{result.figures['B']:.0f}", str(found.threads(f"steps/{case}")),
        f"{result.ratio(longest):.2f}", f"{result.ratio(whole):.2f}",
        percent(result, "csparc"), percent(result, longest),
        f"{result.figures['pairs a second, csparc']:.3g}",
        longest.partition(",")[0].split(" ", 2)[2],
    )  # fmt: skip


def encode_table(found: Found) -> Rows:
    """Encoding: how many times as fast as each of the others."""
    peers = ("onnxruntime", "openvino", "torch")
    rows: Rows = [(
        "what", "at once", *(f"times {name}" for name in peers), "of the peak", "best of it", "time"
    )]  # fmt: skip
    for case, (what, count) in ENCODE.items():
        try:
            result = found.result(f"encode/{case}")
        except KeyError:
            rows.append((what, str(count), MISSING, *[""] * 5))
            continue
        others = {name: next((n for n in result.names if n.startswith(name)), None)
                  for name in peers}  # fmt: skip
        known = [name for name in others.values() if name is not None]
        best = min(known, key=result.ratio, default="csparc")
        rows.append((
            what, str(count),
            *(MISSING if n is None else f"{result.ratio(n):.2f}" for n in others.values()),
            percent(result, "csparc"), percent(result, best),
            duration(result.best("csparc")),
        ))  # fmt: skip
    return rows
