"""Heads trained on features are those of locked towers; features are written once and checked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_training
from small_training import scenes

from csparc.checkpoint.checkpoint import load_trained
from csparc.data import Mixed
from csparc.data.loading.loader import Loader
from csparc.errors import DataError
from csparc.features import FrozenFeatures, write_features
from csparc.features.manifest import MODEL, NAME
from csparc.losses import LOSSES, make_loss
from csparc.models import frozen
from csparc.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:the loss reads no image_global")
TRAIN = {**small_training.SETTINGS, "steps": 6, "val_frequency": 3, "save_frequency": 2}


@pytest.fixture(scope="module")
def folder(trained_run, tmp_path_factory) -> Path:
    """Features of the training scenes as float32, in shards of 16."""
    return written(trained_run, tmp_path_factory.mktemp("features") / "train", dtype="float32")


def written(run: Path, out: Path, data=None, **options) -> Path:
    given = {"shard_size": 16, "batch_size": 8, **options}
    write_features(load_trained(run), data or scenes(), out, **given)
    return out


def on_pictures(run: Path, loss: str, out=None, data=None, **settings) -> Trainer:
    """Training with the towers locked, as the features' run does without them."""
    trained = load_trained(run)
    frozen.lock_towers(trained.model)
    given = {"val_data": scenes(8, "val"), **TRAIN, **settings}
    return Trainer(
        trained.model, make_loss(loss), data or scenes(), tokenizer=trained.tokenizer, out=out,
        **given,
    )  # fmt: skip


def on_features(folder: Path, loss: str, **settings) -> Trainer:
    return on_pictures(folder / MODEL, loss, data=FrozenFeatures(folder), **settings)


def weights(trainer: Trainer) -> dict[str, np.ndarray]:
    trainer.run()
    own = {f"loss.{name}": p.data for name, p in trainer.loss.parameters.items()}
    return {**trainer.model.state_dict(), **own}


def differences(found: dict, wanted: dict) -> float:
    assert found.keys() == wanted.keys()
    return max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted)


@pytest.mark.parametrize("loss", LOSSES)
def test_heads_are_those_of_locked_towers(loss, trained_run, folder):
    before = load_trained(trained_run).model.state_dict()
    wanted = weights(on_pictures(trained_run, loss, val_data=None))
    found = weights(on_features(folder, loss, val_data=None))
    assert differences(found, wanted) <= 1e-5
    changed = {name for name in before if not np.array_equal(before[name], found[name])}
    assert changed
    assert all(map(frozen.is_head, changed))


def test_the_flags_that_lock_towers_lock_the_same(trained_run, folder):
    trained = load_trained(trained_run)
    locked = {"lock_image": True, "lock_image_unlocked_groups": 1}
    locked |= {"lock_text": True, "lock_text_unlocked_layers": 1}
    run = Trainer(
        trained.model, "sparc", scenes(), tokenizer=trained.tokenizer, **TRAIN, **locked
    )  # fmt: skip
    wanted, found = weights(run), weights(on_features(folder, "sparc", val_data=None))
    assert differences(found, wanted) <= 1e-5


@pytest.mark.parametrize(
    "settings", [{"duplicates": "exclude"}, {"duplicates": "avoid", "accum_freq": 2}], ids=str
)
def test_duplicates_and_words_are_those_of_the_pictures(settings, trained_run, folder):
    loss = "clip+words"
    wanted = weights(on_pictures(trained_run, loss, val_data=None, **settings))
    found = weights(on_features(folder, loss, val_data=None, **settings))
    assert differences(found, wanted) <= 1e-5


