"""An index takes in what is new, drops what is gone, and survives whatever stops it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import picture_index
import pictures
import pytest
import small_training

import csparc
from csparc.data.export import export
from csparc.errors import DataError
from csparc.search import open_index, open_pictures, update_index
from csparc.search.files import MANIFEST, open_vectors, paths_of, read_entries, read_manifest
from csparc.search.parts import Parts
from csparc.search.update import LOCK

COUNT = picture_index.COUNT


def content(folder: Path) -> tuple[list[str], np.ndarray]:
    manifest = read_manifest(folder)
    paths = [entry.path for entry in read_entries(folder, manifest)]
    return paths, np.array(open_vectors(folder, manifest))


def test_every_picture_is_encoded_and_bad_ones_are_counted(run, photos, tmp_path):
    found = picture_index.update(run, photos, tmp_path / "index")
    assert (found.pictures, found.encoded, found.recognised, found.removed) == (COUNT, COUNT, 0, 0)
    assert list(found.problems.reasons) == ["broken.jpg"]
    paths, vectors = content(tmp_path / "index")
    assert paths == sorted(paths)
    assert os.path.join("trip", "09.png") in paths
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    files = sorted(path.name for path in (tmp_path / "index").iterdir())
    assert files == [LOCK, MANIFEST, "lines-1.npy", "pictures-1.jsonl", "vectors-1.npy"]


def test_only_what_is_new_or_changed_is_encoded(run, photos, tmp_path):
    out = tmp_path / "index"
    picture_index.update(run, photos, out)
    before = content(out)
    again = picture_index.update(run, photos, out)
    assert (again.pictures, again.encoded, again.recognised) == (COUNT, 0, 0)
    assert read_manifest(out).generation == 1
    pictures.save(photos / "new.png", 77)
    pictures.save(photos / "03.png", 78)
    (photos / "04.png").unlink()
    (photos / "05.png").rename(photos / "moved.png")
    os.utime(photos / "06.png", (1, 1))
    found = picture_index.update(run, photos, out)
    assert (found.pictures, found.encoded, found.recognised, found.removed) == (COUNT, 2, 2, 2)
    paths, vectors = content(out)
    old = dict(zip(*before))
    new = dict(zip(paths, vectors))
    assert (new["moved.png"] == old["05.png"]).all()
    assert (new["07.png"] == old["07.png"]).all()
    assert (new["03.png"] != old["03.png"]).any()
    assert "04.png" not in new
    picture_index.update(run, photos, tmp_path / "anew")
    fresh = content(tmp_path / "anew")
    assert fresh[0] == paths
    np.testing.assert_allclose(fresh[1], vectors, atol=1e-6)


def test_a_change_that_size_and_time_hide_is_found_when_asked_for(run, photos, tmp_path):
    kept = os.stat(photos / "00.png")
    old, new = (pictures.encoded(number, "BMP") for number in (0, 1))
    (photos / "00.png").write_bytes(old)
    os.utime(photos / "00.png", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    picture_index.update(run, photos, tmp_path / "index")
    (photos / "00.png").write_bytes(new)
    os.utime(photos / "00.png", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert picture_index.update(run, photos, tmp_path / "index").encoded == 0
    assert picture_index.update(run, photos, tmp_path / "index", verify=True).encoded == 1


def test_equal_pictures_are_encoded_once(run, photos, tmp_path):
    (photos / "copy.png").write_bytes((photos / "00.png").read_bytes())
    found = picture_index.update(run, photos, tmp_path / "index")
    assert (found.pictures, found.encoded, found.recognised) == (COUNT + 1, COUNT, 1)
    index = open_index(tmp_path / "index")
    hits = index.search(image=index.load(0), k=2)
    assert [hit.name for hit in hits] == ["00.png", "copy.png"]
    assert hits[0].score == hits[1].score == pytest.approx(1, abs=1e-5)


def test_a_killed_run_goes_on_where_it_was(run, photos, tmp_path):
    out = tmp_path / "index"
    script = [sys.executable, picture_index.__file__, run, photos, out, "14"]
    assert subprocess.run(script).returncode == -9
    with pytest.raises(DataError, match="expected an index of pictures, found none: csparc index"):
        open_index(out)
    found = picture_index.update(run, photos, out)
    assert found.pictures == COUNT
    assert found.recognised >= 8
    assert found.encoded == COUNT - found.recognised
    picture_index.update(run, photos, tmp_path / "anew")
    np.testing.assert_allclose(content(out)[1], content(tmp_path / "anew")[1], atol=1e-6)
    assert not list(out.glob("parts-*"))


def test_an_index_is_searched_while_a_killed_update_left_its_parts(run, photos, tmp_path):
    out = tmp_path / "index"
    picture_index.update(run, photos, out)
    for number in range(COUNT):
        pictures.save(photos / f"more{number:02d}.png", 100 + number)
    script = [sys.executable, picture_index.__file__, run, photos, out, str(COUNT + 10)]
    assert subprocess.run(script).returncode == -9
    assert len(open_index(out)) == COUNT
    assert 0 < picture_index.update(run, photos, out).encoded < COUNT
    assert len(open_index(out)) == 2 * COUNT


def test_parts_are_kept_by_content_and_damaged_ones_are_not_there(tmp_path, rng):
    vectors = rng.random((3, 4), dtype=np.float32)
    first = Parts(tmp_path, "m" * 32, 4)
    first.add(["a" * 32, "b" * 32], vectors[:2])
    first.flush()
    first.add(["c" * 32], vectors[2:])
    first.flush()
    again = Parts(tmp_path, "m" * 32, 4)
    assert len(again) == 3
    assert (again["b" * 32] == vectors[1]).all()
    path = next(tmp_path.glob("parts-*/000000.npy"))
    path.write_bytes(path.read_bytes()[:-3])
    again = Parts(tmp_path, "m" * 32, 4)
    assert "a" * 32 not in again
    assert (again["c" * 32] == vectors[2]).all()
    assert len(Parts(tmp_path, "m" * 32, 5)) == 0
    assert len(Parts(tmp_path, "n" * 32, 4)) == 0
    assert len(list(tmp_path.glob("parts-*"))) == 1


def test_a_second_update_at_once_is_refused(run, photos, tmp_path):
    out = tmp_path / "index"

    def second(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(DataError, match="found another process at it: wait"):
                picture_index.update(run, photos, out)

    assert picture_index.update(run, photos, out, progress=second).pictures == COUNT


def test_an_open_index_outlives_an_update(run, photos, tmp_path):
    picture_index.update(run, photos, tmp_path / "index")
    index = open_index(tmp_path / "index")
    before = index.search("a circle", 3)
    for number in range(10):
        (photos / f"0{number}.png").unlink(missing_ok=True)
    picture_index.update(run, photos, tmp_path / "index")
    assert index.search("a circle", 3) == before
    assert len(open_index(tmp_path / "index")) == COUNT - 9


def test_another_model_is_refused_unless_asked_for(run, whole, photos, tmp_path):
    out = tmp_path / "index"
    picture_index.update(run, photos, out)
    other = picture_index.make_run(tmp_path / "other", seed=7)
    before = content(out)
    with pytest.raises(DataError, match=r"found another one: --overwrite .* encodes anew"):
        picture_index.update(other, photos, out)
    with pytest.raises(DataError, match=r"expected the model that the index was made with .*run"):
        open_index(out, model=other)
    assert (content(out)[1] == before[1]).all()
    assert picture_index.update(other, photos, out, overwrite=True).encoded == COUNT
    assert (content(out)[1] != before[1]).any()
    assert len(open_index(out)) == COUNT


def test_a_moved_folder_is_recognised_by_its_files(run, photos, tmp_path):
    picture_index.update(run, photos, tmp_path / "index")
    photos.rename(tmp_path / "elsewhere")
    index = open_index(tmp_path / "index")
    with pytest.raises(DataError, match=r"found no such folder: where it was moved, --root NEW"):
        index.check_root()
    moved = open_index(tmp_path / "index", root=tmp_path / "elsewhere")
    moved.check_root()
    assert moved.load(0).shape == (12, 16, 3)
    found = picture_index.update(run, tmp_path / "elsewhere", tmp_path / "index")
    assert (found.encoded, found.recognised) == (0, 0)
    open_index(tmp_path / "index").check_root()


def test_captions_are_kept_where_there_are_some(run, photos, tmp_path):
    (photos / "00.txt").write_text("a red boat\nwater\n")
    picture_index.update(run, photos, tmp_path / "index")
    index = open_index(tmp_path / "index")
    captions = {hit.name: hit.captions for hit in index.search("a boat", COUNT)}
    assert captions["00.png"] == ("a red boat", "water")
    assert captions["01.png"] == ()
    (photos / "00.txt").write_text("a blue boat\n")
    assert picture_index.update(run, photos, tmp_path / "index").encoded == 0
    assert open_index(tmp_path / "index").entry(0).captions == ("a blue boat",)


def test_a_fitted_run_finds_the_same_in_memory(tmp_path):
    export(small_training.scenes(24), "folder", tmp_path / "photos")
    fitted = csparc.fit(tmp_path / "photos", steps=2, batch_size=8, progress="none")
    update_index(fitted, open_pictures(tmp_path / "photos"), tmp_path / "index")
    with pytest.raises(DataError, match=r"expected its model from no file, .* --checkpoint PATH"):
        open_index(tmp_path / "index")
    own, found = fitted.search("a red circle", 24), open_index(tmp_path / "index", model=fitted)
    hits = found.search("a red circle", 24)
    assert [hit.name for hit in hits] == [hit.name for hit in own]
    assert [hit.captions for hit in hits] == [hit.captions for hit in own]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in own], abs=1e-6)


@pytest.mark.parametrize("spec", ["scenes:size=8", "nowhere", "folder:nowhere"])
def test_what_cannot_be_indexed(spec):
    with pytest.raises(DataError, match="expected"):
        open_pictures(spec)


def test_a_folder_without_pictures(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected a folder of pictures, found none in it"):
        open_pictures(tmp_path / "empty")
    (tmp_path / "empty" / "one.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"expected pictures, found none; 1 bad item skipped"):
        picture_index.update(run, tmp_path / "empty", tmp_path / "index")
    assert not (tmp_path / "index" / MANIFEST).exists()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_damaged_file_is_named(run, photos, tmp_path, which):
    out = tmp_path / "index"
    picture_index.update(run, photos, out)
    path = paths_of(out, 1)[which]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"the index is damaged; delete .* make it anew"):
        open_index(out)
    path.unlink()
    with pytest.raises(DataError, match=r"found no such file: the index is damaged"):
        open_index(out)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("csparc-index", "other", "expected an index of pictures"),
        ('"version": 1', '"version": 2', "expected version 1, found 2"),
        ('"width": 16', '"width": "16"', "width: expected int, found '16'"),
        ('"pictures": 20', '"pictures": -1', "pictures: expected int"),
        ("{", "[", "expected an index of pictures, found no valid JSON"),
    ],
)
def test_a_manifest_that_is_none(run, whole, tmp_path, old, new, says):
    text = (whole[1] / MANIFEST).read_text()
    assert old in text
    (tmp_path / MANIFEST).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=says):
        open_index(tmp_path)
