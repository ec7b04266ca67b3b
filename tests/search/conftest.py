"""One small model, folder of pictures and index for the tests of searching."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("PIL.Image")
pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

import picture_index

from csparc.search import Index, open_index


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """The folder of a run."""
    return picture_index.make_run(tmp_path_factory.mktemp("search") / "run")


@pytest.fixture(scope="session")
def whole(run, tmp_path_factory) -> tuple[Path, Path]:
    """A folder of pictures and its index, which no test changes."""
    folder = tmp_path_factory.mktemp("whole")
    photos = picture_index.make_photos(folder / "photos")
    picture_index.update(run, photos, folder / "index")
    return photos, folder / "index"


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of pictures to change."""
    return picture_index.make_photos(tmp_path / "photos")


@pytest.fixture(scope="session")
def index(whole) -> Index:
    """The index, open."""
    return open_index(whole[1])
