"""Checkpoints: what is written comes back, whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap

import checkpoints
import numpy as np
import pytest
from checkpoints import small_checkpoint, take_apart, write_checkpoint
from safetensors import safe_open

from csparc.checkpoint.checkpoint import PARTS, find_checkpoint, read_checkpoint
from csparc.checkpoint.folder import CheckpointFolder, write_atomically
from csparc.errors import CheckpointError
from csparc.trainer import load_checkpoint


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_comes_back(dtype, tmp_path):
    written = small_checkpoint(dtype)
    read = read_checkpoint(write_checkpoint(tmp_path / "a.safetensors", written))
    assert read.metadata == written.metadata
    for part in PARTS:
        mine, theirs = getattr(written, part), getattr(read, part)
        assert list(mine) == list(theirs)
        for name in mine:
            assert theirs[name].dtype == dtype
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_the_same_bits_give_the_same_file(tmp_path):
    first = write_checkpoint(tmp_path / "a.safetensors").read_bytes()
    second = write_checkpoint(tmp_path / "b.safetensors").read_bytes()
    assert first == second
    assert len(first) == small_checkpoint().encoded_size()


def test_the_library_reads_it(tmp_path):
    path = write_checkpoint(tmp_path / "a.safetensors")
    checkpoint = small_checkpoint()
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "csparc checkpoint"
        for name, array in checkpoint.model.items():
            np.testing.assert_array_equal(file.get_tensor(f"model.{name}"), array)


def test_load_gives_model_tokenizer_and_metadata(tmp_path):
    written = small_checkpoint()
    model, tokenizer, metadata = load_checkpoint(
        write_checkpoint(tmp_path / "a.safetensors", written)
    )
    assert metadata == written.metadata
    assert tokenizer.to_json() == written.metadata.tokenizer
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, written.model[name])


def test_a_checkpoint_for_use_alone(tmp_path):
    whole = small_checkpoint()
    metadata = type(whole.metadata)(
        model_config=whole.metadata.model_config, preprocess=whole.metadata.preprocess
    )
    path = write_checkpoint(tmp_path / "a.safetensors", type(whole)(metadata, whole.model))
    model, tokenizer, _ = load_checkpoint(path)
    assert tokenizer is None
    assert list(model.state_dict()) == list(whole.model)


def test_counters_do_not_change_the_size(tmp_path):
    small = small_checkpoint()
    large = small_checkpoint()
    large.metadata.counters.samples_seen = 10**15
    assert small.encoded_size() == large.encoded_size()
    header, _ = take_apart(write_checkpoint(tmp_path / "a.safetensors", large).read_bytes())
    assert json.loads(header["__metadata__"]["counters"])["samples_seen"] == 10**15


# The folder --------------------------------------------------------------------------------------


def _text(text: str):
    return lambda file: file.write(text.encode())


def _fail(file) -> None:
    file.write(b"half of it")
    raise OSError(28, "No space left on device")


def test_last_becomes_previous(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for text in ("one", "a much longer two", "three"):
        folder.save_last(_text(text))
    assert folder.last.read_text() == "three"
    assert folder.previous.read_text() == "a much longer two"
    assert folder.candidates() == [folder.last, folder.previous]


def test_a_failed_save_leaves_both(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save_last(_text("one"))
    folder.save_last(_text("two"))
    with pytest.raises(OSError, match="No space"):
        folder.save_last(_fail)
    assert (folder.last.read_text(), folder.previous.read_text()) == ("two", "one")
    folder.save_last(_text("three"))
    assert (folder.last.read_text(), folder.previous.read_text()) == ("three", "two")


def test_a_failed_replacement_leaves_the_old_file(tmp_path):
    path = tmp_path / "best.safetensors"
    write_atomically(path, _text("old"))
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, _fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["best.safetensors"]


@pytest.mark.parametrize("stop_at", range(4))
def test_a_kill_between_two_renames_leaves_a_whole_file(stop_at, tmp_path, monkeypatch):
    """os.replace number ``stop_at`` never happens: what is found is one of the last two saves."""
    folder = CheckpointFolder(tmp_path)
    for text in ("one", "two"):
        folder.save_last(_text(text))
    calls, replace = [], os.replace

    def killed(*args):
        calls.append(args)
        if len(calls) > stop_at:
            raise KeyboardInterrupt
        replace(*args)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.save_last(_text("three"))
    monkeypatch.undo()
    assert len(calls) == stop_at + 1
    newest = CheckpointFolder(tmp_path).candidates()[0].read_text()
    assert newest == ("three" if stop_at == 3 else "two")
    folder.create()
    assert not list(tmp_path.glob("*.tmp"))


def test_room_is_kept_for_the_next_save(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.reserve(1 << 20)
    spare = tmp_path / "spare.tmp"
    assert spare.stat().st_blocks * 512 >= 1 << 20
    for number in range(3):
        folder.save_last(_text(str(number) * (1 << 20)))
        folder.keep_room()
        assert spare.stat().st_blocks * 512 >= 1 << 20
    folder.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "last.safetensors", "previous.safetensors",
    ]  # fmt: skip


def test_a_folder_stands_for_its_last_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path / "run" / "checkpoints")
    folder.create()
    folder.save_last(small_checkpoint().write)
    for path in (tmp_path / "run", folder.folder, folder.last):
        assert find_checkpoint(path) == folder.last
    folder.save_last(small_checkpoint().write)
    folder.last.unlink()
    assert find_checkpoint(tmp_path / "run") == folder.previous


def test_a_file_system_that_refuses_more_bytes(tmp_path):
    """A real short write: the process may not write files as large as the new one."""
    script = textwrap.dedent(
        """
        import resource, sys
        sys.path.insert(0, sys.argv[2])
        from checkpoints import small_checkpoint
        from csparc.checkpoint.folder import CheckpointFolder
        folder, checkpoint = CheckpointFolder(sys.argv[1]), small_checkpoint()
        folder.save_last(checkpoint.write)
        limit = checkpoint.encoded_size() // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            folder.save_last(checkpoint.write)
        except OSError as error:
            print("refused")
        """
    )
    here = os.path.dirname(checkpoints.__file__)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), here], capture_output=True, text=True
    )
    assert done.stdout == "refused\n", done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    read_checkpoint(CheckpointFolder(tmp_path).last)


def test_nothing_is_loaded_from_a_damaged_file(tmp_path):
    path = write_checkpoint(tmp_path / "a.safetensors")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="crc32"):
        load_checkpoint(path)
