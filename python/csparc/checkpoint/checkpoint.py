"""Checkpoints: weights, optimiser, position in the data, counters, configurations, tokenizer.

A checkpoint is one safetensors file. Tensors: ``model.NAME`` for every parameter of the model,
``loss.NAME`` for those a loss owns and, when training can go on from it, ``optimizer.m.NAME`` and
``optimizer.v.NAME``, and ``ema.NAME`` where averages of what was trained are kept (in these three
the names of the loss's begin with ``loss.``). Its metadata: ``metadata.py``.
Nothing is ever unpickled, and nothing is loaded before all of the file was checked.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from csparc._repr import fields_line
from csparc._text import show
from csparc.checkpoint import safetensors_file
from csparc.checkpoint.claims import loss_shapes, model_shapes
from csparc.checkpoint.folder import CheckpointFolder
from csparc.checkpoint.metadata import FORMAT, Metadata, dumps, parse_metadata
from csparc.checkpoint.safetensors_file import Header, checksum, refuse
from csparc.checkpoint.trained import Trained
from csparc.data.transforms import Preprocess
from csparc.errors import CheckpointError, DataError
from csparc.losses.registry import loss_from_config
from csparc.models import ModelConfig, TwoTower

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer
    from csparc.losses import Loss

State = Mapping[str, np.ndarray]

PARTS = {
    "model": "model.",
    "loss": "loss.",
    "first_moment": "optimizer.m.",
    "second_moment": "optimizer.v.",
    "averages": "ema.",
}


@dataclass(frozen=True)
class Checkpoint:
    """The whole content of a checkpoint; the moments are empty in one made for inference only, and
    the averages where the run keeps none."""

    metadata: Metadata
    model: State
    loss: State = field(default_factory=dict)
    first_moment: State = field(default_factory=dict)
    second_moment: State = field(default_factory=dict)
    averages: State = field(default_factory=dict)

    __repr__ = fields_line

    def in_use(self, part: str) -> State:
        """The arrays of "model" or "loss" that are used: the averages where there are any."""
        own, prefix = getattr(self, part), "loss." if part == "loss" else ""
        return {name: self.averages.get(prefix + name, array) for name, array in own.items()}

    def used(self) -> Checkpoint:
        """A copy of what `in_use` gives, without what training goes on from."""
        parts = (self.in_use(part) for part in ("model", "loss"))
        copies = ({name: array.copy() for name, array in part.items()} for part in parts)
        return Checkpoint(self.metadata, *copies)

    def write(self, file: BinaryIO) -> None:
        """Write this checkpoint: the same bits give the same file."""
        safetensors_file.write(file, *self._content())

    def encoded_size(self) -> int:
        """Bytes of the file."""
        return safetensors_file.encoded_size(*self._content())

    def _content(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        tensors = {
            prefix + name: array
            for part, prefix in PARTS.items()
            for name, array in getattr(self, part).items()
        }
        checksums = {name: checksum(array) for name, array in tensors.items()}
        return tensors, {**self.metadata.to_texts(), "crc32": dumps(checksums)}


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read and check a whole checkpoint file.

    The order is: structure of the file, metadata, names, shapes and types against the model its
    configuration describes, and only then the tensors, their checksums and that they are finite.

    Raises
    ------
    CheckpointError
        One line: the file, what was expected, what was found.
    """
    with _refusing(path):
        header = safetensors_file.read_header(path, FORMAT)
        metadata, checksums = parse_metadata(path, header.metadata)
        parts = _split(path, header)
        _check_tensors(path, metadata, header, parts)
        tensors = safetensors_file.read_tensors(path, header)
        _check_values(path, tensors, checksums)
    states = {
        part: {name: tensors[PARTS[part] + name] for name in names} for part, names in parts.items()
    }
    return Checkpoint(metadata, **states)


def read_metadata(path: str | os.PathLike) -> Metadata:
    """What a checkpoint file says about itself; its tensors are not read.

    Raises
    ------
    CheckpointError
        As `read_checkpoint`, of the header and the metadata.
    """
    with _refusing(path):
        return parse_metadata(path, safetensors_file.read_header(path, FORMAT).metadata)[0]


