"""Hard negatives: hand-computed scores, generated pairs that no words give away, the layouts."""

import json

import numpy as np
import pytest
import small_training
from pictures import save
from sklearn.linear_model import LogisticRegression

import csparc.data
from csparc.cli import main as cli
from csparc.data.scenes import Scenes
from csparc.data.scenes.forms import holds
from csparc.errors import DataError
from csparc.evaluate import evaluate_matching, evaluate_pairs
from csparc.evaluate.hardneg import blind_accuracy, scene_negatives
from csparc.evaluate.hardneg.measures import _differences, _logistic
from csparc.evaluate.hardneg.scenes import KINDS


def test_a_tie_is_wrong():
    found = evaluate_matching([1.0, 0.5, 0.2], [0.5, 0.5, 0.4])
    assert found.value == pytest.approx(100 / 3)
    assert (found.n, found.chance, found.config) == (3, 50.0, {"ties": 1})
    with pytest.raises(ValueError, match="expected as many scores"):
        evaluate_matching([1.0], [1.0, 2.0])


def test_the_three_scores_of_winoground_by_hand():
    scores = np.array(
        [
            [[0.9, 0.1], [0.2, 0.8]],  # all right
            [[0.9, 0.1], [0.95, 0.96]],  # each picture picks its caption, caption 0 the wrong one
            [[0.9, 0.95], [0.1, 0.96]],  # each caption picks its picture, picture 0 the wrong one
            [[0.5, 0.5], [0.5, 0.5]],  # ties
        ]
    )
    found = evaluate_pairs(scores)
    assert {k: f.value for k, f in found.items()} == {"text": 50.0, "image": 50.0, "group": 25.0}
    rng = np.random.default_rng(0)
    for name, figure in evaluate_pairs(rng.random((20000, 2, 2))).items():
        assert figure.value == pytest.approx(figure.chance, abs=1.5), name


@pytest.mark.parametrize("kind", KINDS)
def test_generated_pairs_are_true_and_false_and_told_apart_by_no_words(kind):
    scenes = Scenes("M", 1600, 0, "test")
    found = scene_negatives(scenes, kind)
    for one in found[::50]:
        assert holds(one.form, scenes.scene(one.item))
        assert not holds(one.negative_form, scenes.scene(one.item))
    texts = [[one.caption for one in found], [one.negative for one in found]]
    assert len(found) > 400
    if kind.startswith("swap"):
        no_articles = [[sorted(set(t.split()) - {"a", "an"}) for t in side] for side in texts]
        assert no_articles[0] == no_articles[1]
    for bigrams, spread in ((False, 3.0), (True, 5.0)):  # neighbours have more to learn by heart
        found = blind_accuracy(*texts, bigrams=bigrams).value
        assert found == pytest.approx(50.0, abs=spread)


def test_words_that_give_the_answer_away_are_seen():
    right = [f"a {c} dog" for c in ("red", "blue")] * 50
    wrong = [f"a {c} dog" for c in ("green", "green")] * 50
    assert blind_accuracy(right, wrong).value == 100.0
    assert blind_accuracy(right, right).value == 50.0
    same_words = blind_accuracy(["red dog"] * 40, ["dog red"] * 40)
    assert same_words.value == 50.0
    assert blind_accuracy(["red dog"] * 40, ["dog red"] * 40, bigrams=True).value == 100.0


def test_the_blind_model_is_that_of_scikit_learn():
    scenes = Scenes("M", 300, 3, "test")
    found = scene_negatives(scenes, "replace_att")
    rows = _differences([o.caption for o in found], [o.negative for o in found], True)
    other = LogisticRegression(fit_intercept=False, C=1.0, tol=1e-10, max_iter=1000)
    other.fit(np.concatenate([rows, -rows]), np.repeat([1, 0], len(rows)))
    # Each pair stands there twice, so the ridge weighs half.
    weights = _logistic(np.concatenate([rows, rows]))
    np.testing.assert_allclose(weights, other.coef_[0], atol=1e-3)


# Layouts -----------------------------------------------------------------------------------------


def sugarcrepe(root) -> str:
    """Two files as https://github.com/RAIVNLab/sugar-crepe publishes them."""
    for name in ("000000085329.jpg", "000000297681.jpg"):
        save(root / "val2017" / name)
    entry = {
        "filename": "000000085329.jpg",
        "caption": "a red car",
        "negative_caption": "a bus",
    }
    (root / "data").mkdir()
    files = {
        "replace_obj": {"0": entry, "1": {**entry, "filename": "000000297681.jpg"}},
        "swap_att": {str(i): {**entry, "negative_caption": f"a car red {i}"} for i in range(12)},
    }
    for name, record in files.items():
        (root / "data" / f"{name}.json").write_text(json.dumps(record))
    return f"sugarcrepe:{root / 'val2017'},{root / 'data'}"


