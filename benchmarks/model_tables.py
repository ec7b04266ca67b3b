"""The tables of training steps, of their threads, and of encoding. Pure, like results.py."""

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
OWN = "csparc, float32"
"""The entry that cases in bfloat16 have beside the peers."""


def percent(result: Measurement, name: str) -> str:
    return f"{100 * (result.peak_fraction(name) or 0.0):.0f} %"


def steps_table(found: Found) -> Rows:
    """Whole training steps: how many times as fast as torch, which share of the peak."""
    rows: Rows = [(
        "model", "B", "threads", "times torch, to the longest", "times torch, to 55",
        "of the peak", "torch of it", "pairs a second", "faster form of torch",
    )]  # fmt: skip
    for case in (name + suffix for name in STEPS for suffix in ("", "-one-thread")):
        row = steps_row(found, case)
        if row[1] != MISSING or case in STEPS:
            rows.append(row)
    return rows


def steps_row(found: Found, case: str) -> tuple[str, ...]:
    model = case.removesuffix("-one-thread").removesuffix("-bf16")
    try:
        result = found.result(f"steps/{case}")
        longest, whole = entry(result, "to the longest"), entry(result, "to 55")
    except KeyError:
        return (model, MISSING, *[""] * 7)
    return (
        model, f"{result.figures['B']:.0f}", str(found.threads(f"steps/{case}")),
        f"{result.ratio(longest):.2f}", f"{result.ratio(whole):.2f}",
        percent(result, "csparc"), percent(result, longest),
        f"{result.figures['pairs a second, csparc']:.3g}",
        longest.partition(",")[0].split(" ", 2)[2],
    )  # fmt: skip


def bf16_steps_table(found: Found) -> Rows:
    """The same in bfloat16, and how many times as fast as csparc's own float32."""
    head, *_ = steps_table(Found([]))
    rows: Rows = [(*head[:5], "times own float32", *head[5:])]
    for name in STEPS:
        case = f"{name}-bf16"
        row = steps_row(found, case)
        rows.append((*row[:5], times_own(found, f"steps/{case}"), *row[5:]))
    return rows


def times_own(found: Found, name: str) -> str:
    """How many times as fast as its own float32; empty where the case was not run."""
    try:
        result = found.result(name)
    except KeyError:
        return ""
    return f"{result.ratio(OWN):.2f}"


def threads_table(found: Found) -> Rows:
    """Steps with all threads against one."""
    rows: Rows = [("model", "B", "threads", "times one thread", "all threads", "one thread")]
    for name in ("nano", "nano-local", "tiny", "tiny-local", *STEPS[2:]):
        try:
            result = found.result(f"threads/{name}")
        except KeyError:
            rows.append((name, MISSING, *[""] * 4))
            continue
        rows.append((
            name, f"{result.figures['B']:.0f}", str(found.threads(f"threads/{name}")),
            f"{result.ratio('one thread'):.2f}",
            *(duration(result.best(each)) for each in ("all threads", "one thread")),
        ))  # fmt: skip
    return rows


def encode_table(found: Found) -> Rows:
    """Encoding: how many times as fast as each of the others."""
    return encodings(found, ("onnxruntime", "openvino", "torch"))


def bf16_encode_table(found: Found) -> Rows:
    """The same in bfloat16, which onnxruntime does not have, and csparc's own float32."""
    return encodings(found, ("openvino", "torch", OWN), "-bf16")


def encodings(found: Found, others: tuple[str, ...], suffix: str = "") -> Rows:
    """A row a case; "best of it" is the share of the peak of the fastest other program."""
    told = [f"times {name}" if name != OWN else "times own float32" for name in others]
    rows: Rows = [("what", "at once", *told, "of the peak", "best of it", "time")]
    for case, (what, count) in ENCODE.items():
        try:
            result = found.result(f"encode/{case}{suffix}")
        except KeyError:
            rows.append((what, str(count), MISSING, *[""] * 5))
            continue
        known = {name: next((n for n in result.names if n.startswith(name)), None)
                 for name in others}  # fmt: skip
        peers = [found_as for name, found_as in known.items() if found_as and name != OWN]
        best = min(peers, key=result.ratio, default="csparc")
        rows.append((
            what, str(count),
            *(MISSING if n is None else f"{result.ratio(n):.2f}" for n in known.values()),
            percent(result, "csparc"), percent(result, best),
            duration(result.best("csparc")),
        ))  # fmt: skip
    return rows