def find_checkpoint(path: str | os.PathLike) -> Path:
    """The file meant by ``path``: itself, or the last checkpoint of a run's folder.

    Raises
    ------
    CheckpointError
        A folder without one.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if found := checkpoints_in(path):
        return found[0]
    refuse(path, "a checkpoint file, or a folder with checkpoints/last.safetensors", "neither")


def checkpoints_in(folder: Path) -> list[Path]:
    """Those of a run's folder, or in the folder itself, the last one first."""
    places = (CheckpointFolder(place).candidates() for place in (folder / "checkpoints", folder))
    return next(filter(None, places), [])


def load_checkpoint(path: str | os.PathLike) -> Trained:
    """Load a trained model for use.

    Parameters
    ----------
    path : path
        A checkpoint file, the folder of a run (its last checkpoint is taken), or weights of CLIP or
        SigLIP that another program wrote, a file or a folder (`csparc.weights.read_weights`).

    Returns
    -------
    Trained
        A tuple of ``model`` (with the weights, or where the run kept averages of them, ``ema``,
        with those, in the dtype they were saved in), ``tokenizer`` (the
        one it was trained with; None if the checkpoint holds none) and ``metadata``
        (configurations, counters, and what it was trained on); ``loss`` beside them is the loss it
        was trained with.

    Raises
    ------
    CheckpointError
        One line: the file, what was expected, what was found. Nothing was loaded then.
    ImportError
        safetensors or tokenizers is missing: ``pip install 'csparc[train]'``.
    """
    return load_trained(path)


def load_trained(path: str | os.PathLike) -> Trained:
    """As `load_checkpoint`, with the loss the model was trained with."""
    weights = importlib.import_module("csparc.weights")  # it stands on this room
    if weights.is_foreign(path):
        return weights.load_trained(path)
    file = find_checkpoint(path)
    checkpoint = read_checkpoint(file)
    tokenizer = read_tokenizer(file, checkpoint.metadata)
    with _refusing(file):
        model = _model(checkpoint)
    if tokenizer is not None:
        for size in ("vocab_size", "context_length"):
            most, found = getattr(model.config, size), getattr(tokenizer, size)
            if found > most:
                refuse(file, f"a tokenizer with {size} of at most the model's {most}", str(found))
    return Trained(model, tokenizer, _loss(checkpoint), checkpoint.metadata)


def read_tokenizer(path: str | os.PathLike, metadata: Metadata) -> Tokenizer | None:
    """The tokenizer inside a checkpoint's metadata, None if there is none."""
    if metadata.tokenizer is None:
        return None
    from csparc.data import tokenizer

    try:
        with _refusing(path):
            return tokenizer.from_json(metadata.tokenizer)
    except DataError as error:
        raise CheckpointError(
            f"{os.fspath(path)}: expected a tokenizer, found: {show(str(error), 160)}"
        ) from error


@contextmanager
def _refusing(path: str | os.PathLike) -> Iterator[None]:
    """Around the use of what a file says: what Python cannot hold is the file's fault, too."""
    try:
        yield
    except MemoryError as error:
        raise CheckpointError(f"{os.fspath(path)}: cannot be read: not enough memory") from error
    except (ArithmeticError, RecursionError, UnicodeError) as error:
        found = show(f"{type(error).__name__}: {error}", 160)
        raise CheckpointError(
            f"{os.fspath(path)}: expected values that can be used, found: {found}"
        ) from error


def _model(checkpoint: Checkpoint) -> TwoTower:
    """The model with the checkpoint's weights, or their averages."""
    dtype = next(iter(checkpoint.model.values())).dtype
    config = ModelConfig.from_dict(checkpoint.metadata.model_config)
    model = TwoTower(config, seed=None, dtype=dtype.newbyteorder("="))
    model.load_state_dict(checkpoint.in_use("model"))
    return model