def test_sugarcrepe_is_read_file_by_file(tmp_path):
    data = csparc.data.open(sugarcrepe(tmp_path))
    assert len(data) == 14
    assert [data.kind(i) for i in (0, 2)] == ["replace_obj", "swap_att"]
    assert (data.captions(0), data.hard_negatives(0)) == (["a red car"], ["a bus"])
    assert data.load(1).shape == (12, 16, 3)
    one = csparc.data.open(f"sugarcrepe:{tmp_path / 'val2017'},{tmp_path}/data/replace_obj.json")
    assert len(one) == 2


def test_broken_entries_are_left_out_and_counted(tmp_path):
    sugarcrepe(tmp_path)
    path = tmp_path / "data" / "swap_att.json"
    record = json.loads(path.read_text())
    record["99"] = {"filename": "000000085329.jpg", "caption": "x", "negative_caption": "x"}
    path.write_text(json.dumps(record))
    data = csparc.data.open(f"sugarcrepe:{tmp_path / 'val2017'},{path}")
    assert list(data.problems.reasons.values()) == ["the negative caption is the caption"]
    assert len(data) == 12
    for content, message in (("[1]", "nothing is left"), ("3", "expected an object of entries"),
                             ("{", "no valid JSON")):  # fmt: skip
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            csparc.data.open(f"sugarcrepe:{tmp_path / 'val2017'},{path}")
    with pytest.raises(DataError, match="max_captions=2: has no effect, as sugarcrepe: takes none"):
        csparc.data.open(f"sugarcrepe:{tmp_path / 'val2017'},{path}", max_captions=2)


def winoground(root) -> str:
    """One example as https://huggingface.co/datasets/facebook/winoground publishes it."""
    lines = []
    for number in range(3):
        for side in (0, 1):
            save(root / "data" / "images" / f"ex_{number}_img_{side}.png", 2 * number + side)
        lines.append({
            "id": number, "image_0": f"ex_{number}_img_0", "image_1": f"ex_{number}_img_1",
            "caption_0": "an old person kisses a young person",
            "caption_1": "a young person kisses an old person",
            "tag": "Adjective-Age", "secondary_tag": "", "num_main_preds": 1,
            "collapsed_tag": "Object",
        })  # fmt: skip
    text = "\n".join(map(json.dumps, lines))
    (root / "data" / "examples.jsonl").write_text(f"{text}\n")
    return f"winoground:{root}"


def test_winoground_is_pairs_of_pictures(tmp_path):
    data = csparc.data.open(winoground(tmp_path))
    assert (len(data), data.paired, data.kind(0)) == (6, True, "Object")
    assert data.captions(1) == data.hard_negatives(0) == ["a young person kisses an old person"]
    path = tmp_path / "data" / "examples.jsonl"
    path.write_text(path.read_text() * 4 + "{}\n")
    data = csparc.data.open(f"winoground:{tmp_path}")
    assert (len(data), len(data.problems)) == (24, 1)
    with pytest.raises(DataError, match="expected the folder of Winoground, found no such folder"):
        csparc.data.open(f"winoground:{tmp_path / 'nowhere'}")


@pytest.mark.filterwarnings("ignore:a caption of")
def test_a_model_is_evaluated_on_each_of_them(tmp_path, capsys):
    small_training.trainer(tmp_path / "run", steps=2, val_data=None).run()
    line = ["eval", "hardneg", "--checkpoint", str(tmp_path / "run"), "--json"]
    report = tmp_path / "report.json"
    for spec, names in (
        (sugarcrepe(tmp_path / "s"), ["all", "replace_obj", "swap_att", "blind"]),
        (winoground(tmp_path / "w"), ["all", "blind", "text", "image", "group"]),
        ("scenes:tier=M;size=60;split=test", ["all", *KINDS, "blind"]),
    ):
        assert cli.main([*line, str(report), "--data", spec]) == 0
        found = json.loads(report.read_text())
        assert [name for name in found if name not in ("config", "bad_items", "measured")] == names
        assert found["all"]["chance"] == 50.0
        assert "blind" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text("filepath,title\na.png,a dog\n")
    assert cli.main([*line, str(report), "--data", f"csv:{tmp_path / 't.csv'}"]) == 2
    assert "hardneg: expected data with hard negatives" in capsys.readouterr().err
