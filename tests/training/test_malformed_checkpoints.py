"""Broken checkpoint files: each is one line of CheckpointError, and nothing else."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc

import numpy as np
import pytest
from checkpoints import put_together, small_checkpoint, take_apart, write_checkpoint

from csparc import load_checkpoint
from csparc.checkpoint.safetensors_file import checksum
from csparc.errors import CheckpointError

WEIGHT = "model.token_embedding.weight"
MOMENT = "optimizer.m.token_embedding.weight"
SCALE = "model.logit_scale"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    return write_checkpoint(tmp_path_factory.mktemp("whole") / "whole.safetensors").read_bytes()


# Breaking the bytes ------------------------------------------------------------------------------

BYTES = {
    "an empty file": lambda raw: b"",
    "four bytes": lambda raw: raw[:4],
    "a length and no header": lambda raw: raw[:8],
    "half a header": lambda raw: raw[:500],
    "the header without the tensors": lambda raw: put_together(take_apart(raw)[0], b""),
    "the last byte missing": lambda raw: raw[:-1],
    "a byte too many": lambda raw: raw + b"\0",
    "half of the file": lambda raw: raw[: len(raw) // 2],
    "zeros": lambda raw: bytes(len(raw)),
    "a header length of 0": lambda raw: struct.pack("<Q", 0) + raw[8:],
    "a header length of 2^64 - 1": lambda raw: b"\xff" * 8 + raw[8:],
    "a header length beyond the file": lambda raw: struct.pack("<Q", len(raw)) + raw[8:],
    "a header length beyond the limit": lambda raw: struct.pack("<Q", 100_000_001) + raw[8:],
    "a header one byte short": lambda raw: struct.pack("<Q", _length(raw) - 4096) + raw[8:],
    "a pickle": lambda raw: b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "a PyTorch file": lambda raw: b"PK\x03\x04" + bytes(26) + b"archive/data.pkl" + raw[4:],
    "a Git LFS pointer": lambda raw: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "an HTML page": lambda raw: b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>",
    "a text": lambda raw: b"step,loss\n1,2.5\n" * 20,
    "a zip": lambda raw: b"PK\x03\x04" + raw[4:],
    "a header that begins with other bytes": lambda raw: put_together(b"\x01\xff\x02", b""),
    "a header that is no UTF-8": lambda raw: put_together(b'{"\xff\xfe":1}', b""),
    "a header that is no JSON": lambda raw: put_together(b'{"__metadata__":', b""),
    "a header that is a list": lambda raw: put_together(b"[]", b""),
    "a header nested too deeply": lambda raw: put_together(b'{"a":' * 100_000, b""),
    "a header with NaN": lambda raw: put_together(b'{"__metadata__":NaN}', b""),
    "a number of 5000 digits": lambda raw: put_together(b'{"a":' + b"9" * 5000 + b"}", b""),
    "one name twice": lambda raw: put_together(
        json.dumps(take_apart(raw)[0])[:-1].encode() + b',"__metadata__":{}}', take_apart(raw)[1]
    ),
    "only an empty header": lambda raw: put_together({}, b""),
    "a flipped bit in a weight": lambda raw: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:],
    "a block of the tensors lost": lambda raw: raw[:-4096] + bytes(4096),
}


def _length(raw: bytes) -> int:
    return struct.unpack("<Q", raw[:8])[0]


# Breaking the header -----------------------------------------------------------------------------


def _set(*path, value):
    def change(header: dict) -> None:
        for key in path[:-1]:
            header = header[key]
        header[path[-1]] = value

    return change


def _drop(*path):
    def change(header: dict) -> None:
        for key in path[:-1]:
            header = header[key]
        del header[path[-1]]

    return change


def _text(key: str, change):
    """Change the JSON inside a metadata text."""

    def apply(header: dict) -> None:
        record = json.loads(header["__metadata__"][key])
        change(record)
        header["__metadata__"][key] = json.dumps(record)

    return apply


def _swap(header: dict) -> None:
    header[WEIGHT]["shape"].reverse()


def _shift(header: dict) -> None:
    for entry in header.values():
        if "data_offsets" in entry:
            entry["data_offsets"] = [offset + 4 for offset in entry["data_offsets"]]


def _overlap(header: dict) -> None:
    header[MOMENT]["data_offsets"] = header[WEIGHT]["data_offsets"]


def _deep_stem(config: dict) -> None:
    """A picture halved more often than the file has tensors."""
    config.update(image_stem="conv", patch_size=1 << 200, image_size=1 << 200)


def _rename(old: str, new: str):
    def change(header: dict) -> None:
        header[new] = header.pop(old)

    return change


HEADER = {
    "an unknown dtype": _set(WEIGHT, "dtype", value="F31"),
    "a dtype no model has": _set(WEIGHT, "dtype", value="I32"),
    "a dtype that is a list": _set(WEIGHT, "dtype", value=["F32"]),
    "a dtype of another size": _set(WEIGHT, "dtype", value="F64"),
    "a shape with sides exchanged": _swap,
    "a negative size": _set(WEIGHT, "shape", value=[-1, 64]),
    "a size that is no integer": _set(WEIGHT, "shape", value=[270.0, 64]),
    "a size that is true": _set(SCALE, "shape", value=[True]),
    "a size of 2^63": _set(WEIGHT, "shape", value=[1 << 63]),
    "sizes whose product overflows": _set(WEIGHT, "shape", value=[1 << 62, 1 << 62, 4]),
    "a shape of rank 9": _set(SCALE, "shape", value=[1] * 9),
    "a shape that is a text": _set(WEIGHT, "shape", value="270x64"),
    "offsets backwards": _set(WEIGHT, "data_offsets", value=[64, 0]),
    "offsets beyond the file": _set(WEIGHT, "data_offsets", value=[1 << 40, (1 << 40) + 4]),
    "negative offsets": _set(WEIGHT, "data_offsets", value=[-4, 0]),
    "one offset": _set(WEIGHT, "data_offsets", value=[0]),
    "tensors that overlap": _overlap,
    "a gap before the first tensor": _shift,
    "an entry without offsets": _drop(WEIGHT, "data_offsets"),
    "an entry with more keys": _set(WEIGHT, "stride", value=[1]),
    "an entry that is a number": _set(WEIGHT, value=7),
    "a name of no part": _rename(WEIGHT, "weights.token_embedding.weight"),
    "a name the model lacks": _rename(WEIGHT, "model.token_embedding.bias"),
    "one moment of a parameter": _rename(MOMENT, "optimizer.m.token_embedding.bias"),
    "no metadata": _drop("__metadata__"),
    "metadata that is a list": _set("__metadata__", value=[]),
    "metadata that holds a number": _set("__metadata__", "format_version", value=1),
    "another format": _set("__metadata__", "format", value="pt"),
    "a later version": _set("__metadata__", "format_version", value="2"),
    "metadata without counters": _drop("__metadata__", "counters"),
    "metadata of a later version": _set("__metadata__", "ema", value="{}"),
    "a text that is no JSON": _set("__metadata__", "counters", value="{'step': 3}"),
    "a text of another kind": _set("__metadata__", "model_config", value="[]"),
    "a negative step": _text("counters", _set("step", value=-1)),
    "a step that is a text": _text("counters", _set("step", value="3")),
    "a score that is no number": _text("counters", _set("best_score", value="high")),
    "an unknown counter": _text("counters", _set("steps", value=3)),
    "a cursor beyond the pictures": _text("cursor", _set("position", value=17)),
    "a cursor waiting for nothing there is": _text("cursor", _set("waiting", value=[3, 16])),
    "a cursor waiting for a number": _text("cursor", _set("waiting", value=3)),
    "a cursor without an epoch": _text("cursor", _drop("epoch")),
    "a model of another width": _text("model_config", _set("context_length", value=9)),
    "a model as large as a planet": _text("model_config", _set("context_length", value=1 << 50)),
    "a stem deeper than the file": _text("model_config", _deep_stem),
    "a model setting nobody knows": _text("model_config", _set("soul", value=1)),
    "a picture of size 0": _text("preprocess", _set("size", value=0)),
    "pictures larger than the model's": _text("preprocess", _set("size", value=1 << 20)),
    "a transform setting nobody knows": _text("preprocess", _set("blur", value=1)),
    "a loss setting nobody knows": _text("loss_config", _set("sgima", value=1)),
    "a loss that should own a parameter": _text("loss_config", _set("loss", value="siglip")),
    "a checksum missing": _text("crc32", _drop(WEIGHT)),
    "a checksum that is a text": _text("crc32", _set(WEIGHT, value="0")),
    "a tokenizer that is no tokenizer": _set("__metadata__", "tokenizer", value='{"a": 1}'),
    "a tokenizer of longer rows": _text("tokenizer", _set("context_length", value=9)),
    "a beginning without its content": _set("__metadata__", "init", value='{"source": "x"}'),
    "a beginning that is a number": _set(
        "__metadata__", "init", value='{"source": 1, "blake2b": "0"}'
    ),
    "a beginning that is no JSON": _set("__metadata__", "init", value="x"),
    "a tokenizer cut off": _set("__metadata__", "tokenizer", value='{"a": '),
}


KINDS = {
    "an empty file": "an empty file",
    "zeros": "a file of zero bytes",
    "a pickle": "a pickle, as old PyTorch checkpoints are",
    "a PyTorch file": "a PyTorch checkpoint",
    "a Git LFS pointer": "a Git LFS pointer",
    "an HTML page": "an HTML page",
    "a zip": "a zip archive",
    "a text": "a text file",
    "a header that begins with other bytes": "another kind of file",
    "only an empty header": "a safetensors file of another program (no tensors)",
}
"""Of broken bytes, what their message calls them."""

HUGE = 10**400

CLAIMS = {
    **{
        f"{count} prototypes": _text(
            "loss_config", lambda record, count=count: record.update(loss="mgca", embed_dim=64,
                                                                     prototypes=count)
        )
        for count in (1 << 23, 1 << 40, HUGE)
    },
    **{
        f"{side} of {count} layers": _text("model_config", _set(side, "layers", value=count))
        for side in ("image", "text")
        for count in (200_000, 1 << 50, HUGE)
    },
    **{
        f"a {field} of {size}": _text("model_config", _set(field, value=size))
        for field in ("vocab_size", "shared_width", "context_length", "mlp_ratio", "image_size")
        for size in (1 << 31, 1 << 62, HUGE)
    },
    "a mean too large for a float": _text("preprocess", _set("mean", value=[HUGE, 0, 0])),
    "a deviation too large for a float": _text("preprocess", _set("std", value=[1, HUGE, 1])),
    "a scale of a loss too large for a float": _text(
        "loss_config", lambda record: record.update(loss="sparc", local_logit_scale=HUGE)
    ),
    "a bias too large for a float": _text(
        "loss_config", lambda record: record.update(loss="siglip", logit_bias=HUGE)
    ),
    "a loss called by lists of lists": _text(
        "loss_config", _set("loss", value=json.loads("[" * 300 + "]" * 300))
    ),
    "half a surrogate as a token": _text("tokenizer", _set("sot_token", value="\ud800")),
    "a tokenizer that makes the library panic": _text(
        "tokenizer", _set("tokenizer", "model", "continuing_subword_prefix", value="x" * 100_000)
    ),
}  # fmt: skip
"""What metadata claim that the file does not hold, or that nothing can hold."""


def _refused(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert type(caught.value) is CheckpointError
    message = str(caught.value)
    assert message.startswith(f"{path}: "), message
    assert "\n" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize("kind", BYTES)
def test_broken_bytes(kind, whole, tmp_path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(BYTES[kind](whole))
    message = _refused(path)
    assert "expected" in message
    assert KINDS.get(kind, "") in message


@pytest.mark.parametrize("kind", CLAIMS)
def test_a_claim_costs_nothing(kind, whole, tmp_path, capfd):
    """Neither memory nor time: it is compared with what the file holds before anything is made."""
    header, data = take_apart(whole)
    CLAIMS[kind](header)
    path = tmp_path / "claims.safetensors"
    path.write_bytes(put_together(header, data))
    tracemalloc.start()
    begun = time.process_time()
    message = _refused(path)
    spent = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "expected" in message
    assert spent < 5
    assert peak < 64 << 20
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("count", [50_000, 150_000])
def test_empty_tensors_cost_what_their_names_do(count, whole, tmp_path):
    """They back a model of many layers, too."""
    header, data = take_apart(whole)
    end = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    header |= {f"model.visual.{number}": end for number in range(count)}
    _text("model_config", _set("image", "layers", value=200_000))(header)
    path = tmp_path / "many.safetensors"
    path.write_bytes(put_together(header, data))
    begun = time.process_time()
    message = _refused(path)
    assert "at most 100000 tensors" in message or "asks for more" in message
    assert time.process_time() - begun < 10


FOREIGN = {
    "without metadata": (None, "F32"),
    "of open_clip": ({"format": "pt"}, "F32"),
    "in half precision": ({"format": "pt"}, "F16"),
    "in bfloat16": (None, "BF16"),
    "of integers": (None, "I64"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_safetensors_of_another_program_are_called_so(kind, tmp_path):
    metadata, dtype = FOREIGN[kind]
    nbytes = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}[dtype]
    header = {"visual.proj": {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * nbytes]}}
    if metadata is not None:
        header["__metadata__"] = metadata
    path = tmp_path / "open_clip_model.safetensors"
    path.write_bytes(put_together(header, bytes(2 * nbytes)))
    message = _refused(path)
    assert "a safetensors file of another program" in message
    assert "visual.proj" in message


@pytest.mark.parametrize("error", [MemoryError(), OverflowError("too large"), RecursionError("")])
def test_what_reading_raises_is_one_line(error, whole, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "whole.safetensors"
    path.write_bytes(whole)
    monkeypatch.setattr("csparc.checkpoint.safetensors_file.read_tensors", fail)
    _refused(path)


@pytest.mark.parametrize("kind", HEADER)
def test_broken_header(kind, whole, tmp_path):
    header, data = take_apart(whole)
    HEADER[kind](header)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(put_together(header, data))
    assert "expected" in _refused(path)


def test_the_tools_leave_a_whole_file_whole(whole, tmp_path):
    path = tmp_path / "whole.safetensors"
    path.write_bytes(put_together(*take_apart(whole)))
    model, tokenizer, metadata = load_checkpoint(path)
    assert metadata.counters.step == 3
    assert tokenizer.vocab_size == model.config.vocab_size


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite(value, tmp_path):
    checkpoint = small_checkpoint()
    checkpoint.model["token_embedding.weight"][1, 2] = value
    message = _refused(write_checkpoint(tmp_path / "a.safetensors", checkpoint))
    assert "token_embedding.weight" in message


def test_half_of_the_model_in_float64(tmp_path):
    checkpoint = small_checkpoint()
    name = "token_embedding.weight"
    mixed = {**checkpoint.model, name: checkpoint.model[name].astype(np.float64)}
    broken = type(checkpoint)(checkpoint.metadata, mixed)
    assert "float64" in _refused(write_checkpoint(tmp_path / "a.safetensors", broken))
    assert checksum(mixed[name]) != checksum(checkpoint.model[name])


def test_a_folder_without_checkpoints(tmp_path):
    assert "expected a checkpoint file, or a folder" in _refused(tmp_path)


def test_a_missing_file(tmp_path):
    assert "no such file" in _refused(tmp_path / "none.safetensors")


def test_random_damage_is_refused_or_harmless(whole, tmp_path, rng):
    """Whatever bytes are changed, nothing but CheckpointError comes out."""
    path = tmp_path / "damaged.safetensors"
    refused = 0
    for _ in range(60):
        raw = bytearray(whole)
        for place in rng.integers(0, 6000, size=3):
            raw[place] = rng.integers(0, 256)
        path.write_bytes(raw)
        try:
            load_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > 40
