"""What an update has encoded so far: kept in files, so that a killed one goes on from there.

``parts-MODEL/N.npy`` holds pairs of a picture's content hash and its vector, so nothing in them
depends on paths, and the index that is searched is not touched before all pictures are encoded.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from csparc.checkpoint.folder import write_atomically
from csparc.errors import DataError
from csparc.search.files import open_array

PART_ROWS = 1024


class Parts:
    """Vectors by content hash, in files that are written whole or not at all.

    Parameters
    ----------
    folder : Path
        Of the index.
    model : str
        The mark of the model; what another one left is deleted.
    width : int
        Numbers of a vector.
    """

    def __init__(self, folder: Path, model: str, width: int) -> None:
        self._folder = folder / f"parts-{model[:16]}"
        self._type = np.dtype([("hash", "S32"), ("vector", "<f4", (width,))])
        self._written: list[np.ndarray] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._open: dict[str, np.ndarray] = {}
        for old in folder.glob("parts-*"):
            if old != self._folder:
                shutil.rmtree(old)
        self._folder.mkdir(exist_ok=True)
        for path in sorted(self._folder.glob("*.npy")):
            self._take(path)

    def __contains__(self, digest: str) -> bool:
        return digest in self._places or digest in self._open

    def __len__(self) -> int:
        return len(self._places) + len(self._open)

    def __getitem__(self, digest: str) -> np.ndarray:
        if digest in self._open:
            return self._open[digest]
        part, row = self._places[digest]
        return self._written[part][row]["vector"]

    def add(self, digests: list[str], vectors: np.ndarray) -> None:
        """Take vectors [n, D]; they are on the disk from the next `flush` on."""
        self._open.update(zip(digests, vectors))
        if len(self._open) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last time."""
        if not self._open:
            return
        rows = np.empty(len(self._open), self._type)
        rows["hash"] = list(self._open)
        rows["vector"] = list(self._open.values())
        path = self._folder / f"{len(self._written):06d}.npy"
        write_atomically(path, lambda file: np.lib.format.write_array(file, rows))
        self._open = {}
        self._take(path)

    def delete(self) -> None:
        """Delete the files: the index holds what they hold."""
        self._written.clear()
        shutil.rmtree(self._folder)

    def _take(self, path: Path) -> None:
        """Take over a part; a damaged one, or one of another width, counts as missing."""
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
            whole = open_array(path, self._type, rows.shape)
        except (OSError, ValueError, EOFError, DataError):
            whole = np.empty(0, self._type)
        number = len(self._written)
        self._written.append(whole)
        for row, digest in enumerate(whole["hash"].tolist()):
            self._places[digest.decode("ascii", "replace")] = number, row
