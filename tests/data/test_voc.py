"""Folders as Pascal VOC, torchvision and LabelMe lay them out, and what is broken in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import save
from PIL import Image

from csparc import data
from csparc.data.readers.label_classes import palette
from csparc.data.readers.voc import CONTEXT_CLASSES, VOC_CLASSES
from csparc.data.regions import VOID
from csparc.errors import DataError

LABELS = np.zeros((12, 16), np.uint8)
LABELS[2:8, 3:9] = 11
LABELS[8, 3:9] = 255
LABELS[:, 12:] = 15

XML = """<?xml version="1.0"?>
<annotation><folder>VOC2012</folder><filename>2007_000027.jpg</filename>
<size><width>16</width><height>12</height><depth>3</depth></size><segmented>1</segmented>
<object><name>diningtable</name><pose>Unspecified</pose><truncated>0</truncated>
<difficult>0</difficult><bndbox><xmin>4</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>
<part><name>leg</name><bndbox><xmin>4</xmin><ymin>3</ymin><xmax>5</xmax><ymax>4</ymax></bndbox>
</part></object>
<object><bndbox><xmin>13</xmin><ymin>1</ymin><xmax>16</xmax><ymax>12</ymax></bndbox>
<name>person</name></object></annotation>
"""


def write(root: Path, labels: np.ndarray = LABELS, mode: str = "P", xml: str | None = XML) -> None:
    """What ``torchvision.datasets.VOCSegmentation`` unpacks."""
    save(root / "JPEGImages" / "2007_000027.jpg", 1)
    for folder in ("SegmentationClass", "ImageSets/Segmentation", "Annotations"):
        (root / folder).mkdir(parents=True)
    picture = Image.fromarray(labels)
    if mode != "L":
        picture.putpalette(palette())
    picture = picture.convert("RGB") if mode == "RGB" else picture
    picture.save(root / "SegmentationClass" / "2007_000027.png")
    (root / "ImageSets/Segmentation/val.txt").write_text("2007_000027\r\n\r\n")
    if xml is not None:
        (root / "Annotations" / "2007_000027.xml").write_text(xml)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
@pytest.mark.parametrize("inside", ["", "VOCdevkit/VOC2012"])
def test_labels_boxes_and_names(tmp_path: Path, mode: str, inside: str) -> None:
    write(tmp_path / inside, mode=mode)
    found = data.open(f"voc:{tmp_path},val")
    assert found.label_names() == VOC_CLASSES
    assert len(VOC_CLASSES) == 20
    labels = found.label_map(0)
    np.testing.assert_array_equal(labels, np.where(LABELS == 255, VOID, LABELS.astype(int)))
    assert VOC_CLASSES[labels[3, 4] - 1] == "dining table"
    assert found.captions(0) == ["dining table", "person"]
    regions = found.regions(0)
    assert regions.size == (12, 16)
    assert [(part.name, part.box) for part in regions.parts] == [
        ("dining table", (3, 2, 9, 8)), ("person", (12, 0, 16, 12)),
    ]  # fmt: skip
    assert [(m.caption, m.regions) for m in regions.mentions] == [(0, (0,)), (1, (1,))]


def test_the_palette_is_vocs() -> None:
    colours = np.frombuffer(palette(), np.uint8).reshape(256, 3).tolist()
    assert colours[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert colours[15] == [192, 128, 128]
    assert colours[255] == [224, 224, 192]


def test_class_names_of_labelme(tmp_path: Path) -> None:
    write(tmp_path, labels=np.minimum(LABELS, 2))
    (tmp_path / "class_names.txt").write_text("_background_\ncup\ntea pot\n")
    assert data.open(f"voc:{tmp_path},val").label_names() == ("cup", "tea pot")
    (tmp_path / "class_names.txt").write_text("cup\ntea pot\n")
    with pytest.raises(DataError, match="expected _background_ on the first line, found 'cup'"):
        data.open(f"voc:{tmp_path},val")


RED, GREEN = (255, 0, 0), (0, 255, 0)
COLOURED = (
    "# label:color_rgb:parts:actions\ntea pot:0,255,0::\nbackground:9,9,9::\ncup:255,0,0:a,b:\n"
)


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_map_of_labels_says_which_colour_is_which_class(tmp_path: Path, mode: str) -> None:
    """As CVAT and Datumaro write it: the order of the lines says nothing."""
    write(tmp_path)
    (tmp_path / "labelmap.txt").write_text(COLOURED)
    pixels = np.full((12, 16, 3), 9, np.uint8)
    pixels[2:5], pixels[5:7], pixels[7:8] = RED, GREEN, (224, 224, 192)
    path = tmp_path / "SegmentationClass" / "2007_000027.png"
    picture = Image.fromarray(pixels)
    (picture.quantize(8) if mode == "P" else picture).save(path)
    found = data.open(f"voc:{tmp_path},val")
    assert found.label_names() == ("tea pot", "cup")
    labels = found.label_map(0)
    assert labels[:, 0].tolist() == [0, 0, 2, 2, 2, 1, 1, VOID, 0, 0, 0, 0]
    pixels[0, 0] = 128, 0, 0
    Image.fromarray(pixels).save(path)
    with pytest.raises(data.BadItem, match=r"the colours of labelmap\.txt, found \(128, 0, 0\)"):
        found.label_map(0)


def test_a_map_of_labels_without_colours_is_a_list(tmp_path: Path) -> None:
    write(tmp_path, labels=np.minimum(LABELS, 2), mode="RGB")
    (tmp_path / "labelmap.txt").write_text("background:::\ncup:::\ntea pot:::\n")
    found = data.open(f"voc:{tmp_path},val")
    assert found.label_names() == ("cup", "tea pot")
    np.testing.assert_array_equal(found.label_map(0), np.minimum(LABELS, 2))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cup:::\nbackground:::\n", "expected a line of the background, before all"),
        ("cup:1,2,3::\n", "expected a line of the background"),
        ("background:0,0,0::\ncup:0,0,0::\n", "expected a colour of its own for every name"),
        ("background:0,0,0::\ncup:::\ntea:::\n", "expected a colour of its own for every name"),
        ("background:0,0,0::\ncup:::\n", "expected a colour of its own for every name"),
        ("background:0,0,256::\n", "line 1: expected three numbers from 0 to 255, found '0,0,256'"),
        ("background:::\ncup\n", "line 2: expected NAME:RED,GREEN,BLUE:PARTS:ACTIONS"),
        ("background:::\ncup:::\ncup:::\n", "line 3: .*a name of its own"),
        ("background:::\n", "expected 1 to 254 classes"),
    ],
)
def test_maps_of_labels_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path)
    (tmp_path / "labelmap.txt").write_text(text)
    with pytest.raises(DataError, match=rf"labelmap\.txt.*{reason}"):
        data.open(f"voc:{tmp_path},val")


def test_context_has_its_own_folders(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "SegmentationClass").rename(tmp_path / "SegmentationClassContext")
    (tmp_path / "ImageSets/Segmentation").rename(tmp_path / "ImageSets/SegmentationContext")
    found = data.open(f"context:{tmp_path},val")
    assert found.label_names() == CONTEXT_CLASSES
    assert len(CONTEXT_CLASSES) == 59
    assert found.label_map(0)[3, 4] == 11
    with pytest.raises(DataError, match=r"expected a folder with ImageSets/Segmentation/val\.txt"):
        data.open(f"voc:{tmp_path},val")


@pytest.mark.parametrize(
    ("mode", "pixels", "reason"),
    [
        ("L", np.full((12, 16), 21, np.uint8), "expected labels from 0 to 20 and 255, found 21"),
        ("RGB", np.full((12, 16, 3), 7, np.uint8), r"expected VOC's colours, found \(7, 7, 7\)"),
        (
            "I;16",
            np.zeros((12, 16), np.uint16),
            "expected indices or VOC's colours",
        ),
    ],
)
def test_labels_that_are_none(tmp_path: Path, mode: str, pixels: np.ndarray, reason: str) -> None:
    write(tmp_path)
    Image.fromarray(pixels).save(tmp_path / "SegmentationClass" / "2007_000027.png")
    with pytest.raises(data.BadItem, match=rf"2007_000027\.png: {reason}"):
        data.open(f"voc:{tmp_path},val").label_map(0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("</annotation>", ""), "expected XML, found none"),
        (("<xmax>9</xmax>", "<xmax>2</xmax>"), "expected a box of some width and height"),
        (("<xmin>4</xmin>", ""), "expected xmin, ymin, xmax and ymax"),
        (("<height>12</height>", "<height>x</height>"), "expected size with height and width"),
        (("<name>person</name>", ""), "object 1: expected a name, found none"),
        (("<annotation>", '<!DOCTYPE a [<!ENTITY x "y">]><annotation>'), "expected plain XML"),
    ],
)
def test_boxes_that_are_none(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    write(tmp_path, xml=XML.replace(*change))
    with pytest.raises(data.BadItem, match=rf"2007_000027\.xml: .*{reason}"):
        data.open(f"voc:{tmp_path},val").regions(0)


def test_names_without_pictures_are_bad_items(tmp_path: Path) -> None:
    write(tmp_path)
    with open(tmp_path / "ImageSets/Segmentation/val.txt", "a") as file:
        file.write("gone\n../../x\n")
    found = data.open(f"voc:{tmp_path},val", max_bad=0.9)
    assert len(found) == 1
    assert "expected JPEGImages/'gone'.jpg" in found.problems.summary()
    assert "leaves the data folder" in found.problems.summary()
    with pytest.raises(DataError, match="2 of 3 items are bad"):
        data.open(f"voc:{tmp_path},val")
    with pytest.raises(DataError, match=r"train\.txt: expected a list of pictures, found"):
        data.open(f"voc:{tmp_path},train")
    with pytest.raises(DataError, match="expected DIR,SPLIT, found no comma"):
        data.open(f"voc:{tmp_path}")
