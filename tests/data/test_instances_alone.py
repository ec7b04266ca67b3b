"""Instances without captions, as LVIS and Objects365 publish them, and what is wrong in a file."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pictures import pixels, save
from PIL import Image
from pycocotools import mask as coder
from pycocotools.coco import COCO

from csparc import data
from csparc.data.export import export
from csparc.data.scenes import Scenes
from csparc.errors import DataError


def lvis() -> dict:
    """Two pictures as LVIS v1 has them, with addresses for names and gaps in the ids."""

    def box(number: int, image: int, category: int) -> dict:
        corners = [2.0, 3.0, 6.0, 3.0, 6.0, 8.0, 2.0, 8.0]
        return {"id": number, "image_id": image, "category_id": category, "area": 20.0,
                "bbox": [2.0, 3.0, 4.0, 5.0], "segmentation": [corners]}  # fmt: skip

    def image(number: int, folder: str, absent: list, unfinished: list) -> dict:
        address = f"http://images.cocodataset.org/{folder}/{number:012d}.jpg"
        return {"id": number, "height": 12, "width": 16, "license": 1, "coco_url": address,
                "flickr_url": "", "date_captured": "", "neg_category_ids": absent,
                "not_exhaustive_category_ids": unfinished}  # fmt: skip

    names = {3: ("aerosol_can", "r"), 90: ("bow_(weapon)", "c"), 1203: ("zucchini", "f")}
    return {
        "info": {}, "licenses": [],
        "images": [image(397133, "val2017", [3], []), image(9, "train2017", [], [90])],
        "annotations": [box(1, 397133, 1203), box(2, 9, 90), box(5, 9, 3), box(7, 9, 90)],
        "categories": [
            {"id": key, "name": name, "synset": "x.n.01", "synonyms": [name], "def": "",
             "frequency": letter, "image_count": 1, "instance_count": 1}
            for key, (name, letter) in reversed(names.items())
        ],
    }  # fmt: skip


def opened(folder: Path, record: object, places: tuple[str, ...] = (), **options: object):
    for number, place in enumerate(places or ("val2017/000000397133.jpg", "000000000009.jpg")):
        save(folder / "pics" / place, number)
    (folder / "made.json").write_text(json.dumps(record))
    return data.open(f"instances:{folder / 'pics'},{folder / 'made.json'}", **options)


def test_lvis_is_read_as_it_is_published(tmp_path: Path) -> None:
    found = opened(tmp_path, lvis())
    assert [found.relative_path(k) for k in (0, 1)] == [
        "val2017/000000397133.jpg", "000000000009.jpg",
    ]  # fmt: skip
    assert found.label_names() == ("aerosol can", "bow (weapon)", "zucchini")
    assert found.frequencies == {"aerosol can": "r", "bow (weapon)": "c", "zucchini": "f"}
    first, second = found.regions(0), found.regions(1)
    assert (first.absent, first.unfinished) == (("aerosol can",), ())
    assert (second.absent, second.unfinished) == ((), ("bow (weapon)",))
    assert found.captions(1) == ["aerosol can", "bow (weapon)"]
    assert [(m.caption, m.stop, m.groups, m.regions) for m in second.mentions] == [
        (0, 11, ("NOUN",), (1,)), (1, 12, ("NOUN",), (0, 2)),
    ]  # fmt: skip
    assert first.parts[0].mask.sum() == 20
    assert len(found.problems) == 0


def test_lvis_beside_captions_of_coco(tmp_path: Path) -> None:
    save(tmp_path / "pics" / "000000000009.jpg", 1)
    captions = {
        "images": [{"id": 9, "file_name": "000000000009.jpg"}],
        "annotations": [{"id": 1, "image_id": 9, "caption": "Aerosol  cans beside a zucchini"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    (tmp_path / "lvis.json").write_text(json.dumps(lvis()))
    parts = (tmp_path / "pics", tmp_path / "captions.json", tmp_path / "lvis.json")
    found = data.open(f"coco:{','.join(map(str, parts))}")
    assert [(m.start, m.stop, m.regions) for m in found.regions(0).mentions] == [(0, 12, (1,))]
    assert found.regions(0).unfinished == ("bow (weapon)",)


def objects365() -> dict:
    """As the second version of Objects365 writes it."""
    names = ("images/v1/patch8/objects365_v1_00420917.jpg",
             "images/v2/patch16/objects365_v2_00900000.jpg")  # fmt: skip
    places = [(0, 1, [1.5, 2.25, 4.0, 5.5], 0), (0, 13, [0, 0, 16, 12], 1), (0, 1, [3, 3, 1, 1], 0)]
    return {
        "images": [{"id": 420917 + k, "file_name": name, "width": 16, "height": 12, "url": ""}
                   for k, name in enumerate(names)],
        "annotations": [
            {"id": 10 + number, "image_id": 420917 + image, "category_id": category, "bbox": box,
             "area": box[2] * box[3], "iscrowd": crowd, "isfake": 0, "isreflected": 0}
            for number, (image, category, box, crowd) in enumerate(places)
        ],
        "categories": [{"id": 1, "name": "Person"}, {"id": 13, "name": "Cabinet/shelf"}],
    }  # fmt: skip


@pytest.mark.parametrize("places", [
    ("images/v1/patch8/objects365_v1_00420917.jpg", "images/v2/patch16/objects365_v2_00900000.jpg"),
    ("patch8/objects365_v1_00420917.jpg", "patch16/objects365_v2_00900000.jpg"),
    ("objects365_v1_00420917.jpg", "objects365_v2_00900000.jpg"),
])  # fmt: skip
def test_objects365_is_found_in_the_folders_it_unpacks_to(tmp_path: Path, places: tuple) -> None:
    found = opened(tmp_path, objects365(), places)
    assert [found.relative_path(k) for k in (0, 1)] == list(places)
    regions = found.regions(0)
    assert [(part.name, part.box, part.crowd, part.mask) for part in regions.parts] == [
        ("Person", (1.5, 2.25, 5.5, 7.75), False, None),
        ("Cabinet/shelf", (0, 0, 16, 12), True, None),
        ("Person", (3, 3, 4, 4), False, None),
    ]
    assert regions.absent is None
    assert (found.captions(0), found.captions(1)) == (["Cabinet/shelf", "Person"], ["background"])
    assert found.regions(1).mentions == ()


def test_every_name_of_a_category_is_found_in_captions(tmp_path: Path) -> None:
    record = objects365()
    record["images"] = [{"id": 420917, "file_name": "a.png", "width": 16, "height": 12}]
    save(tmp_path / "pics" / "a.png", 1)
    said = {"id": 1, "image_id": 1, "caption": "a Lady by the shelves"}
    captions = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [said]}
    (tmp_path / "c.json").write_text(json.dumps(captions))
    (tmp_path / "made.json").write_text(json.dumps(record))
    parts = (tmp_path / "pics", tmp_path / "c.json", tmp_path / "made.json")
    found = data.open(f"coco:{','.join(map(str, parts))}")
    assert [m.regions for m in found.regions(0).mentions] == [(0, 2), (1,)]


BAD = [
    ("images", {"height": 0}, "expected height and width, found"),
    ("images", {"height": 10**9, "width": 10**9}, "expected at most 89478485 pixels, found"),
    ("images", {"file_name": None}, "expected a picture's path, found None"),
    ("images", {"file_name": "../../a.jpg"}, "leaves the data folder"),
    ("images", {"id": None}, "expected an object with id and file_name"),
    ("annotations", {"image_id": 5}, "image_id 5 is not among the images"),
    ("annotations", {"category_id": 2}, "category_id 2 is not among the categories"),
    ("annotations", {"category_id": True}, "category_id True is not among the categories"),
    ("annotations", {"bbox": [0, 0, 0, 4]}, "expected a bbox of some width and height"),
    ("annotations", {"bbox": None}, "expected bbox or segmentation, found neither"),
    ("categories", {"name": "\u200b"}, "expected an object with id and name"),
]


@pytest.mark.parametrize(("key", "change", "reason"), BAD)
def test_a_bad_entry_is_left_out_and_named(
    tmp_path: Path, key: str, change: dict, reason: str
) -> None:
    record = objects365()
    record[key].append(record[key][0] | {"id": 77} | change)
    found = opened(tmp_path, record, ("patch8/objects365_v1_00420917.jpg",), max_bad=0.5)
    assert (len(found), len(found.regions(0).parts), len(found.label_names())) == (2, 3, 2)
    (told,) = found.problems.reasons.items()
    assert told[0].endswith(f"{key}[{len(record[key]) - 1}]")
    assert reason in told[1]
    with pytest.raises(DataError, match=r"1 of 8 items are bad, more than max_bad=0\.1"):
        opened(tmp_path, record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "more than max_bad"),
        ({"images": [], "annotations": []}, "expected images with id, file_name, height and width"),
        ({"categories": []}, "expected categories with id and name, found none"),
        ({"annotations": {}}, "expected 'annotations' as a list, found an object"),
        ({"categories": [{"id": 1, "name": "a"}] * 2}, "expected an id of its own, found 1 twice"),
    ],
)
def test_a_file_of_nothing_is_one_line(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        opened(tmp_path, objects365() | change)
    assert len(str(raised.value).splitlines()) == 1


def test_an_id_of_two_pictures_is_refused_and_a_picture_twice_is_one(tmp_path: Path) -> None:
    record = objects365()
    record["images"].append(record["images"][0])
    assert len(opened(tmp_path, record, ("patch8/objects365_v1_00420917.jpg",))) == 2
    record["images"].append(record["images"][0] | {"file_name": "other.jpg"})
    with pytest.raises(DataError, match=r"images\[3\]: expected an id of its own, found 420917 of"):
        opened(tmp_path, record)


def test_missing_and_odd_pictures_are_bad_items_of_their_own(tmp_path: Path) -> None:
    found = opened(tmp_path, objects365(), ("patch8/objects365_v1_00420917.jpg",))
    with pytest.raises(data.BadItem, match="no such file in the folder of the pictures"):
        found.load(1)
    grey = Image.fromarray(pixels(1)).convert("CMYK")
    grey.save(tmp_path / "pics" / "patch8" / "objects365_v1_00420917.jpg")
    assert found.load(0).shape == (12, 16, 3)


def test_marks_and_words_beyond_ascii(tmp_path: Path) -> None:
    record = objects365()
    record["categories"][0]["name"] = "Grüße_盆栽"
    opened(tmp_path, record)
    text = json.dumps(record, ensure_ascii=False, indent=1).replace("\n", "\r\n")
    (tmp_path / "made.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = data.open(f"instances:{tmp_path / 'pics'},{tmp_path / 'made.json'}")
    assert found.label_names()[0] == "Grüße 盆栽"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_what_pycocotools_packs_is_read_and_what_is_written_it_reads(tmp_path: Path, rng) -> None:
    truth = rng.random((3, 12, 16)) < 0.4
    packed = [coder.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in truth]
    record = objects365() | {
        "annotations": [
            {"id": number, "image_id": 420917, "category_id": 1, "iscrowd": 0,
             "area": int(coder.area(one)), "bbox": coder.toBbox(one).tolist(),
             "segmentation": one | {"counts": one["counts"].decode()}}
            for number, one in enumerate(packed)
        ]
    }  # fmt: skip
    found = opened(tmp_path, record, ("patch8/objects365_v1_00420917.jpg",))
    for part, mask, one in zip(found.regions(0).parts, truth, packed):
        np.testing.assert_array_equal(part.mask, mask)
        left, top, width, height = coder.toBbox(one)
        assert part.box == (left, top, left + width, top + height)
    scenes = Scenes(size=5, split="seg_test")
    export(scenes, "lvis", tmp_path / "lvis")
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(str(tmp_path / "lvis" / "lvis_v1_seg_test.json"))
    for index in range(5):
        entries = theirs.loadAnns(theirs.getAnnIds(imgIds=[index + 1]))
        parts = scenes.regions(index).parts
        assert [theirs.cats[e["category_id"]]["name"] for e in entries] == [p.name for p in parts]
        for entry, part in zip(entries, parts, strict=True):
            np.testing.assert_array_equal(theirs.annToMask(entry), part.mask)
