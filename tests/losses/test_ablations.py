"""The ablations and controls of SPARC, each trained by name from the command line."""

from __future__ import annotations

import pytest

import csparc
from csparc.cli import main as cli
from csparc.losses.registry import make_loss

ABLATIONS = {
    "patches=shuffled": {"local_patches": "shuffled"},
    "local_patches=shuffled": {"local_patches": "shuffled"},
    "local_logit_scale=10": {"local_logit_scale": 10.0},
    "local_weight=0": {"local_weight": 0.0},
    "global_weight=0": {"global_weight": 0.0},
    "sigma=0.1": {"sigma": 0.1},
    "sigma=0.5": {"sigma": 0.5},
    "normalizer=softmax": {"normalizer": "softmax"},
    "normalizer=minmax": {"normalizer": "minmax"},
}


@pytest.mark.parametrize("setting", ABLATIONS)
def test_every_ablation_trains(setting, tmp_path):
    arguments = (
        f"train --train-data scenes:tier=S;size=12 --steps 1 --batch-size 4 --vocab-size 300 "
        f"--model-opt image.layers=1 --model-opt text.layers=1 "
        f"--loss sparc --loss-opt {setting} --out {tmp_path}/run"
    )
    assert cli.main(arguments.split()) == 0
    found = csparc.load_checkpoint(tmp_path / "run")[2].loss_config
    plain = csparc.SparcLoss().config()
    assert {key: found[key] for key in plain if found[key] != plain[key]} == ABLATIONS[setting]


def test_the_short_name_belongs_to_sparc_alone():
    assert make_loss("sparc", ["patches=own"]).local_patches == "own"
    with pytest.raises(ValueError, match="local_patches: expected 'own' or 'shuffled'"):
        make_loss("sparc", ["patches=mixed"])
    with pytest.raises(ValueError, match="loss-opt: expected key=value with one of"):
        make_loss("filip", ["patches=shuffled"])