def test_bfloat16_is_within_its_rounding(trained_run, folder, tmp_path):
    half = FrozenFeatures(written(trained_run, tmp_path / "half"))
    whole = FrozenFeatures(folder)
    assert half.manifest.dtype == "bfloat16"
    sizes = [sum(entry.nbytes for entry in one.manifest.shards) for one in (half, whole)]
    assert sizes[0] < 0.6 * sizes[1]
    tokenizer = load_trained(folder / MODEL).tokenizer
    for batch, exact in zip(*(Loader(one, tokenizer, None, 8, epochs=1) for one in (half, whole))):
        for name in ("image_rows", "text_rows"):
            assert batch[name].dtype == np.float32
            error = np.abs(batch[name] - exact[name])
            assert (error <= np.abs(exact[name]) * 2.0**-8).all()
            assert error.any()
    logs = [on_features(one.folder, "sparc", val_data=None).run().log for one in (half, whole)]
    assert logs[0][-1]["loss"] == pytest.approx(logs[1][-1]["loss"], rel=0.01)


def test_validation_is_that_of_the_pictures(trained_run, folder, tmp_path):
    val = FrozenFeatures(written(trained_run, tmp_path / "val", scenes(8, "val"), dtype="float32"))
    runs = [
        on_features(folder, "filip", val_data=data, val_tasks=("retrieval:score=own",))
        for data in (val, scenes(8, "val"))
    ]
    found, wanted = (run.run().validation for run in runs)
    assert {k: v for k, v in found.items() if k != "chance"} == pytest.approx(
        {k: v for k, v in wanted.items() if k != "chance"}
    )
    with pytest.raises(ValueError, match="grounding: expected data with pictures, found features"):
        on_features(folder, "sparc", val_data=val, val_tasks=("grounding",))


def test_a_run_on_features_is_a_run(folder, trained_run, tmp_path):
    """It can be gone on with, and leaves a checkpoint of the whole model."""
    out = tmp_path / "run"
    on_features(folder, "sparc", out=out).run()
    again = on_features(folder, "sparc", out=out, resume="latest").run()
    assert again.counters.step == TRAIN["steps"]
    trained = load_trained(out)
    pixels = np.zeros((1, 3, 32, 32), np.float32)
    assert trained.model.encode_image(pixels).shape == (1, 16)
    before = load_trained(trained_run).model.state_dict()
    for name, array in trained.model.state_dict().items():
        if not frozen.is_head(name):
            np.testing.assert_array_equal(array, before[name])


