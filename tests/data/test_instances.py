"""COCO instances: masks, words for them, and what is wrong in a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pictures import save
from pycocotools import mask as coder

from csparc import data
from csparc.data.masks import filled, from_run_lengths, outlines, run_lengths
from csparc.data.naming import Naming, plural
from csparc.data.regions import VOID
from csparc.errors import DataError


@pytest.fixture
def record() -> dict:
    """As COCO writes it: gaps in the ids, polygons, run lengths of a crowd, a box alone."""
    return {
        "info": {}, "licenses": [],
        "images": [{"id": 7, "file_name": "a.png", "width": 16, "height": 12}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0, "bbox": [2, 3, 4, 5],
             "area": 20.0, "segmentation": [[2, 3, 6, 3, 6, 8, 2, 8]], "colour": "Brown"},
            {"id": 2, "image_id": 7, "category_id": 1, "iscrowd": 1, "bbox": [10, 0, 6, 12],
             "area": 72, "segmentation": {"size": [12, 16], "counts": [120, 72]}},
            {"id": 3, "image_id": 7, "category_id": 90, "bbox": [0, 10, 2, 2]},
        ],
        "categories": [
            {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
            {"id": 1, "name": "person"}, {"id": 18, "name": "dog", "synonyms": ["hound"]},
        ],
    }  # fmt: skip


CAPTIONS = ["A brown puppy and two men", "hounds", "nothing of it"]


def opened(folder: Path, record: dict, **options: object) -> data.Dataset:
    save(folder / "pics" / "a.png", 1)
    captions = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [{"id": k, "image_id": 7, "caption": c} for k, c in enumerate(CAPTIONS)],
    }
    (folder / "captions.json").write_text(json.dumps(captions))
    (folder / "instances.json").write_text(json.dumps(record))
    return data.open(
        f"coco:{folder / 'pics'},{folder / 'captions.json'},{folder / 'instances.json'}", **options
    )


def test_places_and_words(tmp_path: Path, record: dict) -> None:
    found = opened(tmp_path, record)
    regions = found.regions(0)
    assert [(part.name, part.crowd) for part in regions.parts] == [
        ("dog", False), ("person", True), ("toothbrush", False),
    ]  # fmt: skip
    dog, crowd, brush = regions.parts
    expected = np.zeros((12, 16), bool)
    expected[3:8, 2:6] = True
    np.testing.assert_array_equal(dog.mask, expected)
    assert crowd.mask[:, 10:].all()
    assert crowd.mask.sum() == 72
    assert brush.mask is None
    assert brush.box == (0, 10, 2, 12)
    words = [(CAPTIONS[m.caption][m.start : m.stop], m.groups, m.regions) for m in regions.mentions]
    assert words == [
        ("brown", ("ADJ", "COLOUR"), (0,)), ("puppy", ("NOUN",), (0,)), ("men", ("NOUN",), (1,)),
        ("hounds", ("NOUN",), (0,)),
    ]  # fmt: skip


def test_labels_are_those_of_the_smallest_thing_and_crowds_are_void(
    tmp_path: Path, record: dict
) -> None:
    record["annotations"].append(
        {"id": 4, "image_id": 7, "category_id": 90, "bbox": [0, 0, 16, 12],
         "segmentation": [[0, 0, 9, 0, 9, 12, 0, 12]]}
    )  # fmt: skip
    found = opened(tmp_path, record)
    assert found.label_names() == ("person", "dog", "toothbrush")
    labels = found.label_map(0)
    assert labels[4, 3] == 2
    assert labels[0, 0] == 3
    assert labels[0, 9] == 0
    assert (labels[:, 10:] == VOID).all()
    assert found.label_names("colour") == ("brown",)
    assert found.label_map(0, "colour").sum() == 20
    with pytest.raises(DataError, match="expected annotations with 'texture', found none"):
        found.label_names("texture")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"bbox": [0, 0, 0, 5]}, "expected a bbox of some width and height"),
        ({"bbox": [0, 0, 5]}, "expected bbox as four numbers"),
        ({"bbox": [0, 0, float("nan"), 5]}, "expected bbox as four numbers"),
        ({"category_id": 2}, "category_id 2 is not among the categories"),
        ({"bbox": None}, "expected bbox or segmentation, found neither"),
        ({"image_id": None}, "expected an object with image_id"),
    ],
)
def test_bad_annotations_are_left_out_and_named(
    tmp_path: Path, record: dict, entry: dict, reason: str
) -> None:
    record["annotations"].append(record["annotations"][2] | entry)
    found = opened(tmp_path, record, max_bad=0.5)
    assert len(found.regions(0).parts) == 3
    assert f"annotations[3]: {reason}" in found.problems.summary()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 2, 3, 4]], "expected polygons of three corners or more"),
        ([["a"] * 6], "expected polygons of three corners or more"),
        ({"size": [3, 3], "counts": [9]}, "expected counts and the size"),
        ({"size": [12, 16], "counts": [5, 6]}, "expected counts that add up to 12 x 16 pixels"),
        ({"size": [12, 16], "counts": [10**30]}, "expected whole numbers"),
        ({"size": [12, 16], "counts": [[192]]}, "expected counts that add up to 12 x 16 pixels"),
        ({"size": [12, 16], "counts": "0"}, "expected counts that add up to 12 x 16 pixels"),
        ({"size": [12, 16], "counts": "P6o"}, "expected COCO's letters for counts, found them cut"),
        ({"size": [12, 16], "counts": "P6 "}, "expected COCO's letters for counts, found ' '"),
        ({"size": [12, 16], "counts": "o" * 30}, "expected COCO's letters for counts, found 'o'"),
        ({"size": [12, 16], "counts": [-1, 193]}, "expected counts that add up to 12 x 16 pixels"),
    ],
)
def test_broken_masks_are_left_out_when_they_are_read(
    tmp_path: Path, record: dict, segmentation: object, reason: str
) -> None:
    record["annotations"][2]["segmentation"] = segmentation
    found = opened(tmp_path, record)
    assert [part.name for part in found.regions(0).parts] == ["dog", "person"]
    assert reason in found.problems.summary()


def test_what_no_instances_file_is_is_said(tmp_path: Path, record: dict) -> None:
    opened(tmp_path, record)
    spec = f"coco:{tmp_path / 'pics'},{tmp_path / 'captions.json'},{tmp_path / 'gone.json'}"
    with pytest.raises(DataError, match=r"gone\.json: expected a COCO instances file, found"):
        data.open(spec)
    for change, message in (
        ({"categories": []}, "expected categories with id and name, found none"),
        ({"images": []}, "image_id 7 is not among the images"),
        (
            {"images": [record["images"][0] | {"file_name": "b.png"}]},
            "expected annotations of the pictures with captions, found none",
        ),
        ({"annotations": {}}, "expected 'annotations' as a list, found an object"),
    ):
        with pytest.raises(DataError, match=message):
            opened(tmp_path, record | change)
    twice = record["categories"] + [{"id": 1, "name": "cat"}]
    with pytest.raises(DataError, match="expected an id of its own, found 1 twice"):
        opened(tmp_path, record | {"categories": twice})


def test_masks_survive_being_written(rng) -> None:
    holes = 0
    for _ in range(100):
        mask = rng.random((7, 9)) < rng.uniform(0.1, 0.9)
        np.testing.assert_array_equal(from_run_lengths(run_lengths(mask), mask.shape), mask)
        polygons = outlines(mask)
        holes += polygons is None
        if polygons is not None:
            np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    assert 0 < holes < 100


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_what_is_written_and_writes_what_is_read(rng) -> None:
    for _ in range(50):
        mask = rng.random((9, 11)) < rng.uniform(0.1, 0.9)
        rows = coder.frPyObjects({"size": [9, 11], "counts": run_lengths(mask)}, 9, 11)
        np.testing.assert_array_equal(coder.decode(rows), mask)
        packed = coder.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        np.testing.assert_array_equal(from_run_lengths(packed, (9, 11)), mask)
        if polygons := outlines(mask):
            rows = coder.merge(coder.frPyObjects(polygons, 9, 11))
            np.testing.assert_array_equal(coder.decode(rows), mask)
    for _ in range(50):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 8))
        corners = 24 + rng.uniform(12, 22, (8, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        polygon = [corners.ravel().tolist()]
        theirs = coder.decode(coder.merge(coder.frPyObjects(polygon, 48, 48))).astype(bool)
        ours = filled(polygon, (48, 48))
        assert (ours & theirs).sum() > 0.85 * (ours | theirs).sum()


def test_names_are_found_whole_and_the_longest_first() -> None:
    naming = Naming({"hot dog": ("hot dog",), "dog": ("dog", "puppy")}, ("red",))
    found = naming.found("Hot  dogs, a dogged RED puppy and dogs")
    texts = [(start, sorted(things), attribute) for start, _, things, attribute in found]
    assert texts == [
        (0, ["hot dog"], None),
        (20, [], "red"),
        (24, ["dog"], None),
        (34, ["dog"], None),
    ]
    assert Naming({}).found("a dog") == []
    assert [plural(word) for word in ("bus", "lady", "toy", "wine glass", "man", "box")] == [
        "buses", "ladies", "toys", "wine glasses", "men", "boxes",
    ]  # fmt: skip
