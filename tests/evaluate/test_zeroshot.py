"""Zero-shot classification against slow forms and scikit-learn, its prompts, and its task."""

import json

import numpy as np
import pytest
import small_training
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate import (
    Subject,
    build_zero_shot_classifier,
    evaluate_zero_shot,
    make_task,
)
from csparc.evaluate.class_vectors import ENSEMBLES, TEXTS, class_vectors
from csparc.evaluate.prompts import (
    OPENAI_TEMPLATES,
    SIMPLE_TEMPLATES,
    class_sentences,
    sentences,
    templates_of,
    with_suffixes,
)
from csparc.evaluate.zeroshot.measures import average_precision, class_ranks
from csparc.evaluate.zeroshot.scenes import pair_labels, pairs_of, parts_right
from csparc.evaluate.zeroshot.task import corruption_figures


@pytest.fixture(scope="module")
def trainer():
    return small_training.trainer()


def subject(trainer, data, **more) -> Subject:
    return Subject(trainer.model, trainer.tokenizer, trainer.val_preprocess, data, trainer.loss,
                   **more)  # fmt: skip


# Measures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_are_those_of_their_definitions_and_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    n, classes = 60, int(rng.integers(2, 9))
    images = rng.integers(-2, 3, (n, 3)).astype(np.float32)
    columns = rng.integers(-2, 3, (3, classes)).astype(np.float32)  # ties happen
    labels = rng.integers(0, classes, n)
    found = evaluate_zero_shot(images, columns, labels)
    scores = images @ columns
    order = [sorted(range(classes), key=lambda k: (-row[k], k)) for row in scores]
    places = [1 + ranked.index(label) for ranked, label in zip(order, labels)]
    assert class_ranks(scores, labels).tolist() == places
    assert found["top1"].value == pytest.approx(100 * np.mean(np.array(places) <= 1))
    assert ("top5" in found) == (classes > 5)
    expected = 100 * balanced_accuracy_score(labels, [ranked[0] for ranked in order])
    assert found["mean_per_class"].value == pytest.approx(expected)
    for name, chance in (("top1", 100 / classes), ("mean_per_class", 100 / classes)):
        figure = found[name]
        assert (figure.n, figure.chance) == (n, pytest.approx(chance))
        assert figure.statistic(figure.items) == figure.value


def test_an_encoder_that_tells_nothing_apart_gets_what_chance_gives():
    labels = np.arange(20) % 10
    found = evaluate_zero_shot(np.ones((20, 4)), np.ones((4, 10)), labels)
    assert found["top1"].value == found["top1"].chance == 10.0
    assert found["top5"].value == found["top5"].chance == 50.0


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random((40, 5)) < 0.3
    labels[:, 4] = False  # a class without pictures counts nowhere
    scores = rng.integers(0, 6, (40, 5)).astype(np.float32)
    found = average_precision(scores, labels)
    each = [average_precision_score(labels[:, k], scores[:, k]) for k in range(4)]
    assert found.value == pytest.approx(100 * np.mean(each))
    assert found.config == {"classes": 5, "classes_with_pictures": 4}
    by_hand = average_precision(
        np.array([[4.0], [3.0], [2.0]]), np.array([[True], [False], [True]])
    )
    assert by_hand.value == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_chance_of_average_precision_is_the_mean_over_random_orders():
    rng = np.random.default_rng(0)
    labels = np.zeros((12, 1), dtype=bool)
    labels[:3] = True
    drawn = [average_precision(rng.random((12, 1)), labels) for _ in range(4000)]
    assert np.mean([one.value for one in drawn]) == pytest.approx(drawn[0].chance, abs=1.0)


