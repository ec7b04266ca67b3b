"""A study of two settings and two seeds that takes seconds, and lines as its units write them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from csparc.study import Study, Unit

STUDY: dict[str, Any] = {
    "name": "small",
    "claim": "On two dozen scenes nothing is learned.",
    "common": {
        "train-data": "scenes:tier=S;size=24", "model": "nano", "vocab-size": 300, "steps": 3,
        "batch-size": 8, "model-opt": {"context_length": 32},
    },
    "settings": {"clip": {"loss": "clip"}, "sparc": {"loss": "sparc"}},
    "seeds": [0, 1],
    "evaluate": {"data": "scenes:tier=S;size=8;split=test", "tasks": {"retrieval": "retrieval"}},
    "figures": [
        {"figure": "retrieval.image_to_text_R@1", "title": "R@1", "primary": True,
         "chance": "retrieval.chance.image_to_text_R@1", "ceiling": 100},
    ],
    "comparisons": [["sparc", "clip"]],
}  # fmt: skip


def write(folder: Path, study: Any) -> Path:
    """The file of a study."""
    path = folder / "study.json"
    path.write_text(json.dumps(study), encoding="utf-8")
    return path


def start(path: Path, out: Path, *words: str) -> subprocess.Popen:
    """``csparc study run`` in a process of its own."""
    command = [sys.executable, "-m", "csparc", "study", "run", str(path), "--out", str(out)]
    return subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip


def run(path: Path, out: Path, *words: str) -> str:
    """To the end; returns what it said."""
    process = start(path, out, *words)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def lines(out: Path) -> list[dict[str, Any]]:
    """The results, in the order of their units."""
    found = [json.loads(text) for text in (out / "results.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda record: (record["seed"], record["setting"]))


def record(study: Study, unit: Unit, value: float | None) -> dict[str, Any]:
    """A line of a unit with this R@1; None: it failed."""
    found = {
        "study": study.name, "setting": unit.setting, "seed": unit.seed,
        "config_hash": unit.config_hash, "evaluation_hash": unit.evaluation_hash,
        "commit": "0123456789abcdef", "changed": False,
        "trained_by": [{"version": "1", "commit": "fedcba9876543210", "changed": True}],
        "version": "1", "isa": "avx2", "threads": 1, "steps": 3,
        "training_processor_s": 2.0, "training_wall_s": 4.0, "training_peak_MB": 70.0,
        "evaluation_processor_s": 1.0, "failure": None,
        "figures": {
            "retrieval": {"image_to_text_R@1": value, "chance": {"image_to_text_R@1": 2.0}},
        },
    }  # fmt: skip
    if value is None:
        last = {"step": 2, "loss": 1.5}
        found |= {"figures": {}, "failure": {"error": "TrainingError: a | bar", "last": last}}
    return found
