"""What training says while it runs: pictures it could not read, loss, speed and time left."""

from __future__ import annotations

import numpy as np
import pytest
import small_training

import csparc
from csparc.errors import DataError


class SomeBad(small_training.Scenes):
    """Scenes of which number 3 cannot be decoded."""

    bad = (3,)

    def load(self, index: int) -> np.ndarray:
        if index in self.bad:
            raise csparc.data.BadItem(self.name(index), "torn in half")
        return super().load(index)


def test_a_bad_picture_is_named_once_and_counted(capsys):
    data = SomeBad(tier="S", size=40)
    small_training.trainer(data=data, steps=12, progress="lines", val_data=None).run()
    said = capsys.readouterr().err
    assert said.count("skipped train/3: torn in half") == 1
    assert "1 bad item skipped" in said


def test_too_many_bad_pictures_stop_training():
    data = SomeBad(tier="S", size=40)
    data.bad = range(10)
    with pytest.raises(DataError, match="items are bad"):
        small_training.trainer(data=data, steps=12, val_data=None).run()


def test_lines_show_loss_speed_and_time_left(capsys):
    small_training.trainer(steps=3, progress="lines", val_data=None).run()
    said = capsys.readouterr().err
    assert "training: step 3/3, loss " in said
    assert "% waiting for data, 0 s left" in said


def test_the_bar_shows_loss_and_speed(capsys):
    small_training.trainer(steps=3, progress="bar", val_data=None).run()
    said = capsys.readouterr().err
    assert "3/3" in said
    assert "pairs/s" in said
    assert "loss " in said
