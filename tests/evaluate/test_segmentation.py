"""Segmentation: areas and means by hand and by slow forms, upsampling, views, and the command."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import small_training
from sklearn.metrics import confusion_matrix

from csparc.data.export import export
from csparc.data.regions import VOID
from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate import Subject, make_task
from csparc.evaluate.prompts import templates_of
from csparc.evaluate.segmentation import (
    CONVENTIONS,
    areas,
    class_overlaps,
    majority,
    mean_of_classes,
    mean_of_images,
    names_of,
    pixel_labels,
    pixel_scores,
)
from csparc.evaluate.segmentation.sums import ORACLE, Sums
from csparc.evaluate.segmentation.views import Scored, Viewer, starts


def test_areas_equal_a_confusion_matrix(rng):
    truth, found = rng.integers(-1, 5, (40, 30)), rng.integers(0, 5, (40, 30))
    counted = truth != VOID
    table = confusion_matrix(truth[counted], found[counted], labels=range(5))
    both, predicted, true = areas(found, truth, 4, "class")
    np.testing.assert_array_equal(both, np.diag(table))
    np.testing.assert_array_equal(predicted, table.sum(axis=0))
    np.testing.assert_array_equal(true, table.sum(axis=1))
    np.testing.assert_array_equal(
        areas(found, truth, 4, "false"), np.stack([both, predicted, true])[:, 1:]
    )
    inside = table[1:]
    np.testing.assert_array_equal(areas(found, truth, 4)[1], inside.sum(axis=0)[1:])


def test_two_images_by_hand():
    """The first shows class 1 alone and finds it all; the second shows 1 and 2 and calls all 1."""
    first = areas(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 1]]), 3)
    second = areas(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]), 3)
    items = np.stack([first, second])
    assert mean_of_images(items) == pytest.approx(100 * (1 + (2 / 4 + 0) / 2) / 2)  # 62.5
    assert mean_of_classes(items) == pytest.approx(100 * (6 / 8 + 0) / 2)  # 37.5
    np.testing.assert_array_equal(class_overlaps(items), [6 / 8, 0, np.nan])


def test_void_counts_nowhere_and_background_as_the_convention_says():
    truth, found = np.array([[1, VOID, 0, 0]]), np.array([[1, 2, 1, 2]])
    # Ignored: one pixel counts. False: class 1 has one false pixel; 2 is not shown.
    assert mean_of_images(areas(found, truth, 2)[None]) == 100.0
    assert mean_of_images(areas(found, truth, 2, "false")[None]) == 50.0
    assert mean_of_classes(areas(found, truth, 2, "class")[None]) == pytest.approx(
        100 * (1 / 2) / 3
    )
    nothing = areas(found, np.full((1, 4), VOID), 2)
    assert not nothing.any()
    assert np.isnan(mean_of_images(nothing[None]))
    assert np.isnan(mean_of_classes(nothing[None]))


def test_wrong_maps_are_named():
    with pytest.raises(ValueError, match=r"prediction: expected integers of the shape \(1, 2\)"):
        areas(np.zeros((2, 2), int), np.zeros((1, 2), int), 3)
    with pytest.raises(ValueError, match="truth: expected labels from -1 to 3, found 0 to 255"):
        areas(np.zeros((1, 2), int), np.array([[0, 255]]), 3)


def slow_bilinear(scores, window, size):
    top, left, height, width = window
    _, rows, columns = scores.shape
    out = np.empty((len(scores), *size))
    for y in range(size[0]):
        for x in range(size[1]):
            r = min(max((y + 0.5 - top) * rows / height - 0.5, 0), rows - 1)
            c = min(max((x + 0.5 - left) * columns / width - 0.5, 0), columns - 1)
            a, b = int(r), int(c)
            d, e = min(a + 1, rows - 1), min(b + 1, columns - 1)
            u, v = r - a, c - b
            out[:, y, x] = (
                (1 - u) * ((1 - v) * scores[:, a, b] + v * scores[:, a, e])
                + u * ((1 - v) * scores[:, d, b] + v * scores[:, d, e])
            )  # fmt: skip
    return out


@pytest.mark.parametrize("window", [(0, 0, 11, 14), (-2, 3.5, 15, 7), (2, 0, 6, 14)])
def test_upsampling_equals_slow_forms(rng, window):
    scores = rng.normal(size=(3, 4, 5)).astype(np.float32)
    found = pixel_scores(scores, window, (11, 14))
    np.testing.assert_allclose(found, slow_bilinear(scores, window, (11, 14)), atol=1e-5)
    labels = scores.argmax(axis=0)
    nearest = pixel_labels(labels, window, (11, 14))
    for y, x in ((0, 0), (5, 7), (10, 13)):
        row = min(max(int(np.floor((y + 0.5 - window[0]) * 4 / window[2])), 0), 3)
        column = min(max(int(np.floor((x + 0.5 - window[1]) * 5 / window[3])), 0), 4)
        assert nearest[y, x] == labels[row, column]


def test_majority_is_the_best_label_of_a_patch():
    truth = np.array([[1, 2, 0, 0], [2, 2, 0, 1], [VOID, VOID, 0, 0], [VOID, VOID, 0, 0]])
    whole = (0, 0, 4, 4)
    assert majority(truth, whole, (2, 2), background=True).tolist() == [[2, 0], [0, 0]]
    assert majority(truth, whole, (2, 2), background=False).tolist() == [[2, 1], [0, 0]]


def names(count=3):
    return names_of([f"c{k}" for k in range(count)], more="x, y")


def test_scores_of_the_truth_are_perfect_and_constants_are_not():
    scenes, sums = Scenes(size=10, split="seg_test"), Sums(names(8), 40.0, 0.25)
    blind = Sums(names(8), 40.0, 0.25)
    for item in range(10):
        truth = scenes.label_map(item)
        scores = np.zeros((10, *truth.shape), np.float32)
        for label in range(1, 9):
            scores[label - 1][truth == label] = 1.0
        window = (0.0, 0.0, *map(float, truth.shape))
        sums.add(item, Scored(scores, scores, window), truth, (8, 8))
        flat = np.ones((10, 8, 8), np.float32)
        blind.add(item, Scored(flat, flat, window), truth, (8, 8))
    figures, others = sums.figures(scenes.label_names()), blind.figures(scenes.label_names())
    for convention in ("sparc_ignored", "present", "foreground", "background"):
        assert figures[convention]["nearest"].value == pytest.approx(100.0)
        assert figures[convention]["bilinear"].value == pytest.approx(100.0)
    # The ground is called c0, which costs nothing but where c0 is shown.
    assert 50 < figures["sparc_false"]["nearest"].value < 95
    assert others["foreground"]["nearest"].value < 20
    for convention in CONVENTIONS:
        figure = figures[convention.name]["nearest"]
        assert figure.n == 10
        assert 0 < figure.chance < figures[convention.name][ORACLE].value <= 100
        assert figure.value == figure.statistic(figure.items)
    assert figures["classes"].keys() == set(scenes.label_names())


def test_candidates_of_a_pixel():
    sums = Sums(names(), 40.0, 0.6)
    scores = np.array(
        [[0.1, 0.5, 0.5], [0.3, 0.49, 0.1], [0.2, 0.1, 0.2], [0.9, 0.2, 0], [0, 0, 0]]
    )
    found = sums._decided(scores[:, None, :].astype(np.float32), np.array([1, 3]))[0]
    by = {one.candidates: found[:, place].tolist() for place, one in enumerate(CONVENTIONS)}
    assert by["classes"] == [2, 1, 1]
    assert by["present"] == [3, 1, 1]
    assert by["threshold"] == [2, 0, 1]  # 0.5 against 0.49 is likely by less than 0.6
    assert by["extended"] == [0, 1, 1]


def test_names_from_files_and_synonyms(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("cat, kitten\ndog\n")
    found = names_of(["c", "d"], str(file), more="Dog, sky")
    assert found.texts == ("cat", "kitten", "dog", "sky")
    assert (found.classes, found.total) == (2, 3)
    best = found.best(np.array([[0.1], [0.7], [0.5], [0.2]]))
    assert best.ravel().tolist() == [0.7, 0.5, 0.2]
    assert "sky" in names_of(["person"]).texts
    assert names_of(["person"]).texts.count("person") == 1
    with pytest.raises(DataError, match="expected 3 lines, one for each class, found 2"):
        names_of(["a", "b", "c"], str(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trained(folder):
    trainer = small_training.trainer(folder, steps=2, val_data=None)
    trainer.run()
    return trainer


def viewer(trained, head="dense", view="squash", side=0, stride=0):
    return Viewer(trained.model, trained.val_preprocess, head, view, side, stride)


def scored(viewer, picture, texts):
    return viewer.scored([viewer.shown(picture)], texts, 4)[0]


def test_windows_side_by_side_are_the_patches_of_each(trained, rng):
    picture = rng.integers(0, 256, (64, 96, 3)).astype(np.uint8)
    texts = rng.normal(size=(3, trained.model.config.shared_width)).astype(np.float32)
    found = scored(viewer(trained, view="slide", side=64, stride=32), picture, texts)
    own = viewer(trained)
    for top, left in ((0, 0), (32, 64)):
        part = picture[top : top + 32, left : left + 32]
        alone = scored(own, part, texts)
        labels = pixel_labels(alone.nearest.argmax(axis=0), (0, 0, 32, 32), (32, 32))
        np.testing.assert_array_equal(
            found.nearest.argmax(axis=0)[top : top + 32, left : left + 32], labels
        )
    assert starts(96, 32, 32) == [0, 32, 64]
    assert starts(70, 32, 16) == [0, 16, 32, 38]
    assert starts(32, 32, 16) == [0]


def test_views_say_what_they_show(trained, rng):
    picture = rng.integers(0, 256, (40, 80, 3)).astype(np.uint8)
    texts = rng.normal(size=(2, trained.model.config.shared_width)).astype(np.float32)
    assert scored(viewer(trained), picture, texts).window == (0, 0, 40, 80)
    crop = scored(viewer(trained, view="crop"), picture, texts)
    assert crop.window == (0, 20, 40, 40)
    larger = scored(viewer(trained, side=64), picture, texts)
    assert larger.nearest.shape == (2, 8, 8)
    heads = [scored(viewer(trained, head=h), picture, texts).nearest for h in ("dense", "adapter")]
    assert not np.allclose(*heads)
    with pytest.raises(ValueError, match="side: expected at least the model's 32 px for windows"):
        viewer(trained, view="slide", side=16)


def subject(trained, data):
    return Subject(trained.model, trained.tokenizer, trained.val_preprocess, data)


def test_pixels_are_scored_by_ensembles_as_the_slow_form_scores_them(trained):
    """Of each name the mean of the cosines of a patch with its sentences, one by one."""
    scenes = Scenes(tier="S", size=3, split="seg_test")
    chosen = names_of(scenes.label_names(), more="sky")
    task = make_task("segmentation:prompts=simple;ensemble=score")
    vectors, told = task.vectors(subject(trained, scenes), chosen)
    assert told == {"sentences": 7, "truncated_sentences": 0}
    picture = scenes.load(0)
    found = scored(viewer(trained), picture, vectors).nearest
    for row, name in enumerate(chosen.texts):
        each = []
        for template in templates_of("simple"):
            ids = trained.tokenizer([template.format(name)])
            text = trained.model.encode_text(ids, normalize=True)
            each.append(scored(viewer(trained), picture, text).nearest[0])
        np.testing.assert_allclose(found[row], np.mean(each, axis=0), atol=1e-5)
    unit, _ = make_task("segmentation:prompts=simple").vectors(subject(trained, scenes), chosen)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-6)
    assert (np.linalg.norm(vectors, axis=1) < 1 - 1e-4).all()


def test_prompts_decide_and_are_recorded(trained):
    scenes = Scenes(tier="S", size=4, split="seg_test")
    given = subject(trained, scenes)
    bare, own = (
        make_task(f"segmentation:prompts={prompts};more_names=sky").run(given).figures
        for prompts in ("name", "paper")
    )
    assert bare["sparc_ignored"]["nearest"].config["sentences"] == 1
    assert own["sparc_ignored"]["nearest"].config["sentences"] == 8
    with pytest.raises(DataError, match="prompts: expected name, openai"):
        make_task("segmentation:prompts=best").check(given)
    stopped = replace(given, should_stop=lambda: True)
    assert make_task("segmentation").run(stopped) is None


@pytest.mark.parametrize("kind", ["context", "lvis"])
def test_the_same_figures_of_files_written_to_disk(kind, trained, folder, tmp_path, capsys):
    from csparc.cli.main import main

    scenes = Scenes(tier="S", size=12, split="seg_test")
    spec = export(scenes, kind, tmp_path / "written")
    run, out = str(folder), tmp_path / "figures.json"
    command = ["eval", "segmentation", "--checkpoint", run, "--data", spec, "--json", str(out)]
    assert main(command) == 0
    told = capsys.readouterr().out
    record = json.loads(out.read_text())
    task = make_task("segmentation")
    given = subject(trained, scenes)
    own = task.run(given).figures
    for convention in CONVENTIONS:
        for order in ("nearest", "bilinear", ORACLE):
            figure = record[convention.name][order]
            assert figure.keys() == {"value", "n", "chance", "config"}
            assert figure["value"] == own[convention.name][order].value
        assert convention.name in told
    assert record["config"]["head"] == "dense"
    assert record["without_class"] == 0
    large = Scenes(tier="L", size=1)
    stuff = {large.label_names("stuff")[k - 1] for k in np.unique(large.label_map(0, "stuff"))}
    assert set(large.scene(0).bands) <= stuff
    colours = make_task("segmentation:by=colour").run(given).figures
    assert colours["classes"].keys() == set(scenes.label_names("colour"))


def test_bad_pictures_are_skipped_and_named(trained, tmp_path):
    import csparc.data

    spec = export(Scenes(tier="S", size=10, split="seg_test"), "voc", tmp_path / "tree")
    labels = tmp_path / "tree" / "SegmentationClass"
    (labels / "000003.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (labels / "000004.png").unlink()
    data = csparc.data.open(spec, max_bad=0.3)
    found = make_task("segmentation").run(subject(trained, data))
    assert found.figures["sparc_ignored"]["nearest"].n == 8
    assert "2 bad items skipped: 000003.png: cannot be decoded" in found.problems.summary()
    data = csparc.data.open(spec, max_bad=0.1)
    with pytest.raises(DataError, match="2 of 10 items are bad"):
        make_task("segmentation").run(subject(trained, data))


class Watched(Scenes):
    """Scenes that remember which threads loaded them."""

    def __init__(self, **options):
        super().__init__(tier="S", split="seg_test", **options)
        self.readers = []

    def load(self, index):
        self.readers.append(threading.current_thread().name)
        return super().load(index)


def decoding():
    return [one for one in threading.enumerate() if one.name.startswith("csparc-decode")]


def test_pictures_are_read_in_threads_two_batches_ahead(trained):
    data, ahead = Watched(size=32), []

    def wait(done, of):
        limit = time.monotonic() + 10
        while len(data.readers) < min(done + 8, of) and time.monotonic() < limit:
            time.sleep(0.001)
        ahead.append(len(data.readers) - done)

    given = replace(subject(trained, data), batch_size=4)
    found = make_task("segmentation").run(replace(given, progress=wait)).figures
    assert all(name.startswith("csparc-decode") for name in data.readers)
    assert ahead == [8, 8, 8, 8, 8, 8, 4, 0]
    assert not decoding()
    own = make_task("segmentation").run(replace(given, batch_size=32)).figures
    for convention in CONVENTIONS:
        for order in ("nearest", "bilinear", ORACLE):
            some, all_ = (one[convention.name][order] for one in (found, own))
            np.testing.assert_array_equal(some.items, all_.items)


@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_threads_that_read_end_with_an_evaluation_that_is_stopped(trained, error):
    data = Watched(size=64)

    def interrupt(done, of):
        if error:
            raise error

    given = replace(
        subject(trained, data), batch_size=4, progress=interrupt,
        should_stop=lambda: error is None and len(data.readers) > 0,
    )  # fmt: skip
    caught = None
    try:
        assert make_task("segmentation").run(given) is None
    except KeyboardInterrupt as interrupted:
        caught = interrupted  # held, as whoever handles it would: its frames stay alive
    assert (caught is not None) == (error is not None)
    assert not decoding()
    assert 0 < len(data.readers) <= 16


def test_data_that_show_no_class_are_refused(trained, tmp_path):
    """As where a tool writes every mask as that of a crowd."""
    import csparc.data

    spec = export(Scenes(tier="S", size=3, split="seg_test"), "coco", tmp_path / "crowds")
    path = tmp_path / "crowds" / "instances.json"
    text = path.read_text()
    assert '"iscrowd": 0' in text
    path.write_text(text.replace('"iscrowd": 0', '"iscrowd": 1'))
    with pytest.raises(ValueError, match="expected a picture that shows a class, found none in 3"):
        make_task("segmentation").run(subject(trained, csparc.data.open(spec)))


def test_data_without_labels_are_refused(trained, tmp_path):
    import csparc.data

    folder = csparc.data.open(export(Scenes(tier="S", size=2), "folder", tmp_path / "f"))
    task = make_task("segmentation")
    with pytest.raises(ValueError, match="segmentation: expected data with labels of pixels"):
        task.check(subject(trained, folder))


def test_a_run_logs_its_main_figures(tmp_path):
    scenes = Scenes(tier="S", size=6, split="seg_test")
    small_training.trainer(
        tmp_path, steps=2, val_frequency=2, val_data=scenes, val_tasks=("segmentation",)
    ).run()
    (record,) = small_training.read_log(tmp_path, "validation.jsonl")
    assert 0 <= record["val/segmentation/sparc_ignored.nearest"] <= 100
