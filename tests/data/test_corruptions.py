"""Folders of corrupted pictures as ImageNet-C has them, and the corruptions themselves."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

import csparc.data
from csparc.data.export import export
from csparc.data.export.corruptions import CORRUPTIONS, corrupted
from csparc.data.scenes import Scenes
from csparc.evaluate import Subject, make_task
from csparc.evaluate.zeroshot import task


@pytest.fixture(scope="module")
def scenes():
    return Scenes(size=8, split="zs_seen")


def test_every_picture_comes_back_under_every_condition(scenes, tmp_path):
    read = csparc.data.open(export(scenes, "imagenet-c", tmp_path / "c"))
    assert len(read) == 8 * 5 * 5
    assert len(read.problems) == 0
    for number in range(len(read)):
        kind, severity = read.condition(number)
        index = int(read.name(number)[-10:-4])
        expected = corrupted(scenes.load(index), kind, int(severity), index)
        np.testing.assert_array_equal(read.load(number), expected)
        found = scenes.scene(index).objects[0]
        assert read.captions(number) == [f"{found.colour} {found.shape}"]
    assert {read.condition(number) for number in range(len(read))} == {
        (kind, severity) for kind in CORRUPTIONS for severity in "12345"
    }


def test_a_model_is_evaluated_under_all_of_them(tmp_path):
    trainer = small_training.trainer(tmp_path / "run", steps=1, val_data=None)
    data = csparc.data.open(export(Scenes(size=3, split="zs_seen"), "imagenet-c", tmp_path / "c"))
    subject = Subject(trainer.model, trainer.tokenizer, trainer.val_preprocess, data)
    found = make_task("zeroshot").run(subject).figures
    assert found["top1"].config["corruptions"] == 5
    assert found["top1"].config["missing_cells"] == 0
    assert found["top1"].n == 3 * 25
    assert found["corruptions"].keys() == CORRUPTIONS.keys()


def test_they_are_among_the_fifteen():
    assert set(CORRUPTIONS) < set(task.CORRUPTIONS)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_severity_takes_more(kind, scenes):
    pixels = scenes.load(0)
    taken = []
    for severity in range(1, 6):
        found = corrupted(pixels, kind, severity)
        assert found.dtype == np.uint8
        assert found.shape == pixels.shape
        taken.append(np.abs(found.astype(int) - pixels).mean())
    assert taken[0] > 0
    assert taken == sorted(taken)


def test_noise_has_the_published_spread_and_follows_from_its_key():
    grey = np.full((200, 200, 3), 128, np.uint8)
    found = corrupted(grey, "gaussian_noise", 1, key=3)
    assert found.std() / 255 == pytest.approx(0.08, rel=0.02)
    assert found.mean() == pytest.approx(128, abs=0.3)
    assert (found == corrupted(grey, "gaussian_noise", 1, key=3)).all()
    for other in (corrupted(grey, "gaussian_noise", 1), corrupted(grey, "gaussian_noise", 2, 3)):
        assert (found != other).mean() > 0.5


def test_light_is_changed_as_stated():
    pixels = np.array([[[100, 50, 0], [0, 0, 0]], [[255, 255, 255], [200, 100, 50]]], np.uint8)
    brighter = corrupted(pixels, "brightness", 5)
    expected = np.array([[[227.5, 113.75, 0], [127.5] * 3], [[255] * 3, [255, 127.5, 63.75]]])
    np.testing.assert_allclose(brighter, expected, atol=0.51)
    paler = corrupted(pixels, "contrast", 1).astype(float)
    mean = pixels.mean(axis=(0, 1))
    np.testing.assert_allclose(paler, mean + 0.4 * (pixels - mean), atol=0.5)


def test_a_point_becomes_a_disk_that_shrinks_with_the_picture():
    for side, radius in ((224, 10), (112, 5)):
        point = np.zeros((side, side, 3), np.uint8)
        point[side // 2, side // 2] = 255
        flat = np.full_like(point, 90)
        found = corrupted(point, "defocus_blur", 5)
        rows = np.flatnonzero((found == found.max()).any(axis=(1, 2)))
        assert rows[-1] - rows[0] == 2 * radius - 2  # the rim is softer
        np.testing.assert_array_equal(corrupted(flat, "defocus_blur", 5), flat)


def test_pixels_become_blocks():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    found = corrupted(pixels, "pixelate", 5)
    blocks = found.reshape(16, 4, 16, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    np.testing.assert_allclose(
        blocks[:, 0, :, 0], pixels.reshape(16, 4, 16, 4, 3).mean((1, 3)), atol=1
    )
