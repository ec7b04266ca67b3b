"""Wrong files end in one line: no other exception, no long wait, no large allocation."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from malformed import json_files, picture_files, tables, tars
from pictures import encoded, save

from csparc import data
from csparc.data import images
from csparc.errors import DataError

MAX_PIXELS = 1_000_000
LARGEST_MEMORY = 64 << 20
LONGEST_SECONDS = 5.0
MUTATIONS = 150


def open_table(folder: Path, content: bytes, **options: object) -> data.Dataset:
    (folder / "table.csv").write_bytes(content)
    return data.open(f"csv:{folder / 'table.csv'}", max_pixels=MAX_PIXELS, **options)


def open_coco(folder: Path, content: bytes, **options: object) -> data.Dataset:
    (folder / "captions.json").write_bytes(content)
    return data.open(f"coco:{folder},{folder / 'captions.json'}", **options)


def open_karpathy(folder: Path, content: bytes, **options: object) -> data.Dataset:
    (folder / "dataset.json").write_bytes(content)
    return data.open(f"karpathy:{folder},{folder / 'dataset.json'},train", **options)


def open_tar(folder: Path, content: bytes, **options: object) -> data.Dataset:
    (folder / "shard.tar").write_bytes(content)
    return data.open(f"webdataset:{folder / 'shard.tar'}", max_pixels=MAX_PIXELS, **options)


KINDS: dict[str, tuple[Callable, dict[str, bytes], list[bytes]]] = {
    "table": (open_table, tables.FILES, [tables.GOOD]),
    "coco": (open_coco, json_files.COCO, [json_files.GOOD_COCO]),
    "karpathy": (open_karpathy, json_files.KARPATHY, [json_files.GOOD_KARPATHY]),
    "tar": (open_tar, tars.FILES, [tars.GOOD]),
}

CASES = [
    pytest.param(kind, name, id=f"{kind}: {name}")
    for kind, (_, files, _) in KINDS.items()
    for name in files
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "a.png", 1)
    return tmp_path


@pytest.fixture
def bounded():
    """The test's own code allocates little and is soon done."""
    tracemalloc.start()
    begun = time.perf_counter()
    yield
    seconds, peak = time.perf_counter() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGEST_MEMORY
    assert seconds < LONGEST_SECONDS


def read_all(opened: data.Dataset) -> None:
    for index in range(len(opened)):
        assert opened.captions(index)
        opened.load(index)


def assert_one_line(error: DataError) -> None:
    text = str(error)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 1000


def test_there_are_some_forty_of_each_kind() -> None:
    for files in (*(files for _, files, _ in KINDS.values()), picture_files.FILES):
        assert len(files) >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_file_is_good(kind: str, folder: Path) -> None:
    opener, _, goods = KINDS[kind]
    for good in goods:
        read_all(opener(folder, good, max_bad=0))


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_wrong_file_is_one_line(kind: str, name: str, folder: Path) -> None:
    opener, files, _ = KINDS[kind]
    with pytest.raises(DataError) as caught:
        read_all(opener(folder, files[name], max_bad=0))
    assert_one_line(caught.value)
    assert "expected" in str(caught.value) or isinstance(caught.value, data.BadItem)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("name", picture_files.FILES)
def test_a_wrong_picture_is_a_bad_item(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(picture_files.FILES[name])
    for source in (str(tmp_path / name), picture_files.FILES[name]):
        with pytest.raises(data.BadItem) as caught:
            images.read(source, name, MAX_PIXELS)
        assert_one_line(caught.value)
        assert caught.value.name == name


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("name", picture_files.HARMLESS)
def test_harmless_damage_is_read_in_bounds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(picture_files.HARMLESS[name])
    try:
        assert images.read(str(tmp_path / name), name, MAX_PIXELS).shape[2] == 3
    except data.BadItem as error:
        assert_one_line(error)


def mutations(content: bytes, rng: np.random.Generator) -> list[bytes]:
    """The content with bytes changed, cut out, doubled, or its end cut off."""
    found = []
    for turn in range(MUTATIONS):
        changed = bytearray(content)
        at, length = rng.integers(len(content)), rng.integers(1, 9)
        if turn % 4 == 0:
            changed[at : at + length] = rng.bytes(len(changed[at : at + length]))
        elif turn % 4 == 1:
            del changed[at : at + length]
        elif turn % 4 == 2:
            changed[at:at] = changed[at : at + 40 * length]
        else:
            del changed[at:]
        found.append(bytes(changed))
    return found


@pytest.mark.filterwarnings("ignore:.* that are no archive follow its end")
@pytest.mark.filterwarnings("ignore:.* a quote that does not close its cell")
@pytest.mark.filterwarnings("ignore:.* a key twice in one object")
@pytest.mark.parametrize("kind", KINDS)
def test_random_damage_to_a_file(kind: str, folder: Path, rng: np.random.Generator) -> None:
    opener, _, goods = KINDS[kind]
    refused = 0
    for content in mutations(goods[0], rng):
        try:
            read_all(opener(folder, content, max_bad=0))
        except DataError as error:
            assert_one_line(error)
            refused += 1
    assert refused > MUTATIONS // 15


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_random_damage_to_a_picture(kind: str, rng: np.random.Generator) -> None:
    refused = 0
    for content in mutations(encoded(2, kind, height=30, width=30), rng):
        try:
            found = images.read(content, "x", MAX_PIXELS)
        except data.BadItem as error:
            assert_one_line(error)
            refused += 1
        else:
            assert found.ndim == 3
            assert found.shape[2] == 3
    assert refused > 0
