"""What a checkpoint says about itself: JSON texts in the file's metadata, each checked."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from csparc._repr import fields_line
from csparc._text import show
from csparc.checkpoint.safetensors_file import parse_record, refuse
from csparc.data.transforms import Preprocess

FORMAT = "csparc checkpoint"
VERSION = 1


@dataclass
class Counters:
    """How far training has come."""

    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    validated_step: int = -1
    """The last step after which validation ran, -1 before the first."""
    best_step: int = -1
    best_score: float | None = None
    """What ``best`` goes by, at ``best_step``: the mean of both R@1 in per cent, or the figure that
    the run's ``val_best`` names."""

    __repr__ = fields_line


@dataclass(frozen=True)
class Metadata:
    """Everything in a checkpoint but its tensors; JSON values, ``tokenizer`` a JSON text."""

    model_config: dict[str, Any]
    preprocess: dict[str, Any]
    """Arguments of the `csparc.data.transforms.Preprocess` for evaluation."""
    loss_config: dict[str, Any] = field(default_factory=dict)
    train_config: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    """``spec``: where the training data came from. ``training`` and ``validation``: of either the
    spec, the number of pictures and `csparc.data.Dataset.fingerprint`."""
    tokenizer: str | None = None
    counters: Counters = field(default_factory=Counters)
    cursor: dict[str, Any] = field(default_factory=dict)
    """Place of the next batch: ``epoch``, ``position``, ``pictures``; empty before training."""
    init: dict[str, Any] = field(default_factory=dict)
    """What training began from (`csparc.trainer.initial.Initial.record`): ``source``, the path that
    was given, and ``blake2b`` of the file's content; empty where the weights were drawn."""

    __repr__ = fields_line

    def to_texts(self) -> dict[str, str]:
        """The metadata of the file: text to text, always in this order."""
        texts = {"format": FORMAT, "format_version": str(VERSION)}
        for key in _OBJECTS:
            value = getattr(self, key)
            texts[key] = dumps(asdict(value) if key == "counters" else value)
        if self.tokenizer is not None:
            texts["tokenizer"] = self.tokenizer
        if self.init:
            texts["init"] = dumps(self.init)
        return texts


_OBJECTS = (
    "model_config", "loss_config", "train_config", "data", "preprocess", "counters", "cursor",
)  # fmt: skip
_OPTIONAL = {"tokenizer", "init"}
_KEYS = {"format", "format_version", "crc32", *_OPTIONAL, *_OBJECTS}


def parse_metadata(path: str | os.PathLike, texts: dict[str, str]) -> tuple[Metadata, dict]:
    """Check a file's metadata against the schema.

    Returns
    -------
    Metadata
    dict
        Tensor name -> CRC-32 of its bytes.

    Raises
    ------
    CheckpointError
        Another version, a key missing, unknown or of another type.
    """
    if texts.get("format_version") != str(VERSION):
        refuse(path, f"format_version {VERSION}", show(texts.get("format_version")))
    missing, unknown = _KEYS - _OPTIONAL - set(texts), set(texts) - _KEYS
    if missing:
        refuse(path, f"metadata {sorted(missing)[0]!r}", "none")
    if unknown:
        refuse(path, f"only known metadata in version {VERSION}", show(sorted(unknown)[0]))
    records = {key: parse_record(path, key, texts[key]) for key in (*_OBJECTS, "crc32")}
    checksums = records.pop("crc32")
    _check_integers(path, "crc32", checksums, 0, (1 << 32) - 1)
    _check_cursor(path, records["cursor"])
    try:
        Preprocess(**records["preprocess"])
    except (TypeError, ValueError, ArithmeticError) as error:
        refuse(path, "preprocess as the settings of a transform", show(str(error), 120))
    records["counters"] = _counters(path, records["counters"])
    tokenizer = texts.get("tokenizer")
    if tokenizer is not None:
        parse_record(path, "tokenizer", tokenizer)
    init = parse_record(path, "init", texts.get("init", "{}"))
    if init:
        _check_keys(path, "init", init, {"source", "blake2b"})
    if not all(isinstance(value, str) for value in init.values()):
        refuse(path, "init with two texts", show(init))
    return Metadata(tokenizer=tokenizer, init=init, **records), checksums


def _counters(path: str | os.PathLike, record: dict[str, Any]) -> Counters:
    _check_keys(path, "counters", record, {f.name for f in fields(Counters)})
    score = record["best_score"]
    if score is not None and (type(score) is not float or not math.isfinite(score)):
        refuse(path, "counters best_score as a finite number or null", show(score))
    steps = {key: value for key, value in record.items() if key != "best_score"}
    _check_integers(path, "counters", steps, -1)
    for key in ("step", "epoch", "samples_seen"):
        if record[key] < 0:
            refuse(path, f"counters {key} >= 0", show(record[key]))
    return Counters(**record)


def _check_cursor(path: str | os.PathLike, record: dict[str, Any], inner: bool = False) -> None:
    if not record:
        return
    plain = {key: value for key, value in record.items() if key not in ("waiting", "others")}
    optional = {"places"} if inner else {"places", "turn"}
    _check_keys(path, "cursor", plain, {"epoch", "position", "pictures"} | (optional & set(plain)))
    _check_integers(path, "cursor", plain, 0)
    # Of a mix, whose epoch may draw a picture several times, places are counted.
    places = record.get("places", record["pictures"])
    if record["position"] > places:
        found = f"{record['position']} of {places}"
        refuse(path, "cursor position within the pictures", found)
    waiting = record.get("waiting", [])
    listed = waiting if isinstance(waiting, list) else [None]
    if not all(type(index) is int and 0 <= index < places for index in listed):
        refuse(path, "cursor waiting as a list of pictures", show(waiting))
    others = record.get("others", [])
    if (inner and others) or not isinstance(others, list) or record.get("turn", 0) > len(others):
        refuse(path, "cursor others as a list of cursors", show(others))
    for other in others:
        if not isinstance(other, dict):
            refuse(path, "cursor others as a list of cursors", show(other))
        _check_cursor(path, other, inner=True)


def _check_keys(path: str | os.PathLike, what: str, record: dict, expected: set[str]) -> None:
    if set(record) != expected:
        refuse(path, f"{what} with the keys {', '.join(sorted(expected))}", show(sorted(record)))


def _check_integers(
    path: str | os.PathLike, what: str, record: dict[str, Any], low: int, high: int = (1 << 63) - 1
) -> None:
    for key, value in record.items():
        if type(value) is not int or not low <= value <= high:
            refuse(path, f"{what} {show(key)} as a whole number from {low} to {high}", show(value))


def dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
