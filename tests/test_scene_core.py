"""The scene functions of the core: what they refuse, and painting records that were changed."""

import numpy as np
import pytest

from csparc import _core
from csparc.data import scene as scenery
from csparc.data.scene import PALETTE, SPLITS, TIERS


def _call(change):
    rules, pairs = scenery._rules(TIERS["M"], SPLITS["train"])
    arrays = {
        "index": np.zeros(2, np.int64),
        "rules": rules.copy(),
        "pairs": pairs.copy(),
        "objects": np.zeros((2, 3, 14), np.int32),
        "background": np.zeros(2, np.uint8),
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
        *((lambda a, i=i: a["rules"].put(i, 10**9), ValueError) for i in range(15)),
        *((lambda a, i=i: a["rules"].put(i, -(10**9)), ValueError) for i in range(15)),
        (lambda a: a["rules"].put([13, 14], 0), ValueError),
    ],
)
def test_the_core_refuses_impossible_rules(change, error):
    with pytest.raises(error):
        _call(change)


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [(0, 8, ValueError), (0, -2, ValueError), (1, 8, IndexError), (1, -1, IndexError),
     (4, 1 << 30, ValueError), (6, 0, ValueError), (6, 1 << 20, ValueError),
     (7, 1 << 20, ValueError), (8, -1, ValueError)],
)  # fmt: skip
def test_the_core_refuses_impossible_objects(column, value, error):
    record, background = scenery.draw("M", "train", 0, np.arange(2))
    record[1, 0, column] = value
    pixels, instance = np.zeros((2, 64, 64, 3), np.uint8), np.zeros((2, 64, 64), np.uint8)
    palette = np.array(list(PALETTE.values()), np.uint8)
    with pytest.raises(error):
        _core.scene_render(palette, record, background, pixels, instance)
    assert not pixels.any()


def test_edited_scenes_render():
    """A record may be changed and painted again: objects half outside, none at all."""
    record, background = scenery.draw("M", "train", 0, np.arange(2))
    record[0, :, 0] = -1
    record[1, 0, 4:6] = 0
    pixels, instance = scenery.render("M", record, background)
    assert np.all(pixels[0] == background[0])
    assert not instance[0].any()
    assert instance[1, :12, :12].any()