def test_a_run_that_ends_anywhere_is_gone_on_with(folder, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    on_features(folder, "clip+words", out=whole).run()
    with small_training.failing_at(4), pytest.raises(MemoryError):
        on_features(folder, "clip+words", out=out).run()
    on_features(folder, "clip+words", out=out, resume="latest").run()
    first, second = (one / "checkpoints" / "last.safetensors" for one in (whole, out))
    assert first.read_bytes() == second.read_bytes()


def test_hard_negatives_are_kept(trained_run, tmp_path):
    data = small_training.mistaken()
    whole = written(trained_run, tmp_path / "all", data, dtype="float32")
    wanted = weights(on_pictures(trained_run, "clip", data=data, val_data=None))
    found = weights(on_features(whole, "clip", val_data=None))
    assert differences(found, wanted) <= 1e-5


def test_two_sets_of_features_are_mixed(trained_run, folder, tmp_path):
    more = written(trained_run, tmp_path / "more", scenes(10, "test"), dtype="float32")
    data = Mixed([FrozenFeatures(folder), FrozenFeatures(more)], (3, 1))
    pictures = Mixed([scenes(), scenes(10, "test")], (3, 1))
    wanted = weights(on_pictures(trained_run, "clip", data=pictures, val_data=None))
    found = weights(on_pictures(folder / MODEL, "clip", data=data, val_data=None))
    assert differences(found, wanted) <= 1e-5
    with pytest.raises(DataError, match="features in all of them or in none"):
        Mixed([FrozenFeatures(folder), scenes()])


def test_finished_shards_are_kept(trained_run, folder, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(folder, out)
    manifest = json.loads((out / NAME).read_text())
    del manifest["shards"][1:]
    (out / NAME).write_text(json.dumps(manifest))
    os.unlink(out / "shard-00002.safetensors")
    (out / "shard-00001.safetensors.tmp").write_bytes(b"half")
    kept = (out / "shard-00000.safetensors").stat()
    with pytest.raises(DataError, match="expected finished features, found 1 of 3 shards"):
        FrozenFeatures(out)
    written(trained_run, out, dtype="float32")
    assert (out / "shard-00000.safetensors").stat().st_mtime_ns == kept.st_mtime_ns
    assert {path.name for path in out.iterdir()} == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_a_damaged_shard_is_made_again(trained_run, folder, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(folder, out)
    shard = out / "shard-00001.safetensors"
    whole = shard.read_bytes()
    for damaged, message in (
        (whole[:-9], r"shard-00001.safetensors: expected \d+ bytes, found"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), r"shard-00001.safetensors: expected crc32 \d+, f"),
        (None, r"shard-00001.safetensors: expected a shard of these features, found no such"),
    ):
        shard.unlink() if damaged is None else shard.write_bytes(damaged)
        with pytest.raises(DataError, match=message):
            FrozenFeatures(out)
        written(trained_run, out, dtype="float32")
        assert shard.read_bytes() == whole


def test_features_of_others_are_refused(trained_run, folder, tmp_path):
    other = tmp_path / "other"
    small_training.trainer(other, "clip", steps=1, val_data=None, seed=1).run()
    with pytest.raises(DataError, match="expected features of this model's towers"):
        on_pictures(other, "clip", data=FrozenFeatures(folder))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.copy(other / "checkpoints" / "last.safetensors", copy / MODEL)
    with pytest.raises(DataError, match="expected features of this model's towers"):
        FrozenFeatures(copy).load_model()
    for run, data, options, message in (
        (other, scenes(), {}, "found the towers"),
        (trained_run, scenes(30), {}, "found data"),
        (trained_run, scenes(), {"dtype": "bfloat16"}, "found dtype bfloat16"),
    ):
        given = {"dtype": "float32", **options}
        with pytest.raises(DataError, match=f"{copy}: expected features of this.*{message}"):
            written(run, copy, data, **given)
    written(trained_run, copy, scenes(20), overwrite=True)
    assert len(FrozenFeatures(copy)) == 20


def test_towers_are_locked_and_nothing_augments(folder):
    trained = FrozenFeatures(folder).load_model()
    data, given = FrozenFeatures(folder), {**TRAIN, "tokenizer": trained.tokenizer}
    with pytest.raises(ValueError, match="expected locked towers with features, found visual"):
        Trainer(trained.model, "clip", data, **given)
    frozen.lock_towers(trained.model)
    varied = type(trained.preprocess)(32, train=True)
    with pytest.raises(ValueError, match="which cannot be augmented"):
        Trainer(trained.model, "clip", data, preprocess=varied, **given)
    with pytest.raises(DataError, match="expected pictures, found features"):
        data.load(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected format 'csparc features'"),
        ('{"format": "csparc features", "format_version": 2}', "expected format_version 1"),
        ('{"format": "csparc features", "format_version": 1}', "expected a whole manifest"),
        ("{", "expected the manifest of features"),
    ],
)
def test_what_is_no_manifest_is_refused(text, message, tmp_path):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(DataError, match=message):
        FrozenFeatures(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", {}, "expected a whole manifest, found 'model without source'"),
        ("model", {"source": "run", "config": []}, "found 'model config"),
        ("data", {"spec": "x"}, "found 'data without pictures"),
    ],
)
def test_a_manifest_that_lacks_something_is_refused(key, value, message, trained_run, tmp_path):
    written(trained_run, tmp_path)
    record = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**record, key: value}))
    with pytest.raises(DataError, match=message):
        FrozenFeatures(tmp_path)


def test_a_folder_of_other_things_is_left_alone(trained_run, tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(DataError, match=r"new or empty folder, or features, found thesis\.tex"):
        written(trained_run, tmp_path)
    with pytest.raises(DataError, match="expected the manifest of features"):
        FrozenFeatures(tmp_path)