def test_corruptions_count_equally_whatever_their_pictures():
    conditions = [("fog", "1"), ("fog", "1"), ("fog", "2"), ("snow", "1"), ("spatter", "1")]
    found = corruption_figures([1, 2, 1, 2, 1], conditions, 10)
    assert found["top1"].value == pytest.approx((50 + 100 + 0) / 3)  # spatter is an extra one
    assert (found["top1"].n, found["top1"].config["missing_cells"]) == (4, 7)
    assert found["corruptions"]["spatter"].value == 100.0


@pytest.mark.parametrize(
    ("shapes", "labels", "message"),
    [
        (((2, 3), (4, 5)), [0, 1], r"expected \[N, D\] and \[D, K\], found \(2, 3\) and \(4, 5\)"),
        (((2, 3), (3, 5)), [0, 5], "labels: expected 0 to 4, found 0 to 5"),
        (((2, 3), (3, 5)), [0], "labels: expected one integer a picture"),
    ],
)
def test_wrong_input_is_named(shapes, labels, message):
    with pytest.raises(ValueError, match=message):
        evaluate_zero_shot(*map(np.ones, shapes), np.array(labels))


# Prompts and the classifier ----------------------------------------------------------------------


def test_the_ensembles_have_the_paper_s_sizes():
    assert len(set(OPENAI_TEMPLATES)) == 80
    assert set(SIMPLE_TEMPLATES) < set(OPENAI_TEMPLATES)
    assert len(templates_of("paper")) == 480
    assert templates_of("name") == ("{}",)
    assert templates_of("the {} and a {}") == ("the {} and a {}",)
    assert with_suffixes(["a {} in a video game."], ["I like it."]) == (
        "a {} in a video game, I like it.",
    )


def test_templates_come_from_files(tmp_path):
    path = tmp_path / "templates.json"
    path.write_text(json.dumps(["a {}.", "the {}"]))
    assert sentences(["dog"], templates_of(str(path))) == [["a dog.", "the dog"]]
    path.write_text(json.dumps({"owl": ["an owl"], "dog": ["a {}", "a pup"]}))
    assert sentences(["dog", "owl"], templates_of(str(path))) == [["a dog", "a pup"], ["an owl"]]
    with pytest.raises(DataError, match="expected templates for each class, none for 'cat'"):
        sentences(["cat"], templates_of(str(path)))
    for wrong, message in ((["a dog"], "expected a text with {}"), ([], "a list of templates")):
        path.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=message):
            templates_of(str(path))
    with pytest.raises(DataError, match="expected name, openai, simple, paper, a text with "):
        templates_of("best")


def test_the_classifier_is_the_unit_mean_of_unit_vectors(trainer):
    names, templates = ["red circle", "bar"], ("{}", "a picture of a {}", "there is a {}")
    found = build_zero_shot_classifier(trainer.model, trainer.tokenizer, names, templates)
    expected = []
    for name in names:
        ids = trainer.tokenizer([one.format(name) for one in templates])
        rows = trainer.model.encode_text(ids, normalize=True).astype(np.float64).mean(axis=0)
        expected.append(rows / np.linalg.norm(rows))
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-6)
    called = [lambda c, one=one: one.format(c) for one in templates]
    for batch in (1, None):
        again = build_zero_shot_classifier(
            trainer.model, trainer.tokenizer, names, called, batch, use_tqdm=True
        )
        np.testing.assert_allclose(again, found, atol=1e-6)
    with pytest.raises(ValueError, match="device: expected 'cpu', found 'cuda'"):
        build_zero_shot_classifier(trainer.model, trainer.tokenizer, names, templates, 10, "cuda")
    with pytest.raises(ValueError, match="expected at least one of each"):
        build_zero_shot_classifier(trainer.model, trainer.tokenizer, [], templates)


def test_scenes_have_an_ensemble_of_their_own_words():
    scenes, names = Scenes("S", 3), ["red circle", "orange bar"]
    found = class_sentences(names, "paper", scenes)
    assert {"a red circle", "there is a red circle, i like it"} < set(found[0])
    assert found[1][0] == "an orange bar"
    assert [len(set(own)) for own in found] == [8, 8]
    assert class_sentences(names, "paper", None) == sentences(names, templates_of("paper"))
    assert class_sentences(names, "the {}", scenes) == [["the red circle"], ["the orange bar"]]


