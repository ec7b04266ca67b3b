"""An index of pictures on the disk, open to be searched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from csparc import _scalars
from csparc._repr import line
from csparc.checkpoint.checkpoint import load_trained
from csparc.data import images
from csparc.data.readers.paths import Guard, printable
from csparc.errors import DataError
from csparc.search.backends import candidates_of
from csparc.search.files import (
    Entry,
    Manifest,
    open_lines,
    open_vectors,
    parse_entry,
    paths_of,
    read_manifest,
)
from csparc.search.hits import Hit
from csparc.search.model_mark import model_mark
from csparc.search.nearest import best
from csparc.search.options import BACKENDS, EXACT
from csparc.search.queries import query_vector
from csparc.search.update import another_model

_TRIES = 5


class Index:
    """Pictures and their embeddings; what is on the disk stays there until it is asked for.

    Made by `open_index`. An update that runs beside it does not change what it finds.

    Parameters
    ----------
    folder : Path
    model : object
        With ``model``, ``tokenizer`` and ``preprocess``; the one the index was made with.
    root : str, optional
        Where the pictures are now.
    backend : {"numpy", "faiss"}

    Attributes
    ----------
    manifest : Manifest
        What the index says of itself.
    vectors : float32 array [N, D]
        Of length 1, memory-mapped.
    """

    def __init__(
        self, folder: Path, model: Any, root: str | None = None, backend: str = EXACT
    ) -> None:
        _scalars.choice(backend, "backend", BACKENDS)
        self.folder = folder
        self.model = model
        self.manifest, self.vectors, self._lines, self._pictures = _opened(folder)
        if model_mark(model) != self.manifest.model:
            raise another_model(
                folder, self.manifest,
                "--checkpoint names the right one; csparc index with --overwrite makes the index "
                "anew",
            )  # fmt: skip
        self.root = self.manifest.root if root is None else os.path.abspath(root)
        self._guard = Guard(self.root, self.manifest.allow_outside)
        self._candidates = candidates_of(backend, self.vectors)
        self._backend = backend

    def __repr__(self) -> str:
        return line(self, str(self.folder), f"{len(self):,} pictures", backend=self._backend)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.vectors)

    def search(self, sentence: str | None = None, k: int = 5, *, image: Any = None) -> list[Hit]:
        """The ``k`` pictures nearest to a sentence, a picture, or the middle between the two.

        Parameters
        ----------
        sentence : str, optional
        k : int
            All of the pictures where there are fewer.
        image : uint8 array [H, W, 3] or Pillow picture, optional

        Returns
        -------
        list of Hit
            The best first; of equals the earlier in the index.

        Raises
        ------
        ValueError, TypeError
            Neither sentence nor picture, a sentence without a word, a ``k`` below 1.
        """
        k = _scalars.whole_number(k, "k", low=1)
        query = query_vector(self.model, sentence, image).astype(np.float32)
        rows, scores = best(self.vectors, query, k, self._candidates(query, k))
        hits = []
        for row, score in zip(rows.tolist(), scores.tolist()):
            entry = self.entry(row)
            hits.append(Hit(row, printable(entry.path), score, entry.captions))
        return hits

    def entry(self, row: int) -> Entry:
        """What the index has of picture ``row``."""
        text = self._pictures[int(self._lines[row]) : int(self._lines[row + 1])].tobytes()
        return parse_entry(text, f"{self.folder}: picture {row}")

    def path(self, row: int) -> str:
        """The file of picture ``row``.

        Raises
        ------
        BadItem
            It is not there any more, or its path leaves the folder of the pictures.
        """
        entry = self.entry(row)
        name = printable(entry.path)
        return self._guard.check(self._guard.join(entry.path, name), name)

    def load(self, row: int) -> np.ndarray:
        """Picture ``row`` as uint8 [H, W, 3] RGB; raises as `path`."""
        path = self.path(row)
        return images.read(path, os.path.relpath(path, self.root), self.manifest.max_pixels)

    def check_root(self) -> None:
        """Raise DataError where the folder of the pictures is not there: was it moved?"""
        if not os.path.isdir(self.root):
            raise DataError(
                f"{self.folder}: expected its pictures in {self.root}, found no such folder: where "
                "it was moved, --root NEW (root=NEW) names the new place, and csparc index on that "
                "place writes it down"
            )


def open_index(
    folder: str | os.PathLike,
    *,
    model: Any = None,
    root: str | os.PathLike | None = None,
    backend: str = EXACT,
) -> Index:
    """Open an index to search it.

    Parameters
    ----------
    folder : path
        As `update_index` wrote it.
    model : path or object, optional
        The checkpoint, or what `csparc.load_checkpoint` or `csparc.fit` returned; default the
        checkpoint that the index names.
    root : path, optional
        The folder of the pictures, where it was moved since.
    backend : {"numpy", "faiss"}
        Both give the same pictures with the same scores; faiss needs ``csparc[faiss]``, and keeps a
        copy of the vectors in memory.

    Returns
    -------
    Index

    Raises
    ------
    DataError
        No index, a damaged one, or one of another model.
    CheckpointError
        The checkpoint is not there or not whole.
    ImportError
        faiss was asked for and is not installed.
    """
    folder = Path(folder)
    if model is None:
        model = read_manifest(folder).checkpoint
        if not os.path.exists(model):
            where = f"in {model}" if model else "from no file"
            raise DataError(
                f"{folder}: expected its model {where}, found none there: --checkpoint PATH "
                "(model=) says where it is"
            )
    if isinstance(model, (str, os.PathLike)):
        model = load_trained(model).with_tokenizer(os.fspath(model))
    return Index(folder, model, None if root is None else os.fspath(root), backend)


def _opened(folder: Path) -> tuple[Manifest, np.ndarray, np.ndarray, np.ndarray]:
    """The manifest and the three files; once more where an update replaced them meanwhile."""
    for tried in range(_TRIES):
        manifest = read_manifest(folder)
        try:
            pictures = np.memmap(paths_of(folder, manifest.generation)[1], np.uint8, "r")
            return manifest, open_vectors(folder, manifest), open_lines(folder, manifest), pictures
        except FileNotFoundError as error:
            if tried == _TRIES - 1:
                raise DataError(
                    f"{folder}: expected {error.filename}, found no such file: the index is "
                    "damaged; make it anew with csparc index"
                ) from error
    raise AssertionError
