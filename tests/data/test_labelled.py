"""Pictures of classes in the layouts of ImageNet and its variants, and the files of their names."""

import json

import numpy as np
import pytest
import small_training
from PIL import Image

import csparc.data
from csparc.cli import main as cli
from csparc.data.export import export
from csparc.data.readers.class_names import read_class_names
from csparc.data.scenes import Scenes
from csparc.errors import DataError
from csparc.evaluate import Subject, make_task

WNIDS = {"n01440764": "tench", "n01443537": "goldfish", "n02085620": "Chihuahua"}


def picture(path, level=0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(path, format="JPEG")


def labels(data) -> list[list[int]]:
    return [data.labels(index) for index in range(len(data))]


def test_wnids_are_in_their_own_order_whatever_the_file_s(tmp_path):
    for wnid in WNIDS:
        picture(tmp_path / "val" / wnid / f"ILSVRC2012_val_{wnid[-4:]}.JPEG")
    (tmp_path / "val" / "classnames.json").write_text(json.dumps(dict(reversed(WNIDS.items()))))
    data = csparc.data.open(f"imagenet:{tmp_path / 'val'}")
    assert data.classes == ("tench", "goldfish", "Chihuahua")
    assert labels(data) == [[0], [1], [2]]
    assert data.captions(2) == ["Chihuahua"]


def test_a_subset_restricts_the_classes_to_those_that_have_a_folder(tmp_path):
    picture(tmp_path / "n02085620" / "art_0.jpg")
    (tmp_path / "n01440764").mkdir()  # a class whose pictures are all lost is still an answer
    (tmp_path / "names.json").write_text(json.dumps(WNIDS))
    data = csparc.data.open(f"imagenet:{tmp_path};classes=names.json")
    assert (data.present, labels(data)) == ([0, 2], [[2]])


def test_folders_of_imagenet_v2_are_numbers_and_sorted_as_such(tmp_path):
    for number in (10, 9, 0):
        picture(tmp_path / str(number) / "a.jpeg")
    lines = "".join(f"n{n:08d} class {n}, other name\n" for n in range(11))
    (tmp_path / "LOC_synset_mapping.txt").write_text(lines)
    data = csparc.data.open(f"imagenet:{tmp_path};classes=LOC_synset_mapping.txt")
    assert [data.captions(i)[0] for i in range(3)] == ["class 0", "class 10", "class 9"]
    assert data.present == [0, 9, 10]


def test_folders_of_imagenet_c_are_corruptions_and_severities(tmp_path):
    for kind in ("fog", "snow"):
        for severity in (1, 5):
            picture(tmp_path / kind / str(severity) / "n01440764" / "x.JPEG")
    (tmp_path / "classnames.json").write_text(json.dumps(WNIDS))
    data = csparc.data.open(f"imagenet:{tmp_path}")
    assert [data.condition(i) for i in range(4)] == [
        ("fog", "1"), ("fog", "5"), ("snow", "1"), ("snow", "5"),
    ]  # fmt: skip
    assert labels(data) == [[0]] * 4


def test_splits_are_no_classes(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / split / "cat" / "a.jpg")
        picture(tmp_path / split / "dog" / "a.jpg")
    with pytest.raises(
        DataError, match=r"one of splits \(train, val\): open one of them, imagenet:"
    ):
        csparc.data.open(f"imagenet:{tmp_path}")
    assert csparc.data.open(f"imagenet:{tmp_path / 'val'}").classes == ("cat", "dog")
    picture(tmp_path / "test" / "a.jpg")  # pictures directly in it: then these are classes
    assert csparc.data.open(f"imagenet:{tmp_path}").classes == ("test", "train", "val")


def test_names_without_keys_go_by_the_order_of_the_folders(tmp_path):
    for name in ("beta", "alpha"):
        picture(tmp_path / name / "a.jpg")
    assert csparc.data.open(f"imagenet:{tmp_path}").classes == ("alpha", "beta")
    (tmp_path / "classnames.txt").write_text("the first\nthe second\n")
    assert csparc.data.open(f"imagenet:{tmp_path}").captions(0) == ["the first"]
    (tmp_path / "classnames.txt").write_text("the first\n")
    with pytest.raises(DataError, match=r"expected a class for each folder .* found 1 classes"):
        csparc.data.open(f"imagenet:{tmp_path}")


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder of pictures for each class, found no"):
        csparc.data.open(f"imagenet:{tmp_path}")


def test_folders_that_no_text_names_need_names(tmp_path):
    picture(tmp_path / "n01440764" / "a.jpg")
    with pytest.raises(DataError, match=r"expected the names of the classes.*;classes=FILE"):
        csparc.data.open(f"imagenet:{tmp_path}")


def test_a_picture_outside_of_classes_is_left_out_and_counted(tmp_path):
    for number in range(12):
        picture(tmp_path / "dog" / f"{number}.jpg")
    picture(tmp_path / "stray.jpg")
    data = csparc.data.open(f"imagenet:{tmp_path}")
    assert len(data) == 12
    assert data.problems.reasons == {"stray.jpg": "expected a picture in the folder of a class"}


def test_pictures_of_no_class_or_severity_are_left_out_among_corruptions(tmp_path):
    for name in "abcdefgh":
        picture(tmp_path / "fog" / "1" / "dog" / f"{name}.jpg")
    picture(tmp_path / "fog" / "1" / "stray.jpg")
    picture(tmp_path / "fog" / "6" / "dog" / "a.jpg")
    data = csparc.data.open(f"imagenet:{tmp_path}", max_bad=0.2)
    assert {data.condition(index) for index in range(len(data))} == {("fog", "1")}
    assert len(data) == 8
    assert data.problems.reasons == {
        "fog/1/stray.jpg": "expected a picture in the folder of a class",
        "fog/6/dog/a.jpg": "expected a severity from 1 to 5, found '6'",
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("n.json", '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}', None),
        ("n.json", '["tench", "goldfish"]', None),
        ("n.txt", "\ufefftench\r\ngoldfish\r\n", None),
        ("n.txt", "n01443537\tgoldfish, Carassius auratus\nn01440764\ttench, Tinca\n", None),
        ("n.json", '{"a": 3}', "expected names of classes, found 3 for number 0"),
        ("n.json", '{"a": "x", "a": "y"}', "the key 'a' twice"),
        ("n.json", "[]", "expected names of classes, found none"),
        ("n.json", '["a", " "]', "found an empty one, number 1"),
        ("n.json", "7", "expected an object or a list"),
        ("n.json", '["a"', "no valid JSON"),
        ("n.txt", "n01440764 tench\nn01440764 fish\n", "found 'n01440764' twice"),
    ],
)
def test_files_of_names(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text.encode())
    if message is None:
        assert read_class_names(str(path)).names == ("tench", "goldfish")
    else:
        with pytest.raises(DataError, match=message):
            read_class_names(str(path))


