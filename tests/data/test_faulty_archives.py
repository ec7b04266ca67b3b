"""Shards that are cut, joined or hold more than pictures and texts: no sample is lost unsaid."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded, pixels, write_tar

from csparc import data
from csparc.data.readers import tar
from csparc.data.readers.shards import expand
from csparc.errors import DataError

COUNT = 8


def entries(first: int = 0, *more: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    """Samples with a picture, a text, and what `more` adds to each (its name after the key)."""
    found = []
    for number in range(first, first + COUNT):
        found.append((f"{number:05d}.png", encoded(number)))
        found.append((f"{number:05d}.txt", f"IMG_{number:04d}".encode()))
        found += [(f"{number:05d}.{name}", content) for name, content in more]
    return found


def shard(folder: Path, *more: tuple[str, bytes], name: str = "s.tar", first: int = 0) -> Path:
    return write_tar(folder / name, entries(first, *more))


def opened(path: Path, options: str = "", **arguments) -> data.Dataset:
    return data.open(f"webdataset:{path}{options}", **arguments)


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("step", [COUNT, 0], ids=["other keys", "the same keys"])
def test_archives_joined_end_to_end_are_read_on(tmp_path: Path, parts: int, step: int) -> None:
    paths = [shard(tmp_path, name=f"{n}.tar", first=n * step) for n in range(parts)]
    both = tmp_path / "both.tar"
    both.write_bytes(b"".join(path.read_bytes() for path in paths))
    found = opened(both, max_bad=0)
    assert len(found) == parts * COUNT
    np.testing.assert_array_equal(found.load(COUNT + 1), pixels(step + 1))
    assert found.name(COUNT) == f"{both} part 2: {step:05d}"
    assert found.problems.notes() == []


@pytest.mark.parametrize("rest", [b"x" * 700, b"\x1f\x8b" * 2000, b"rest"])
def test_other_bytes_after_the_end_are_said(tmp_path: Path, rest: bytes) -> None:
    path = shard(tmp_path)
    path.write_bytes(path.read_bytes() + rest)
    with pytest.warns(UserWarning, match=f"{len(rest)} bytes that are no archive follow its end"):
        assert len(opened(path)) == COUNT


def member_offset(path: Path, number: int) -> int:
    with tarfile.open(path) as archive:
        return archive.getmembers()[number].offset


@pytest.mark.parametrize("beyond", [1, 200, 511, 512 + 3])
def test_a_torn_archive_is_an_error(tmp_path: Path, beyond: int) -> None:
    path = shard(tmp_path)
    path.write_bytes(path.read_bytes()[: member_offset(path, 8) + beyond])
    with pytest.raises(DataError, match="is the archive whole"):
        opened(path)


@pytest.mark.parametrize("number", [4, 8, 15])
def test_an_archive_cut_between_two_members_is_said(tmp_path: Path, number: int) -> None:
    path = shard(tmp_path)
    path.write_bytes(path.read_bytes()[: member_offset(path, number)])
    with pytest.raises(DataError, match="ends without the mark of its end: is the archive whole"):
        opened(path)
    with pytest.warns(UserWarning, match="is the archive whole"):
        found = opened(path, max_bad=0.9)
    assert len(found) == number // 2
    assert "is the archive whole" in found.problems.summary()


def test_a_size_that_lies_reads_nothing(tmp_path: Path) -> None:
    path = shard(tmp_path)
    content = bytearray(path.read_bytes())
    content[124:136] = b"77777777777\0"
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="expected 8589934591 bytes of content"):
        list(tar.members(str(path)))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"<!doctype html>" + bytes(600), "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x1f\x8b\x08" + bytes(600), "a gzip-compressed file: unpack it"),
        (b"PK\x03\x04" + bytes(600), "a zip archive"),
        (b"\x89HDF" + bytes(600), "an HDF5 file"),
    ],
)
def test_other_files_are_called_by_their_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "s.tar").write_bytes(content)
    with pytest.raises(DataError, match=f"tar archive, found {kind}"):
        opened(tmp_path / "s.tar")


JSON = ("json", json.dumps({"better_caption": "a red boat", "score": float("nan")}).encode())


def test_a_key_that_was_given_goes_before_the_text(tmp_path: Path) -> None:
    path = shard(tmp_path, JSON, ("alt.txt", b"a blue kite"))
    assert opened(path).captions(3) == ["IMG_0003"]
    assert opened(path, ";caption_key=better_caption").captions(3) == ["a red boat"]
    assert opened(path, caption_key="better_caption").captions(3) == ["a red boat"]
    assert opened(path, ";caption_key=alt.txt").captions(3) == ["a blue kite"]
    assert opened(path, ";caption_key=txt").captions(3) == ["IMG_0003"]


@pytest.mark.parametrize("more", [(), (JSON,)])
def test_a_key_that_is_nowhere_is_an_error(tmp_path: Path, more: tuple) -> None:
    path = shard(tmp_path, *more)
    with pytest.raises(DataError, match="'no_such_key'"):
        opened(path, ";caption_key=no_such_key")
    with pytest.raises(DataError, match="'no_such_key'"):
        opened(path, ";img_key=no_such_key")


@pytest.mark.parametrize(
    "names", [["seg.png"], ["depth.png", "mask.PNG"], ["a.b.jpg"], ["thumb.jpeg", "x.webp"]]
)
def test_other_pictures_of_a_sample_are_other_fields(tmp_path: Path, names: list[str]) -> None:
    path = shard(tmp_path, *[(name, encoded(99)) for name in names])
    found = opened(path, max_bad=0)
    assert len(found) == COUNT
    np.testing.assert_array_equal(found.load(5), pixels(5))
    assert all(f"{COUNT} .{name.lower()}" in found.problems.notes()[0] for name in names)
    if names == ["seg.png"]:
        np.testing.assert_array_equal(opened(path, ";img_key=seg.png").load(5), pixels(99))


def test_the_only_picture_of_a_sample_is_it(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", [("k.image.png", encoded(4)), ("k.txt", b"x")])
    np.testing.assert_array_equal(opened(path).load(0), pixels(4))
    path = write_tar(
        tmp_path / "s.tar", [("k.a.png", encoded(4)), ("k.b.png", encoded(5)), ("k.txt", b"x")]
    )
    with pytest.raises(DataError, match=r"more than one picture, 'a\.png', 'b\.png': choose with"):
        opened(path)
    np.testing.assert_array_equal(opened(path, ";img_key=b.png").load(0), pixels(5))


@pytest.mark.parametrize("name", ["png", "txt"])
def test_a_key_used_twice_in_a_shard_is_bad(tmp_path: Path, name: str) -> None:
    again = {"png": encoded(7), "txt": b"another"}[name]
    path = write_tar(tmp_path / "s.tar", [*entries(), (f"00003.{name}", again)])
    found = opened(path, max_bad=0.5)
    assert len(found) == COUNT - 1
    assert f"more than one member '{name}': is the key used twice" in found.problems.summary()


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("._00000.png", "hidden files (1)"),
        ("__MACOSX/._00000.png", "hidden files (1)"),
        ("a/.DS_Store", "hidden files (1)"),
        ("README", "files without ending (1)"),
        ("00000.cls", "1 .cls"),
        ("00000.JSON", "1 .json"),
    ],
)
def test_members_that_are_not_used_are_counted(tmp_path: Path, member: str, said: str) -> None:
    path = write_tar(tmp_path / "s.tar", [*entries(), (member, b"{}")])
    found = opened(path, max_bad=0)
    assert len(found) == COUNT
    assert found.problems.notes() == [f"{path}: not used: {said}"]


def test_a_folder_of_shards_is_no_shard(tmp_path: Path) -> None:
    shard(tmp_path)
    with pytest.raises(DataError, match=r"found a folder: write .*/\*\.tar"):
        opened(tmp_path)


def test_a_whole_text_can_be_one_caption(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", [("k.png", encoded(1)), ("k.txt", b"a red\nboat\n")])
    assert opened(path).captions(0) == ["a red", "boat"]
    assert opened(path, ";text=whole").captions(0) == ["a red boat"]


@pytest.mark.parametrize("pattern", ["locked/*.tar", "*/s.tar", "locked/[a-z].tar", "**/s.tar"])
def test_a_wildcard_meets_a_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    (tmp_path / "locked").mkdir()
    shard(tmp_path / "locked")
    scandir, blocked = os.scandir, tmp_path if pattern.startswith("*/") else tmp_path / "locked"

    def refuses(path: str) -> object:
        if Path(os.fspath(path)) == blocked:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(DataError, match="the folder cannot be listed: Permission denied"):
        expand(f"{tmp_path}/{pattern}")


def coco(folder: Path, images: list, annotations: list) -> data.Dataset:
    text = json.dumps({"images": images, "annotations": annotations})
    (folder / "c.json").write_text(text)
    return data.open(f"coco:{folder},{folder / 'c.json'}", max_bad=0)


def image(number: object, file: str) -> dict:
    return {"id": number, "file_name": file, "score": float("nan")}


def test_an_id_of_two_pictures_is_an_error(tmp_path: Path) -> None:
    images = [image(number, f"p{number:03d}.png") for number in range(1, 9)]
    with pytest.raises(DataError, match=r"found 2 twice: images\[1\] is 'p002.*images\[8\] is 'q"):
        coco(tmp_path, [*images, image(2, "q.png")], [{"image_id": 2, "caption": "x"}])
    with pytest.raises(DataError, match=r"found 2\.0 twice"):
        coco(tmp_path, [*images, image(2.0, "q.png")], [])


@pytest.mark.parametrize(
    ("images", "note"),
    [
        ([image(1, "a.png"), image(1, "a.png")], "images are listed twice"),
        ([image(1, "a.png"), image(2, "a.png")], "1 pictures have more than one id"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*more than one id")
def test_a_picture_that_is_listed_again_is_said(tmp_path: Path, images: list, note: str) -> None:
    annotations = [{"image_id": entry["id"], "caption": f"c{n}"} for n, entry in enumerate(images)]
    found = coco(tmp_path, images, annotations)
    assert found.captions(0) == ["c0", "c1"]
    assert note in found.problems.notes()[0]


def test_annotations_of_one_id_are_said(tmp_path: Path) -> None:
    annotations = [{"id": 7, "image_id": 1, "caption": f"c{number}"} for number in range(3)]
    with pytest.warns(UserWarning, match="2 annotations have the id of another one"):
        assert len(coco(tmp_path, [image(1, "a.png")], annotations).captions(0)) == 3


@pytest.mark.parametrize("key", ["file_name", "caption", "id", "image_id"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_a_number_is_refused_where_it_is_read_alone(
    tmp_path: Path, key: str, value: float
) -> None:
    picture, annotation = image(1, "a.png"), {"image_id": 1, "caption": "x", "area": float("inf")}
    assert len(coco(tmp_path, [picture], [annotation])) == 1
    for record in (picture, annotation):
        if key in record:
            record[key] = value
    with pytest.raises(DataError):
        coco(tmp_path, [picture], [annotation])


def test_ids_written_as_floats_are_ids(tmp_path: Path) -> None:
    found = coco(tmp_path, [image(1, "a.png")], [{"image_id": 1.0, "caption": "x"}])
    assert found.captions(0) == ["x"]


def karpathy(folder: Path, *records: dict) -> data.Dataset:
    full = [{"sentences": [{"raw": f"c{n}"}]} | record for n, record in enumerate(records)]
    (folder / "k.json").write_text(json.dumps({"images": full}))
    return data.open(f"karpathy:{folder},{folder / 'k.json'},test", max_bad=0)


@pytest.mark.parametrize("key", ["imgid", "cocoid"])
def test_an_id_of_two_entries_is_an_error(tmp_path: Path, key: str) -> None:
    records = [{"filename": f"{n}.png", "split": "test", key: n // 2} for n in range(4)]
    with pytest.raises(
        DataError, match=rf"expected a {key} .* images\[0\] is '0\.png', images\[1\]"
    ):
        karpathy(tmp_path, *records)


@pytest.mark.parametrize(
    ("split", "note"),
    [("test", "1 pictures are listed again"), ("train", "1 pictures are in another split, too")],
)
def test_an_entry_that_is_there_twice_is_said(tmp_path: Path, split: str, note: str) -> None:
    with pytest.warns(UserWarning, match=note):
        karpathy(
            tmp_path, {"filename": "a.png", "split": "test"}, {"filename": "a.png", "split": split}
        )


def test_the_same_name_in_two_folders_is_two_pictures(tmp_path: Path) -> None:
    record = {"filename": "a.png", "split": "test"}
    found = karpathy(tmp_path, record | {"filepath": "x"}, record | {"filepath": "y"})
    assert len(found) == 2


def test_json_in_other_encodings_is_read(tmp_path: Path) -> None:
    text = json.dumps(
        {"images": [image(1, "ä.png")], "annotations": [{"image_id": 1, "caption": "ö"}]},
        ensure_ascii=False,
    )
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        (tmp_path / "c.json").write_bytes(text.encode(encoding))
        assert data.open(f"coco:{tmp_path},{tmp_path / 'c.json'}").captions(0) == ["ö"]