def slow_vector(trainer, texts, ensemble, text):
    """One class of its sentences, one after another."""
    found = []
    for one in texts:
        ids = trainer.tokenizer([one])
        whole, tokens = trainer.model.encode_text(ids, return_tokens=True)
        row = whole[0].astype(np.float64)
        if text == "token":
            words = trainer.tokenizer.loss_mask(ids)[0]
            row = sum(token.astype(np.float64) for token, said in zip(tokens[0], words) if said)
        found.append(row / np.linalg.norm(row))
    mean = sum(found) / len(found)
    return mean / np.linalg.norm(mean) if ensemble == "embed" else mean


@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("text", TEXTS)
def test_vectors_of_classes_equal_a_slow_form(trainer, ensemble, text):
    said = [["a red circle", "there is a bar", "star"], ["ring"], ["blue bar", "a blue bar, old"]]
    found = class_vectors(
        trainer.model, trainer.tokenizer, said, ensemble=ensemble, text=text, batch_size=4
    )
    expected = [slow_vector(trainer, own, ensemble, text) for own in said]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_scores_of_an_ensemble_are_the_mean_of_its_cosines(trainer):
    texts = [["red circle", "there is a bar"], ["a bar", "a blue bar"]]
    vectors = class_vectors(trainer.model, trainer.tokenizer, texts, ensemble="score")
    image = np.linspace(-1, 1, vectors.shape[1])
    flat = trainer.model.encode_text(trainer.tokenizer([*texts[0], *texts[1]]), normalize=True)
    np.testing.assert_allclose(vectors @ image, (flat @ image).reshape(2, 2).mean(1), atol=1e-5)


# The task ----------------------------------------------------------------------------------------


def test_scenes_are_classes_of_colour_and_shape(trainer):
    assert len(pairs_of("M")) == 64
    scenes = Scenes("M", 30, 0, "zs_unseen")
    labels = pair_labels(scenes, range(30))
    assert {divmod(int(k), 8) for k in labels} <= {(i, (3 * i + 1) % 8) for i in range(8)}
    halves = parts_right("M", np.array([0, 9]), np.array([1, 17]))
    assert (halves["colour"].value, halves["shape"].value) == (50.0, 50.0)
    assert halves["colour"].chance == 12.5
    task = make_task("zeroshot")
    found = task.run(subject(trainer, Scenes("S", 12, 0, "val"))).figures
    assert list(found) == ["seen", "unseen"]
    assert found["seen"]["top1"].chance == 6.25
    assert list(task.run(subject(trainer, Scenes("S", 5, 0, "zs_seen"))).figures) == ["seen"]


def test_it_is_asked_to_stop_before_each_batch(trainer):
    scenes = Scenes("S", 12, 0, "zs_seen")
    asked = []
    for most in (0, 1, 2):
        asked.clear()

        def stop(most: int = most) -> bool:
            return bool(asked.append(0)) or len(asked) > most

        given = subject(trainer, scenes, batch_size=8, should_stop=stop)
        assert make_task("zeroshot").run(given) is None
        assert len(asked) == most + 1


def test_data_without_classes_are_refused_before_any_work(trainer, tmp_path):
    (tmp_path / "t.csv").write_text("filepath,title\na.png,a dog\n")
    import csparc.data

    data = csparc.data.open(f"csv:{tmp_path / 't.csv'}")
    with pytest.raises(ValueError, match="zeroshot: expected pictures of classes"):
        make_task("zeroshot").check(subject(trainer, data))
    with pytest.raises(DataError, match="prompts: expected name, openai"):
        make_task("zeroshot:prompts=best").check(subject(trainer, data))
