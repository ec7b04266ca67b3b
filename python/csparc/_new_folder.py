"""A folder that appears whole under its name at the end, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path


class NewFolder:
    """A context that gives a folder beside ``folder``, which takes its name at the end.

    Raises
    ------
    FileExistsError
        Under that name is a file, or a folder that holds something.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder.with_name(f"{folder.name}.tmp")

    def __enter__(self) -> Path:
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise FileExistsError(f"{self.folder}: expected no such folder, or an empty one")
        self.temporary.mkdir(parents=True)
        return self.temporary

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            if self.folder.exists():
                self.folder.rmdir()
            self.temporary.rename(self.folder)
        else:
            shutil.rmtree(self.temporary, ignore_errors=True)
