"""Files with weights: which one is meant, its tensors, and the configurations beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from csparc._extras import require
from csparc._json import read_json
from csparc._repr import line
from csparc._text import reason_of, show
from csparc.checkpoint import safetensors_file
from csparc.checkpoint.checkpoint import checkpoints_in
from csparc.checkpoint.metadata import FORMAT
from csparc.checkpoint.safetensors_file import refuse
from csparc.errors import CheckpointError, DataError
from csparc.weights import hugging_face, open_clip
from csparc.weights.layouts import Layout, layout_of
from csparc.weights.rules import Shape

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
IN_A_FOLDER = (
    open_clip.WEIGHTS, hugging_face.WEIGHTS, open_clip.TORCH_WEIGHTS, hugging_face.TORCH_WEIGHTS,
)  # fmt: skip
"""Names of weights in a folder, looked for in this order."""
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")


class Source:
    """The tensors of one file by name, without prefixes that wrappers of a model leave.

    ``shapes`` has the shape of each; ``read`` gives one, float32 or float64.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        if path.suffix in TORCH_SUFFIXES:
            tensors = _torch_tensors(self.path)
            self._names = _bare_names({name: name for name in tensors})
            self._read = lambda name: _floats(self.path, name, tensors[name])
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        else:
            header = safetensors_file.read_header(self.path, None)
            self._names = _bare_names({name: name for name in header.tensors})
            self._read = lambda name: safetensors_file.read_floats(self.path, header, name)
            shapes = {name: entry.shape for name, entry in header.tensors.items()}
        self.shapes: dict[str, Shape] = {bare: shapes[n] for bare, n in self._names.items()}
        self.layout = self._layout()

    def __repr__(self) -> str:
        return line(self, os.path.basename(self.path), tensors=len(self.shapes))

    def _layout(self) -> Layout:
        found = layout_of(set(self.shapes))
        if found is None:
            names = ", ".join(show(name) for name in sorted(self.shapes)[:3]) or "no tensor"
            refuse(
                self.path,
                "weights of CLIP or SigLIP as open_clip or Hugging Face lays them out",
                f"{len(self.shapes)} tensors ({names}, ...)",
            )
        return found

    def read(self, name: str) -> np.ndarray:
        """One tensor.

        Raises
        ------
        CheckpointError
            It cannot be read, is not of floating-point numbers, or holds NaN or infinity.
        """
        array = self._read(self._names[name])
        if not np.isfinite(array).all():
            refuse(self.path, f"finite numbers in tensor {show(name)}", "NaN or infinity")
        return array


def _bare_names(names: dict[str, str]) -> dict[str, str]:
    """Without what DistributedDataParallel and torch.compile put before every name, and without
    open_clip's ``text.`` where the image tower is CLIP's."""
    for prefix in _PREFIXES:
        if names and all(name.startswith(prefix) for name in names):
            names = {name[len(prefix) :]: full for name, full in names.items()}
    if "text.token_embedding.weight" in names and "visual.class_embedding" in names:
        names = {name.removeprefix("text."): full for name, full in names.items()}
    return names


def _torch_tensors(path: str) -> dict[str, Any]:
    """The tensors of a file that torch wrote, through its weights-only loader."""
    if not os.path.isfile(path):
        refuse(path, "a file with weights", "no such file")
    torch = require("torch", extra="torch")
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path}: expected weights that torch.load takes with weights_only=True, found: "
            f"{show(reason_of(error), 160)} (a TorchScript archive, such as OpenAI's own files, "
            "holds a program: save its state_dict())"
        ) from error
    for key in _WRAPPERS:
        if isinstance(record, Mapping) and isinstance(record.get(key), Mapping):
            record = record[key]
    if not isinstance(record, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in record.items()
    ):
        refuse(path, "a state dict of tensors", f"{type(record).__name__}")
    return dict(record)


def _floats(path: str, name: str, tensor: Any) -> np.ndarray:
    if not tensor.is_floating_point():
        refuse(path, f"tensor {show(name)} of floating-point numbers", f"{tensor.dtype}")
    array = tensor.detach().double() if tensor.element_size() == 8 else tensor.detach().float()
    return array.numpy()


def find_weights(path: str | os.PathLike) -> Path:
    """The file meant by ``path``: itself, or the weights in a folder.

    Raises
    ------
    CheckpointError
        A folder without any.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    for name in IN_A_FOLDER:
        if (path / name).is_file():
            return path / name
    shards = sorted(path.glob("*.index.json"))
    found = f"weights in several files ({shards[0].name})" if shards else "none"
    refuse(path, f"a file with weights: {', '.join(IN_A_FOLDER)}", found)


def is_foreign(path: str | os.PathLike) -> bool:
    """Whether ``path`` is, or is a folder with, a file of a layout that other programs write; False
    for csparc's own checkpoints and for what is neither."""
    path = Path(path)
    if path.is_dir():
        theirs = any((path / name).is_file() for name in IN_A_FOLDER)
        return theirs and not checkpoints_in(path)
    if path.suffix in TORCH_SUFFIXES:
        return path.is_file()
    try:
        header = safetensors_file.read_header(path, None)
    except CheckpointError:
        return False
    names = set(_bare_names({name: name for name in header.tensors}))
    return header.metadata.get("format") != FORMAT and layout_of(names) is not None


def beside(path: str, names: tuple[str, ...]) -> Path | None:
    """The first of these files in the folder of a file; None where there is none."""
    folder = Path(path).parent
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_record(path: Path) -> Any:
    """A JSON file; what is wrong is a CheckpointError."""
    try:
        return read_json(path, "a configuration in JSON", unique_keys=True)
    except DataError as error:
        raise CheckpointError(str(error)) from error
