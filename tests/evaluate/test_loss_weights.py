"""The alignment of a trained model, by the loss in its checkpoint: measured and drawn."""

import json

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")

import small_training

from csparc.cli import main as cli
from csparc.cli.session import load_session
from csparc.evaluate.diagnose import diagnose, local_scale
from csparc.losses.registry import LOSSES, make_loss


@pytest.fixture(scope="module", params=LOSSES)
def run(request, tmp_path_factory):
    """(trainer, folder) of a run of a few steps with one of the losses."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    trainer = small_training.trainer(folder, request.param, steps=3, val_data=None)
    trainer.run()
    return trainer, folder


def pairs(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"patches": (2, 16, 16), "tokens": (2, 5, 16), "text_global": (2, 16)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_a_checkpoint_gives_back_the_loss_it_was_trained_with(run):
    trainer, folder = run
    session = load_session(folder)
    assert session.loss.config() == trainer.loss.config()
    for name, parameter in trainer.loss.parameters.items():
        assert (session.loss.parameters[name].data == parameter.data).all()
    before, after = (one.alignment(**pairs()) for one in (trainer.loss, session.loss))
    assert (before.weights == after.weights).all()
    assert local_scale(session.model, session.loss) > 0


def test_eval_grounding_measures_the_losses_own_weights(run, tmp_path, capsys):
    trainer, folder = run
    name = trainer.loss.config()["loss"]
    data = "scenes:tier=S;size=12;split=test"
    command = ["eval", "grounding", "--checkpoint", str(folder), "--data", data]
    found = {}
    for weights in ("own", "sparc"):
        file = tmp_path / f"{weights}.json"
        assert cli.main([*command, "--weights", weights, "--json", str(file)]) == 0
        found[weights] = json.loads(file.read_text(encoding="utf-8"))
    own = found["own"]
    printed = capsys.readouterr().out
    assert own["weights"]["title"] in printed
    assert own["n"] == 12
    assert own["config"]["data"].startswith("scenes:tier=S")
    assert own["weights"]["rule"] == ("sparc" if name in ("clip", "siglip") else name)
    assert found["sparc"]["weights"]["rule"] == "sparc"
    places = own["placement"]
    assert set(places) == ({"CAPTION"} if name == "pacl" else {"NOUN", "ADJ", "COLOUR"})
    assert all(0 <= one["auc"] <= 100 for one in places.values())
    assert set(own["placement_swapped"]) == set(places)
    assert set(own["variance"]) >= {"position", "picture"}
    assert "ceiling" not in own
    assert (own["matched"]["local_loss"] is None) == (name == "pacl")
    assert found["sparc"]["matched"]["local_loss"] > 0
    if name in ("filip", "clip+filip"):
        assert own["matched"]["effective_patches"] == pytest.approx(1)
    if name in ("clip", "siglip"):
        assert {**own, "weights": 0} == {**found["sparc"], "weights": 0}


def test_align_says_whose_weights_it_draws(run, tmp_path):
    from PIL import Image

    trainer, folder = run
    Image.new("RGB", (20, 60), (200, 30, 30)).save(tmp_path / "in.png")
    drawn = {}
    for weights in ("own", "sparc"):
        out = tmp_path / f"{weights}.png"
        command = ["align", "--checkpoint", str(folder), "--image", str(tmp_path / "in.png")]
        command += ["--caption", "a red circle", "--weights", weights, "--out", str(out)]
        assert cli.main(command) == 0
        drawn[weights] = out.read_bytes()
    assert (drawn["own"] == drawn["sparc"]) == (
        trainer.loss.config()["loss"] in ("sparc", "clip", "siglip")
    )


def test_scenes_of_one_object_have_no_sentence_to_place():
    trainer = small_training.trainer(steps=1, val_data=None)
    scenes = small_training.Scenes(tier="S", size=4, split="zs_seen")
    found = diagnose(
        trainer.model, trainer.tokenizer, scenes, trainer.val_preprocess, make_loss("pacl")
    )
    assert found["sentence_placement"]["n"] == 0
    assert found["placement"]["CAPTION"]["n"] == 0
