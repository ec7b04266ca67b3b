"""K-Precision by hand and by its definition, what finds nouns and adjectives, and the task."""

import json
import string

import numpy as np
import pytest
import small_training

from csparc.cli import main as cli
from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate import evaluate_faithfulness, k_precision
from csparc.evaluate.cosine_ranks import nearest
from csparc.evaluate.encode import Features
from csparc.evaluate.faithfulness import TAGGERS, k_precision_of_words, register_tagger
from csparc.evaluate.faithfulness.taggers import tagger_of
from csparc.evaluate.faithfulness.task import scene_precision


@pytest.mark.parametrize(
    ("prediction", "references", "variant", "value"),
    [
        ("a red red ball", ["one red ball"], {}, 2 / 3),
        ("a red red ball", ["one red ball", "it is red"], {}, 1.0),
        ("a red red ball", ["one red ball"], {"count": "set"}, 1.0),
        ("a red red ball", ["one red ball"], {"articles": "keep"}, 2 / 4),
        ("A Dog's ball.", ["the dogs ball"], {}, 1.0),
        ("a an the", ["a an the"], {}, 0.0),
        ("", ["x"], {}, 0.0),
        ("theatre a", ["theatre"], {}, 1.0),
    ],
)
def test_k_precision_by_hand(prediction, references, variant, value):
    assert k_precision(prediction, references, **variant) == pytest.approx(value)


def slow_k_precision(prediction, references):
    """Word by word, as the definition says it: each word of the references is used up once."""

    def words(text):
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return [word for word in kept.split() if word not in ("a", "an", "the")]

    left, said, hits = words(" ".join(references)), words(prediction), 0
    for word in said:
        if word in left:
            left.remove(word)
            hits += 1
    return hits / len(said) if said else 0.0


def test_k_precision_of_captions_is_that_of_the_slow_form():
    scenes = Scenes("M", 40, 0, "test")
    texts = [text for item in range(40) for text in scenes.captions(item)]
    for number in range(0, 200, 3):
        references = texts[5 * (number % 40) : 5 * (number % 40) + 4]
        expected = slow_k_precision(texts[number], references)
        assert k_precision(texts[number], references) == pytest.approx(expected)


def test_a_variant_that_is_none_is_named():
    with pytest.raises(ValueError, match="count: expected 'multiset' or 'set', found 'bag'"):
        k_precision("a", ["a"], count="bag")


def test_words_of_a_sentence_are_looked_up_each_time_they_are_said():
    assert k_precision_of_words(["red", "red", "ball"], ["a red dog"]) == pytest.approx(2 / 3)
    assert k_precision_of_words([], ["a red dog"]) is None


# Taggers -----------------------------------------------------------------------------------------


def test_the_words_of_scenes_are_their_grammar_s_nouns_and_adjectives():
    tagger = tagger_of("scenes")
    scenes = Scenes("M", 60, 0, "val")
    for item in range(60):
        for caption in scenes.labelled_captions(item):
            gold = [t for t, pos in zip(caption.tokens, caption.pos) if pos in ("NOUN", "ADJ")]
            assert tagger(caption.text) == gold


def test_taggers_are_plugged_in_by_name_or_by_a_list_of_words(tmp_path, monkeypatch):
    path = tmp_path / "words.txt"
    path.write_text("dog\nred\n")
    assert tagger_of(str(path))("A red Dog barks") == ["red", "dog"]
    path.write_text("\n")
    with pytest.raises(DataError, match="expected nouns and adjectives, a word a line, found none"):
        tagger_of(str(path))
    with pytest.raises(DataError, match="tagger: expected scenes, textblob or a file"):
        tagger_of("spacy")
    monkeypatch.setattr("csparc.evaluate.faithfulness.taggers.TAGGERS", dict(TAGGERS))
    register_tagger("first", lambda: lambda sentence: sentence.split()[:1])
    from csparc.evaluate.faithfulness import taggers

    assert taggers.TAGGERS["first"]()("two dogs") == ["two"]
    TAGGERS.pop("first", None)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # a file it leaves open
