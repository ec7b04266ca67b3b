"""The demonstration, a few steps long: it runs anywhere and ends with the page's path."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

from csparc import _random
from csparc.cli import demo as command
from csparc.data.dataset import Dataset
from csparc.data.report import BadItem
from csparc.data.scenes import Scenes
from csparc.demo import data as demo_data
from csparc.demo.data import open_demo_data
from csparc.demo.examples import image_searches, text_searches
from csparc.errors import DataError
from csparc.evaluate.encode import Features


def run_demo(folder, *arguments, **environment):
    """Run the command with ``folder`` as the current one, without a terminal and a home."""
    variables = {k: v for k, v in os.environ.items() if k != "HOME"} | environment
    return subprocess.run(
        [sys.executable, "-m", "csparc", "demo", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(demo_data, "SCENES_TRAIN", 80)
    monkeypatch.setattr(demo_data, "HELD_OUT", 24)


def test_demo_of_one_loss_writes_the_page_and_prints_its_path_last(
    few_scenes, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments = command_line("--steps", "2", "--loss", "sparc")
    assert command.run(arguments) == 0
    path = tmp_path / "csparc-demo-sparc" / "index.html"
    assert capsys.readouterr().out == f"{path}\n"
    page = path.read_text(encoding="utf-8")
    assert page.count('class="alignment"') == 12
    assert "right by meaning" in page
    assert "csparc demo --loss sparc --steps 2 --seed 0" in page
    assert command.run(arguments) == 0, "a second run replaces the first"


def test_demo_on_own_pictures_in_a_folder_with_spaces(tmp_path):
    from PIL import Image

    photos = tmp_path / "my photos"
    photos.mkdir()
    scenes = Scenes("S", size=20)
    for i in range(len(scenes)):
        Image.fromarray(scenes.load(i)).save(photos / f"{i}.png")
        (photos / f"{i}.txt").write_text("\n".join(scenes.captions(i)))
    (photos / "19.png").write_bytes(b"broken")
    out = tmp_path / "the out"
    done = run_demo(tmp_path, "--data", "folder:my photos", "--steps", "2", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(out / "index.html")
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "pictures of your own" in page
    assert "--data &#x27;folder:my photos&#x27; --steps 2 2" in page
    assert "no figure says whether a word found its object" in page
    assert (out / "alignment.png").read_bytes()[:4] == b"\x89PNG"


def test_without_a_writable_folder_it_says_where_it_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "csparc-demo").write_text("a file in the way")
    folder = command.output_folder(None)
    assert folder.is_dir()
    assert tmp_path not in folder.parents
    assert f"writing to {folder} instead" in capsys.readouterr().err
    folder.rmdir()


def test_a_wished_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        command.output_folder(str(tmp_path / "file"))


def command_line(*arguments):
    from csparc.cli.main import build_parser

    return build_parser().parse_args(["demo", *arguments])


class Pictures(Dataset):
    """A data set of ``count`` pictures for `csparc.data.open` to return."""

    problems = None

    def __init__(self, count, broken=()):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def captions(self, index):
        return [f"caption {index}"]

    def name(self, index):
        return f"p{index:03d}.png"

    def load(self, index):
        if index in self.broken:
            raise BadItem(self.name(index), "is empty")
        return np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("which", [[0], [1], [0, 1], range(10)])
def test_another_picture_is_held_out_where_one_cannot_be_read(which, monkeypatch):
    """``which`` of those that would be held out first are broken; the others stay as they were."""
    order = csparc_order(24)
    broken = [int(order[place]) for place in which]
    monkeypatch.setattr("csparc.data.open", lambda spec: Pictures(24, broken))
    data = open_demo_data("folder:x", seed=3)
    numbers = [int(caption.split()[1]) for caption in data.held_out.all_captions()]
    assert numbers == sorted([number for number in order if number not in broken][:2])
    assert set(data.unreadable.reasons) <= {f"p{number:03d}.png" for number in broken}
    assert len(data.train) == 22


def test_pictures_of_which_none_can_be_read_are_named(monkeypatch):
    monkeypatch.setattr("csparc.data.open", lambda spec: Pictures(8, range(7)))
    with pytest.raises(
        DataError, match=r"expected at least 2 pictures .* found 1; .*png: is empty"
    ):
        open_demo_data("folder:x", seed=3)


def csparc_order(count):
    """The order in which the demo draws pictures to hold out, by seed 3."""
    return _random.permutation(3, demo_data._STREAM, count).tolist()


@pytest.mark.parametrize(("count", "held"), [(8, 2), (30, 3), (9000, 500)])
def test_a_tenth_of_own_pictures_is_held_out_and_nothing_is_in_both(count, held, monkeypatch):
    monkeypatch.setattr("csparc.data.open", lambda spec: Pictures(count))
    data = open_demo_data("folder:x", seed=3)
    captions = [set(part.all_captions()) for part in (data.train, data.held_out)]
    assert len(captions[1]) == held
    assert len(captions[0]) == count - held
    assert not captions[0] & captions[1]


def test_too_few_pictures_are_an_error(monkeypatch):
    monkeypatch.setattr("csparc.data.open", lambda spec: Pictures(7))
    with pytest.raises(DataError, match="expected at least 8 pictures, found 7"):
        open_demo_data("folder:x", seed=0)


def features():
    """Three pictures with two captions each; caption 5 of picture 2 lies far from it."""
    texts = np.array([[1, 0.1, 0], [0.9, 0, 0.2], [0, 1, 0], [0, 0.8, 0.1], [0, 0.1, 1], [1, 0, 0]])
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    index = np.array([0, 0, 1, 1, 2, 2])
    return Features(np.eye(3), texts, index, np.arange(3), ["a", "b", "c", "dd", "e", "a"])


def test_text_searches_take_the_longest_caption_and_mark_its_picture():
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(3)]
    found = text_searches(features(), pictures, 2, lambda row, caption: row == 2)
    assert [search.caption for search in found] == ["a", "dd"]
    assert [hit.true for hit in found[1].hits if not hit.own] == [
        (hit.image == 2).all() for hit in found[1].hits if not hit.own
    ]
    assert [hit.own for hit in found[1].hits] == [True, False, False]
    assert (found[1].hits[0].image == 1).all()


def test_image_searches_show_equal_captions_once_and_know_what_is_true():
    pictures = [np.zeros((2, 2, 3), np.uint8)] * 3
    found = image_searches(features(), pictures, 3, lambda row, caption: caption == 1)
    assert [hit.text for hit in found[0].hits][:2] == ["a", "b"]
    assert all(len({h.text for h in search.hits}) == len(search.hits) for search in found)
    assert [hit.true for hit in found[1].hits if hit.text == "b"] == [True]
    own = [hit.text for hit in found[2].hits if hit.own]
    assert sorted(own) == ["a", "e"]


def test_a_right_answer_beyond_the_first_five_follows_with_its_place():
    n = 9
    images = np.eye(n)
    images[0] = -np.eye(n)[0]
    many = Features(images, np.eye(n), np.arange(n), np.arange(n), [str(i) for i in range(n)])
    pictures = [np.zeros((2, 2, 3), np.uint8)] * n
    hits = text_searches(many, pictures, 1, lambda row, caption: None)[0].hits
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 9]
    assert hits[-1].own