def test_a_table_of_labels_by_name_key_and_number(tmp_path):
    for name in "abcd":
        picture(tmp_path / f"{name}.jpg")
    (tmp_path / "names.json").write_text(json.dumps(WNIDS))
    rows = ["path,label", "a.jpg,tench", "b.jpg,n01443537", "c.jpg,2", "d.jpg,2", "d.jpg,0"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    data = csparc.data.open(f"labels:{tmp_path / 'labels.csv'};classes=names.json")
    assert labels(data) == [[0], [1], [2], [0, 2]]
    assert data.several
    plain = csparc.data.open(f"labels:{tmp_path / 'labels.csv'}")
    assert plain.classes == ("0", "2", "n01443537", "tench")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, *rows[1:] * 2, "a.jpg,whale"]))
    data = csparc.data.open(f"labels:{tmp_path / 'labels.csv'};classes=names.json;separator=,")
    assert "expected a label among the classes" in data.problems.summary()


def test_two_classes_of_one_name_are_told(tmp_path):
    for wnid in WNIDS:
        picture(tmp_path / wnid / "a.jpg")
    (tmp_path / "classnames.json").write_text(json.dumps(dict.fromkeys(WNIDS, "crane")))
    with pytest.warns(UserWarning, match="1 names are of several classes, such as 'crane'"):
        csparc.data.open(f"imagenet:{tmp_path}")


def test_a_model_is_evaluated_on_each_of_them(tmp_path, capsys):
    trainer = small_training.trainer(tmp_path / "run", steps=2, val_data=None)
    trainer.run()
    root = tmp_path / "pictures"
    for name in ("red_circle", "blue_bar", "green_square"):
        for number in range(4):
            picture(root / name / f"{number}.jpg", 40 * number)
    (root / "red_circle" / "0.jpg").write_bytes(b"no picture")
    line = ["eval", "zeroshot", "--checkpoint", str(tmp_path / "run"), "--max-bad", "0.5"]
    report = tmp_path / "report.json"
    assert cli.main([*line, "--data", f"imagenet:{root}", "--json", str(report)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 bad item skipped: red_circle")
    found = json.loads(report.read_text())
    assert found["top1"]["n"] == 11
    assert found["top1"]["chance"] == pytest.approx(100 / 3)
    assert found["top1"]["config"]["classes"] == 3
    rows = ["path,label", *(f"blue_bar/{n}.jpg,{c}" for n in range(4) for c in "xy"[: 1 + n % 2])]
    (root / "labels.csv").write_text("\n".join(rows))
    assert cli.main([*line, "--data", f"labels:{root / 'labels.csv'}", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["map"]["n"] == 4
    given = Subject(trainer.model, trainer.tokenizer, trainer.val_preprocess, trainer.data)
    (root / "red_circle" / "0.jpg").unlink()
    elsewhere = make_task(f"zeroshot:on=imagenet:{root}")
    elsewhere.check(given)
    assert elsewhere.run(given).figures["top1"].n == 11


def test_what_export_writes_as_imagenet_is_read_back(tmp_path):
    scenes = Scenes("S", 6, 0, "zs_seen")
    data = csparc.data.open(export(scenes, "imagenet", tmp_path / "pictures"))
    shown = [f"{one.colour} {one.shape}" for i in range(6) for one in scenes.scene(i).objects]
    assert sorted(data.captions(i)[0] for i in range(6)) == sorted(shown)
