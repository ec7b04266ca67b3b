"""A tower with csparc's weights in programs that run models: onnxruntime, OpenVINO, torch.compile.

Each call takes the arrays csparc takes and gives the vectors of pictures or captions, float32, with
``rounded`` computed in bfloat16 by what has it: torch under autocast, OpenVINO by its hint.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

Arrays = tuple[np.ndarray, ...]


class Vector(torch.nn.Module):
    """A tower that gives the global vector alone, as `encode_image` and `encode_text` do."""

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, *inputs):
        return self.tower(*inputs)[1]


def calls(
    tower: torch.nn.Module, inputs: Arrays, threads: int, folder: Path, rounded: bool = False
) -> tuple[dict[str, Callable[[], np.ndarray]], dict[str, str]]:
    """By name what is installed, and a note on what is not or does not take the model."""
    torch.set_num_threads(threads)
    model = Vector(tower).eval()
    version = torch.__version__.partition("+")[0]
    found = {f"torch {version} compiled": compiled(model, inputs, rounded)}
    notes = {}
    path = folder / "tower.onnx"
    if importlib.util.find_spec("onnxscript") is None:
        return found, {"onnxruntime, openvino": "not installed: pip install 'csparc[bench]'"}
    export(model, inputs, path)
    programs = {"onnxruntime": in_onnxruntime, "openvino": partial(in_openvino, rounded=rounded)}
    if rounded:
        del programs["onnxruntime"]
        notes["onnxruntime"] = "has no products of bfloat16 on this processor"
    for name, make in programs.items():
        if importlib.util.find_spec(name) is None:
            notes[name] = "not installed: pip install 'csparc[bench]'"
        else:
            label, call = make(path, inputs, threads)
            found[label] = call
    return found, notes


def compiled(model: torch.nn.Module, inputs: Arrays, rounded: bool) -> Callable[[], np.ndarray]:
    call = torch.compile(model, fullgraph=True, dynamic=False)
    tensors = [torch.from_numpy(x) for x in inputs]

    def run() -> np.ndarray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            return call(*tensors).float().numpy()

    return run


def export(model: torch.nn.Module, inputs: Arrays, path: Path) -> None:
    """The model for these shapes, as ONNX."""
    tensors = tuple(torch.from_numpy(x) for x in inputs)
    torch.onnx.export(model, tensors, path, dynamo=True, verbose=False)


def in_onnxruntime(path: Path, inputs: Arrays, threads: int) -> tuple[str, Callable]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    fed = {entry.name: x for entry, x in zip(session.get_inputs(), inputs)}
    return f"onnxruntime {onnxruntime.__version__}", lambda: session.run(None, fed)[0]


def in_openvino(path: Path, inputs: Arrays, threads: int, *, rounded: bool) -> tuple[str, Callable]:
    import openvino

    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if rounded else "f32",
    }  # fmt: skip
    model = openvino.Core().compile_model(path, "CPU", settings)
    fed = list(inputs)
    version = openvino.__version__.partition("-")[0]
    return f"openvino {version}", lambda: np.asarray(model(fed)[0])