def _loss(checkpoint: Checkpoint) -> Loss | None:
    """The loss with what it learned; None where nobody registered one of its name."""
    loss = loss_from_config(checkpoint.metadata.loss_config)
    if loss is not None:
        loss.load_state_dict(checkpoint.in_use("loss"))
    return loss


def _split(path: str | os.PathLike, header: Header) -> dict[str, list[str]]:
    """Names of the tensors of each part, without the part's prefix, in the file's order."""
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in header.tensors:
        part = next((part for part, prefix in PARTS.items() if name.startswith(prefix)), None)
        if part is None:
            refuse(path, f"tensor names with {' or '.join(PARTS.values())}", show(name))
        parts[part].append(name[len(PARTS[part]) :])
    if set(parts["first_moment"]) != set(parts["second_moment"]):
        odd = sorted(set(parts["first_moment"]) ^ set(parts["second_moment"]))[0]
        refuse(path, "both optimizer.m and optimizer.v of a parameter", f"one of {show(odd)}")
    averages, trained = set(parts["averages"]), set(parts["first_moment"])
    if averages and averages != trained:
        odd = sorted(averages ^ trained)[0]
        refuse(
            path, "an average of every parameter that is trained", f"a difference at {show(odd)}"
        )
    return parts


def _check_tensors(
    path: str | os.PathLike, metadata: Metadata, header: Header, parts: dict[str, list[str]]
) -> None:
    """Names, shapes and types of all parts against the model and loss the metadata describe."""
    dtypes = {header.tensors[PARTS["model"] + name].dtype for name in parts["model"]}
    if len(dtypes) != 1:
        refuse(path, "one dtype in all of the model", " and ".join(sorted(map(str, dtypes))))
    held = {
        part: [header.tensors[PARTS[part] + name] for name in parts[part]]
        for part in ("model", "loss")
    }
    model = model_shapes(path, metadata.model_config, held["model"])
    side = ModelConfig.from_dict(metadata.model_config).image_size
    found = Preprocess(**metadata.preprocess)
    if (found.height, found.width) != (side, side):
        refuse(path, f"preprocess to the model's {side} x {side} pixels", repr(found))
    loss = loss_shapes(path, metadata.loss_config, held["loss"])
    _check_names(path, "parameters of the model in model_config", parts["model"], model)
    _check_names(path, "parameters of the loss in loss_config", parts["loss"], loss)
    wanted = {name: (shape, *dtypes) for name, shape in model.items()}
    wanted |= {f"loss.{name}": (shape, np.dtype("<f4")) for name, shape in loss.items()}
    for part, names in parts.items():
        for name in names:
            key = f"loss.{name}" if part == "loss" else name
            tensor = show(PARTS[part] + name)
            if key not in wanted:
                refuse(path, "state of the parameters", f"also {tensor}")
            (shape, dtype), entry = wanted[key], header.tensors[PARTS[part] + name]
            if entry.shape != shape:
                refuse(path, f"tensor {tensor} of shape {show(shape)}", show(entry.shape))
            if entry.dtype != dtype:
                refuse(path, f"tensor {tensor} of dtype {dtype}", str(entry.dtype))


def _check_names(
    path: str | os.PathLike, what: str, found: list[str], shapes: dict[str, tuple[int, ...]]
) -> None:
    missing, unknown = sorted(set(shapes) - set(found)), sorted(set(found) - set(shapes))
    if missing or unknown:
        odd = f"no {show(missing[0])}" if missing else f"also {show(unknown[0])}"
        refuse(path, f"the {len(shapes)} {what}", odd)


def _check_values(
    path: str | os.PathLike, tensors: dict[str, np.ndarray], checksums: dict[str, Any]
) -> None:
    if set(checksums) != set(tensors):
        odd = sorted(set(checksums) ^ set(tensors))[0]
        refuse(path, "a crc32 for every tensor and no other", f"a difference at {show(odd)}")
    for name, array in tensors.items():
        if checksum(array) != checksums[name]:
            refuse(path, f"tensor {show(name)} with crc32 {checksums[name]}", f"{checksum(array)}")
        if not np.isfinite(array).all():
            refuse(path, f"finite numbers in tensor {show(name)}", "NaN or infinity")
