"""The scene functions of the core: what they refuse, and painting records that were changed."""

import numpy as np
import pytest
from scene_reference import BLACK

from csparc import _core
from csparc.data.scenes import scene as scenery
from csparc.data.scenes.scene import SPLITS, TIERS


def _call(change):
    rules, pairs = scenery._rules(TIERS["M"], SPLITS["train"])
    arrays = {
        "index": np.zeros(2, np.int64),
        "rules": rules.copy(),
        "pairs": pairs.copy(),
        "objects": np.zeros((2, 3, 14), np.int32),
        "grounds": np.zeros((2, 7), np.int32),
    }
    change(arrays)
    _core.scene_draw(0, 0, *arrays.values())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda a: a["index"].fill(-1), IndexError),
        (lambda a: a["pairs"].fill(200), IndexError),
        (lambda a: a.update(objects=np.zeros((2, 2, 14), np.int32)), ValueError),
        (lambda a: a.update(objects=np.zeros((2, 3, 13), np.int32)), ValueError),
        (lambda a: a.update(rules=a["rules"][:-1].copy()), ValueError),
        (lambda a: a.update(pairs=np.zeros((0, 2), np.uint8)), ValueError),
        *((lambda a, i=i: a["rules"].put(i, 10**9), ValueError) for i in range(21)),
        *((lambda a, i=i: a["rules"].put(i, -(10**9)), ValueError) for i in range(21)),
        (lambda a: a["rules"].put([15, 16], 0), ValueError),
        (lambda a: a["rules"].put(18, 1), ValueError),
        (lambda a: a.update(grounds=np.zeros((2, 6), np.int32)), ValueError),
    ],
)
def test_the_core_refuses_impossible_rules(change, error):
    with pytest.raises(error):
        _call(change)


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [(0, 12, ValueError), (0, -2, ValueError), (1, 10, IndexError), (1, -1, IndexError),
     (4, 1 << 30, ValueError), (6, 0, ValueError), (6, 1 << 20, ValueError),
     (7, 1 << 20, ValueError), (8, -1, ValueError)],
)  # fmt: skip
def test_the_core_refuses_impossible_objects(column, value, error):
    record, grounds = scenery.draw("M", "train", 0, np.arange(2))
    record[1, 0, column] = value
    _refused(record, grounds, error)


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, 256), (0, -1), (1, 6), (1, -2), (1, 1), (2, 6), (3, 65), (3, -1), (4, -1), (4, 1025),
     (5, -1), (5, 256), (6, -1)],
)  # fmt: skip
def test_the_core_refuses_impossible_grounds(column, value):
    record, grounds = scenery.draw("M", "train", 0, np.arange(2))
    grounds[1, column] = value
    _refused(record, grounds, ValueError)


def _refused(record, grounds, error):
    pixels, instance = np.zeros((2, 64, 64, 3), np.uint8), np.zeros((2, 64, 64), np.uint8)
    with pytest.raises(error):
        _core.scene_render(
            scenery._PALETTE_ARRAY, scenery._STUFF_ARRAY, record, grounds, pixels, instance
        )
    assert not pixels.any()


def test_edited_scenes_render():
    """A record may be changed and painted again: objects half outside, none at all."""
    record, grounds = scenery.draw("M", "train", 0, np.arange(2))
    record[0, :, 0] = -1
    record[1, 0, 4:6] = 0
    pixels, instance = scenery.render("M", record, grounds)
    assert np.all(pixels[0] == grounds[0, 0])
    assert not instance[0].any()
    assert instance[1, :12, :12].any()


def _crowded(radius, count=600):
    """Records of three objects in an area where they cover one another or are tiny."""
    rules, pairs = scenery._rules(TIERS["M"], SPLITS["train"])
    rules = rules.copy()
    rules[[0, 12, 15, 16]] = 32, 3, 0, 16  # side, objects at least, all classes
    rules[6:12] = 64 * radius
    record = np.empty((count, 3, 14), np.int32)
    grounds = np.empty((count, 7), np.int32)
    _core.scene_draw(0, 0, np.arange(count), rules, pairs, record, grounds)
    return record


@pytest.mark.parametrize("radius", [2, 7])
def test_hidden_and_tiny_objects_are_drawn_again(radius):
    share, area = [], []
    for objects in _crowded(radius):
        single = np.repeat(objects[None], 3, axis=0)
        for kept, record in enumerate(single):  # every object on its own
            record[np.arange(3) != kept, 0] = -1
        pixels, instance = np.zeros((3, 32, 32, 3), np.uint8), np.zeros((3, 32, 32), np.uint8)
        _core.scene_render(
            scenery._PALETTE_ARRAY, scenery._STUFF_ARRAY, single, np.tile(BLACK, (3, 1)), pixels,
            instance,
        )  # fmt: skip
        share += (objects[:, 9] / np.count_nonzero(instance, axis=(1, 2))).tolist()
        area += objects[:, 9].tolist()
    assert 0.5 <= min(share) <= (0.52 if radius == 7 else 1.0)
    assert 12 <= min(area) < (14 if radius == 2 else 60)
