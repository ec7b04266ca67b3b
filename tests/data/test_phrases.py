"""Phrases and their boxes, as Flickr30k Entities and Visual Genome publish them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pictures import save

from csparc import data
from csparc.errors import DataError

SENTENCES = (
    "[/EN#283585/people Two young guys] with [/EN#283587/bodyparts shaggy brown hair] look at "
    "[/EN#283588/other hands] while hanging out in [/EN#0/scene the yard] .\n"
    "[/EN#283586/people/clothing A man] in [/EN#283590/clothing a green shirt] .\n"
)
XML = """<annotation><filename>1000092795.jpg</filename>
<size><width>16</width><height>12</height><depth>3</depth></size>
<object><name>283585</name><name>283586</name>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>8</xmax><ymax>12</ymax></bndbox></object>
<object><name>283585</name>
<bndbox><xmin>9</xmin><ymin>1</ymin><xmax>12</xmax><ymax>12</ymax></bndbox></object>
<object><name>283590</name>
<bndbox><xmin>2</xmin><ymin>6</ymin><xmax>7</xmax><ymax>12</ymax></bndbox></object>
<object><name>283588</name><nobndbox>1</nobndbox></object>
<object><name>283591</name><scene>1</scene><nobndbox>1</nobndbox></object></annotation>
"""


def entities(folder: Path) -> str:
    save(folder / "images" / "1000092795.jpg", 1)
    for name, text in (("Sentences", SENTENCES), ("Annotations", XML)):
        (folder / name).mkdir()
        (folder / name / f"1000092795.{'txt' if name == 'Sentences' else 'xml'}").write_text(text)
    (folder / "test.txt").write_text("1000092795\n")
    return f"entities:{folder / 'images'},{folder}"


def test_entities(tmp_path: Path) -> None:
    found = data.open(f"{entities(tmp_path)},test")
    assert found.captions(0)[1] == "A man in a green shirt ."
    assert found.captions(0)[0].startswith("Two young guys with shaggy brown hair look at hands")
    regions = found.regions(0)
    assert [part.box for part in regions.parts] == [(0, 0, 8, 12), (8, 0, 12, 12), (1, 5, 7, 12)]
    told = [
        (found.captions(0)[m.caption][m.start : m.stop], m.groups, m.regions)
        for m in regions.mentions
    ]
    assert told == [
        ("Two young guys", ("PHRASE", "people"), (0, 1)), ("guys", ("NOUN",), (0, 1)),
        ("A man", ("PHRASE", "people"), (0,)), ("man", ("NOUN",), (0,)),
        ("a green shirt", ("PHRASE", "clothing"), (2,)), ("shirt", ("NOUN",), (2,)),
        ("green", ("ADJ", "COLOUR"), (2,)),
    ]  # fmt: skip
    assert data.open(entities(tmp_path / "again")).captions(0) == found.captions(0)


def test_entities_that_lack_something(tmp_path: Path) -> None:
    spec = entities(tmp_path)
    (tmp_path / "test.txt").write_text("1000092795\ngone\n")
    found = data.open(f"{spec},test", max_bad=0.5)
    assert len(found) == 1
    assert "test.txt line 2: expected 'gone'.jpg" in found.problems.summary()
    with pytest.raises(DataError, match=r"val\.txt: expected a list of pictures"):
        data.open(f"{spec},val")
    (tmp_path / "Annotations" / "1000092795.xml").unlink()
    with pytest.raises(data.BadItem, match=r"Annotations/1000092795\.xml: no such file"):
        found.regions(0)
    with pytest.raises(DataError, match="expected a folder with Sentences"):
        data.open(f"entities:{tmp_path},{tmp_path / 'images'}")
    with pytest.raises(DataError, match="two folders that exist"):
        data.open(f"entities:{tmp_path / 'nowhere'},{tmp_path}")


REGIONS = [
    {"region_id": 1, "width": 4, "height": 6, "x": 2, "y": 3, "image_id": 61,
     "phrase": "the Green clock\n"},
    {"region_id": 2, "width": 16, "height": 2, "x": 0, "y": 10, "image_id": 61,
     "phrase": "shade along the street"},
]  # fmt: skip


def visual_genome(folder: Path, record: object) -> str:
    save(folder / "VG_100K_2" / "61.jpg", 1)
    (folder / "region_descriptions.json").write_text(json.dumps(record))
    return f"visual-genome:{folder},{folder / 'region_descriptions.json'}"


def test_visual_genome(tmp_path: Path) -> None:
    found = data.open(visual_genome(tmp_path, [{"id": 61, "regions": REGIONS}]))
    assert found.captions(0) == ["the Green clock", "shade along the street"]
    regions = found.regions(0)
    assert regions.size == (12, 16)
    assert [part.box for part in regions.parts] == [(2, 3, 6, 9), (0, 10, 16, 12)]
    assert [(m.caption, m.start, m.stop, m.groups, m.regions) for m in regions.mentions] == [
        (0, 0, 15, ("PHRASE",), (0,)), (0, 4, 9, ("ADJ", "COLOUR"), (0,)),
        (1, 0, 22, ("PHRASE",), (1,)),
    ]  # fmt: skip
    one = data.open(visual_genome(tmp_path / "1", [{"id": 61, "regions": REGIONS}]), max_captions=1)
    assert len(one.regions(0).parts) == len(one.captions(0)) == 1


GOOD = {"id": 61, "regions": REGIONS}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([{**GOOD, "regions": [*REGIONS, REGIONS[0] | {"width": 0}]}], "of some width and height"),
        (
            [{**GOOD, "regions": [*REGIONS, REGIONS[0] | {"x": "2"}]}],
            "an object with x, y, width",
        ),
        ([{**GOOD, "regions": [*REGIONS, REGIONS[0] | {"phrase": " "}]}], "the caption is empty"),
        ([GOOD, {"id": 62, "regions": []}], "expected 62.jpg in"),
        ([GOOD, {"id": "61", "regions": []}], "expected id as a whole number"),
        ([GOOD, {"id": 61}], "expected an object with id and regions"),
        ([GOOD, GOOD], "the picture '61.jpg' is there twice"),
    ],
)
def test_bad_regions_are_left_out_and_named(tmp_path: Path, record: list, reason: str) -> None:
    found = data.open(visual_genome(tmp_path, record), max_bad=0.5)
    assert len(found.captions(0)) == len(found.regions(0).parts) == 2
    assert len(found.problems) == 1
    assert reason in found.problems.summary()


OBJECTS = [
    {"object_id": 5, "names": ["traffic light"], "synsets": [], "x": 2, "y": 3, "w": 4, "h": 6},
    {"object_id": 6, "names": ["Lamp", "light", "traffic light"], "x": 0, "y": 10, "w": 16, "h": 2},
]
WITH_OBJECTS = {"image_id": 61, "image_url": "", "objects": OBJECTS}


def test_objects_of_visual_genome(tmp_path: Path) -> None:
    found = data.open(visual_genome(tmp_path, [WITH_OBJECTS]))
    assert found.captions(0) == ["traffic light", "Lamp", "light"]
    regions = found.regions(0)
    assert [(part.name, part.box) for part in regions.parts] == [
        ("traffic light", (2, 3, 6, 9)), ("Lamp", (0, 10, 16, 12)),
    ]  # fmt: skip
    assert [(m.caption, m.start, m.stop, m.groups, m.regions) for m in regions.mentions] == [
        (0, 0, 13, ("NOUN",), (0, 1)), (1, 0, 4, ("NOUN",), (1,)),
        (2, 0, 5, ("NOUN",), (1,)),
    ]  # fmt: skip
    one = data.open(visual_genome(tmp_path / "1", [WITH_OBJECTS]), max_captions=1)
    assert (one.captions(0), len(one.regions(0).parts)) == (["traffic light"], 2)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([{**WITH_OBJECTS, "objects": [*OBJECTS, OBJECTS[0] | {"w": 0}]}], "some width and height"),
        (
            [{**WITH_OBJECTS, "objects": [*OBJECTS, OBJECTS[0] | {"h": None}]}],
            "x, y, w and h as",
        ),
        ([{**WITH_OBJECTS, "objects": [*OBJECTS, OBJECTS[0] | {"names": []}]}], "with names, x, y"),
        ([{**WITH_OBJECTS, "objects": [*OBJECTS, OBJECTS[0] | {"names": [""]}]}], "is empty"),
        ([{**WITH_OBJECTS, "objects": [*OBJECTS, 7]}], "expected an object with names"),
        ([WITH_OBJECTS, {"image_id": 62, "objects": []}], "expected 62.jpg in"),
        ([WITH_OBJECTS, {"image_id": True, "objects": []}], "expected id as a whole number"),
        ([WITH_OBJECTS, {"image_id": 61}], "expected an object with id and objects"),
        ([WITH_OBJECTS, WITH_OBJECTS], "the picture '61.jpg' is there twice"),
    ],
)
def test_bad_objects_are_left_out_and_named(tmp_path: Path, record: list, reason: str) -> None:
    found = data.open(visual_genome(tmp_path, record), max_bad=0.5)
    assert (len(found.captions(0)), len(found.regions(0).parts)) == (3, 2)
    assert len(found.problems) == 1
    assert reason in found.problems.summary()


@pytest.mark.parametrize("key", ["regions", "objects"])
def test_a_picture_of_which_nothing_is_said_is_counted(tmp_path: Path, key: str) -> None:
    save(tmp_path / "62.jpg", 2)
    record = [{"regions": GOOD, "objects": WITH_OBJECTS}[key], {"image_id": 62, key: []}]
    found = data.open(visual_genome(tmp_path, record), max_bad=0.5)
    assert len(found) == 1
    assert "[1]: has no caption" in found.problems.summary()


def test_no_list_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a list of pictures with regions"):
        data.open(visual_genome(tmp_path, {}))
