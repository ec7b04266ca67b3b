"""What scenes know of places comes back through every format that holds it."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import csparc.data
from csparc.data.export import WRITERS, export
from csparc.data.export.instances import frequency
from csparc.data.regions import VOID
from csparc.data.scenes import Scenes
from csparc.data.scenes.forms import holds
from csparc.errors import DataError

WITH_PLACES = (
    "coco", "lvis", "objects365", "voc", "entities", "visual-genome", "visual-genome-objects",
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes():
    return Scenes(size=12, split="seg_test")


ON_CAPTIONS_ALONE = {
    "folder", "csv", "tsv", "webdataset", "coco", "karpathy", "karpathy-flickr", "token",
    "flickr-csv", "clip-benchmark",
}  # fmt: skip


def opened(scenes, kind, folder):
    return csparc.data.open(export(scenes, kind, folder / "a folder, new"))


@pytest.mark.parametrize("kind", WITH_PLACES)
def test_boxes_come_back(kind, scenes, tmp_path):
    read = opened(scenes, kind, tmp_path)
    assert read.has_regions
    for index in range(len(scenes)):
        own, found = scenes.regions(index), read.regions(index)
        assert found.size == own.size
        assert [part.box for part in found.parts] == [part.box for part in own.parts]
        np.testing.assert_array_equal(read.load(index), scenes.load(index))


def test_masks_names_and_attributes_come_back_through_coco(scenes, tmp_path):
    read = opened(scenes, "coco", tmp_path)
    record = json.loads((tmp_path / "a folder, new" / "instances.json").read_text())
    kinds = {type(entry["segmentation"]) for entry in record["annotations"]}
    assert kinds == {list, dict}  # rings, and what lies behind, have holes
    assert read.label_names() == scenes.label_names()
    for index in range(len(scenes)):
        for own, found in zip(scenes.regions(index).parts, read.regions(index).parts):
            np.testing.assert_array_equal(found.mask, own.mask)
            assert (found.name, set(found.attributes)) == (own.name, set(own.attributes))
        np.testing.assert_array_equal(read.label_map(index), scenes.label_map(index))
    assert set(read.label_names("colour")) <= set(scenes.label_names("colour"))
    names = np.array(["", *read.label_names("colour")])[read.label_map(0, "colour")]
    own = np.array(["", *scenes.label_names("colour")])[scenes.label_map(0, "colour")]
    np.testing.assert_array_equal(names, own)


def test_words_of_captions_name_what_they_name_in_the_scene(scenes, tmp_path):
    read, checked = opened(scenes, "coco", tmp_path), 0
    for index in range(len(scenes)):
        found = {(m.caption, m.start): m for m in read.regions(index).mentions}
        for own in scenes.regions(index).mentions:
            if own.groups:
                other = found[own.caption, own.start]
                assert (other.stop, other.groups) == (own.stop, own.groups)
                assert set(own.regions) <= set(other.regions)
                checked += 1
    assert checked > 50


def test_phrases_come_back_through_entities(scenes, tmp_path):
    read = opened(scenes, "entities", tmp_path)
    for index in range(len(scenes)):
        assert read.captions(index) == scenes.captions(index)
        own, found = scenes.regions(index).mentions, read.regions(index).mentions
        for number in range(5):
            named, spoken = (
                {m.regions for m in some if m.caption == number} for some in (own, found)
            )
            assert named == spoken
        texts = [scenes.captions(index)[m.caption][m.start : m.stop] for m in found
                 if m.groups == ("NOUN",)]  # fmt: skip
        assert all(text.rstrip("es") in " ".join(scenes.label_names()) for text in texts)


def test_phrases_come_back_through_visual_genome(scenes, tmp_path):
    read = opened(scenes, "visual-genome", tmp_path)
    parts = scenes.regions(0).parts
    assert [text.split()[-1] for text in read.captions(0)] == [part.name for part in parts]
    assert [m.regions for m in read.regions(0).mentions if "PHRASE" in m.groups] == [
        (number,) for number in range(len(parts))
    ]


def test_masks_and_absent_classes_come_back_through_lvis(scenes, tmp_path):
    read = opened(scenes, "lvis", tmp_path)
    assert read.label_names() == scenes.label_names()
    for index in range(len(scenes)):
        own, found = scenes.regions(index).parts, read.regions(index)
        shown = {part.name for part in own}
        assert [part.name for part in found.parts] == [part.name for part in own]
        for one, other in zip(own, found.parts):
            np.testing.assert_array_equal(one.mask, other.mask)
        assert found.absent == tuple(n for n in scenes.label_names() if n not in shown)
        assert found.unfinished == ()
        assert read.captions(index) == sorted(shown)
        np.testing.assert_array_equal(read.label_map(index), scenes.label_map(index))
    again = csparc.data.open(export(read, "lvis", tmp_path / "again"))
    for index in range(len(scenes)):
        assert again.regions(index).absent == read.regions(index).absent


def test_frequencies_of_lvis_follow_from_the_pictures(tmp_path):
    assert [frequency(n) for n in (0, 10, 11, 100, 101)] == ["r", "r", "c", "c", "f"]
    scenes = Scenes(size=60)
    read = csparc.data.open(export(scenes, "lvis", tmp_path / "lvis"))
    shown = [{o.shape for o in scenes.scene(index).objects} for index in range(60)]
    assert read.frequencies == {
        name: frequency(sum(name in own for own in shown)) for name in scenes.label_names()
    }
    assert set(read.frequencies.values()) == {"r", "c"}


@pytest.mark.parametrize("kind", ["objects365", "visual-genome-objects"])
def test_names_of_boxes_come_back(kind, scenes, tmp_path):
    read = opened(scenes, kind, tmp_path)
    for index in range(len(scenes)):
        own, found = scenes.regions(index).parts, read.regions(index)
        assert [part.name for part in found.parts] == [part.name for part in own]
        texts = read.captions(index)
        assert set(texts) == {part.name for part in own}
        assert [m.regions for m in found.mentions] == [
            tuple(k for k, part in enumerate(own) if part.name == text) for text in texts
        ]


@pytest.mark.parametrize("kind", ["voc", "context"])
def test_labels_come_back(kind, scenes, tmp_path):
    read = opened(scenes, kind, tmp_path)
    assert read.label_names() == scenes.label_names()
    for index in range(len(scenes)):
        own, found = scenes.label_map(index), read.label_map(index)
        inside = found != VOID
        assert inside.all() == (kind == "context")
        np.testing.assert_array_equal(found[inside], own[inside])
        if kind == "voc":
            assert (own[~inside] > 0).all()
            assert read.captions(index) == sorted({o.shape for o in scenes.scene(index).objects})


def test_voc_counts_pixels_from_one_and_lists_what_pictures_show(scenes, tmp_path):
    export(scenes, "voc", tmp_path / "voc")
    root = ElementTree.parse(tmp_path / "voc" / "Annotations" / "000000.xml").getroot()
    first = scenes.scene(0).objects[0]
    values = [int(root.find("object/bndbox").findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax")]
    assert values == [first.box[0] + 1, first.box[1] + 1, first.box[2], first.box[3]]
    lines = (tmp_path / "voc/ImageSets/Main" / f"{first.shape}_seg_test.txt").read_text()
    assert lines.splitlines()[0] == "000000  1"
    # torchvision's readers take no other ending, and the list of a split from here.
    assert root.findtext("filename") == "000000.jpg"
    listed = (tmp_path / "voc/ImageSets/Main/seg_test.txt").read_text().split()
    files = [tmp_path / "voc/JPEGImages" / f"{name}.jpg" for name in listed]
    assert len(listed) == len(scenes)
    assert all(file.is_file() for file in files)


def test_classes_are_folders(tmp_path):
    scenes = Scenes(size=20, split="zs_seen")
    export(scenes, "imagenet", tmp_path / "folders")
    names = json.loads((tmp_path / "folders" / "classnames.json").read_text())
    files = sorted(tmp_path.glob("folders/n*/*.png"), key=lambda path: path.name)
    objects = [scenes.scene(index).objects[0] for index in range(20)]
    assert [names[f.parent.name] for f in files] == [f"{o.colour} {o.shape}" for o in objects]
    with pytest.raises(DataError, match="expected scenes of one object for imagenet"):
        export(Scenes(size=20), "imagenet", tmp_path / "several")
    assert not list(tmp_path.glob("several*"))


@pytest.mark.parametrize("tier", ["M", "L"])
def test_sugarcrepe_has_true_and_false_captions(tier, tmp_path):
    scenes = Scenes(tier=tier, size=200)
    export(scenes, "sugarcrepe", tmp_path / "s")
    kinds = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "s").glob("*.json")}
    assert len(kinds) == 8
    for kind, record in kinds.items():
        assert len(record) > 5, kind
        for entry in record.values():
            index = int(entry["filename"][:-4])
            true, false = entry["caption"], entry["negative_caption"]
            assert true in scenes.captions(index)
            assert false not in scenes.captions(index)
            if not kind.startswith("add"):
                assert len(true.split()) == len(false.split())
            if kind.startswith("swap"):
                words = [t.replace(",", "").replace("an ", "a ") for t in (true, false)]
                assert sorted(words[0].split()) == sorted(words[1].split())
    # Of numbers each text is false as often as it is true, or words alone would tell.
    counts = [(one["caption"], one["negative_caption"]) for one in kinds["replace_count"].values()]
    assert sorted(counts) == sorted((false, true) for true, false in counts)
    assert sorted(counts[::2]) == sorted((false, true) for true, false in counts[::2])


def test_winoground_pairs_differ_by_the_exchange(tmp_path):
    scenes = Scenes(size=20)
    export(scenes, "winoground", tmp_path / "w")
    lines = (tmp_path / "w" / "examples.jsonl").read_text().splitlines()
    assert 5 < len(lines) <= 20
    for line in lines:
        entry = json.loads(line)
        words = [sorted(entry[f"caption_{k}"].replace("an ", "a ").split()) for k in (0, 1)]
        assert words[0] == words[1]
        assert entry["caption_0"] != entry["caption_1"]
        assert (tmp_path / "w" / "images" / f"{entry['image_1']}.png").is_file()


def test_what_a_format_needs_is_asked_for(tmp_path):
    folder = csparc.data.open(export(Scenes(size=2), "folder", tmp_path / "folder"))
    for kind in WRITERS.keys() - ON_CAPTIONS_ALONE:
        with pytest.raises(DataError, match=r"export: expected .* found"):
            export(folder, kind, tmp_path / kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_the_command_prints_what_opens_it(tmp_path, capsys):
    from csparc.cli.main import main

    assert main(["export", "scenes:size=3;tier=S", str(tmp_path / "x"), "--to", "coco"]) == 0
    assert len(csparc.data.open(capsys.readouterr().out.strip())) == 3
    assert main(["export", "scenes:size=3", str(tmp_path / "x"), "--to", "csv"]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert "winoground" in WRITERS


def test_changes_hold_of_nothing_but_the_changed_scene():
    from csparc.data.scenes.changes import exchanged

    found = 0
    for index in range(40):
        scene = Scenes(size=40).scene(index)
        pair = exchanged(scene)
        if pair is not None:
            other, texts = pair
            forms = [
                ("exists", *(tuple([o.shape, o.colour, None, None]) for o in s.objects))
                for s in (scene, other)
            ]
            assert holds(forms[0], scene)
            assert not holds(forms[0], other)
            assert holds(forms[1], other)
            assert (scene.instance == other.instance).all()
            assert texts[0] != texts[1]
            found += 1
    assert found > 10