def test_textblob_tags_without_downloads():
    pytest.importorskip("textblob")
    assert tagger_of("textblob")("a small dog runs") == ["small", "dog"]


# The measure -------------------------------------------------------------------------------------

CAPTIONS = ["a red ball", "one red ball", "a blue box", "the box", "it runs"]


def test_figures_by_hand():
    tagger = {text: [w for w in text.split() if w in ("red", "blue", "ball", "box")]
              for text in CAPTIONS}.__getitem__  # fmt: skip
    found = evaluate_faithfulness([0, 1, 4], np.array([0, 0, 1, 1, 2]), CAPTIONS, tagger)
    assert found["k_precision"].value == pytest.approx(100 * (1 + 0 + 1) / 3)
    assert found["k_precision_na"].value == pytest.approx(100 * (1 + 0 + 0) / 3)
    assert found["k_precision_na"].config == {"without_nouns_and_adjectives": 1}
    assert found["image_to_text_R@1"].value == pytest.approx(200 / 3)
    assert found["image_to_text_R@1"].chance == pytest.approx(100 * 5 / 3 / 5)
    misses = found["misses"]
    assert (misses["k_precision"].value, misses["k_precision"].n) == (0.0, 1)
    assert found["k_precision"].config == {"articles": "drop", "count": "multiset"}


def test_hits_score_everything_so_k_precision_is_at_least_r1():
    scenes = Scenes("M", 60, 0, "test")
    texts = [text for item in range(60) for text in scenes.captions(item)]
    first = np.where(np.arange(60) % 3 == 0, 5 * np.arange(60), 7)
    index = np.repeat(np.arange(60), 5)
    found = evaluate_faithfulness(first, index, texts, tagger_of("scenes"))
    assert found["k_precision"].value >= found["image_to_text_R@1"].value
    assert 20 < found["k_precision"].chance < 60


def test_a_scene_s_own_caption_is_all_true_of_it():
    scenes = Scenes("M", 30, 0, "test")
    index = np.repeat(np.arange(30), 5)
    features = Features(np.eye(30), np.eye(30)[index], index, np.arange(30), [])
    found = scene_precision(scenes, features, 5 * np.arange(30))
    for name in ("scene_precision", "phrase_precision", "true"):
        assert found[name].value == 100.0
        assert found[name].chance < 90.0
    assert found["misses"]["true"].n == 0
    assert found["scene_precision"].chance > found["phrase_precision"].chance


@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_nearest_are_those_of_a_sort(monkeypatch, k):
    rng = np.random.default_rng(k)
    queries, others = (rng.integers(-2, 3, (n, 3)).astype(np.float32) for n in (11, 20))
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30).astype(np.float64)
            for x in (queries, others)]  # fmt: skip
    scores = np.rint((unit[0].astype(np.float64) @ unit[1].T) * 2.0**20)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert nearest(queries, others, k).shape == expected.shape
    for name, value in (("IMAGES", 4), ("TEXTS", 6)):
        monkeypatch.setattr(f"csparc.evaluate.cosine_ranks.{name}", value)
    np.testing.assert_array_equal(nearest(queries, others, k), expected)


def test_the_command_records_every_figure_beside_chance(tmp_path, capsys):
    small_training.trainer(tmp_path / "run", steps=2, val_data=None).run()
    report = tmp_path / "report.json"
    line = ["eval", "faithfulness", "--checkpoint", str(tmp_path / "run"), "--json", str(report)]
    assert cli.main([*line, "--data", "scenes:tier=S;size=12;split=test"]) == 0
    assert "misses scene_precision" in capsys.readouterr().out
    found = json.loads(report.read_text())
    assert found["k_precision"]["n"] == 12
    assert found["config"]["tagger"] == "scenes"
    assert found["misses"]["k_precision_na"]["chance"] > 0
