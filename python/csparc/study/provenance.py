"""What a result was made by: the commit of the code, its version, the kernels that run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from csparc._json import read_json
from csparc.checkpoint.folder import write_text_atomically
from csparc.config import config
from csparc.errors import DataError


def provenance() -> dict[str, Any]:
    """``version``, ``commit`` (None where the package is not one of a git repository's files),
    ``changed`` (whether tracked files differ from it), ``isa``, ``blis`` (its context)."""
    found = config()
    return {
        "version": found["csparc"],
        **commit_of(Path(__file__)),
        "isa": found["isa"],
        "blis": found["blis_context"],
    }


def commit_of(file: Path) -> dict[str, Any]:
    """The commit of the repository that has ``file`` under version control, if one does."""
    nothing = {"commit": None, "changed": None}
    if not _git(file.parent, "ls-files", "--error-unmatch", file.name):
        return nothing
    commit = _git(file.parent, "rev-parse", "HEAD")
    top = _git(file.parent, "rev-parse", "--show-toplevel")
    if not commit or not top:
        return nothing
    changed = _git(Path(top), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "changed": bool(changed)}


def note_trainer(path: Path, made: dict[str, Any], trains: bool) -> list[dict[str, Any]]:
    """What a unit was trained by: the different versions and commits of the processes that did,
    kept in a file. With ``trains`` this one, ``made``, is among them."""
    try:
        known = read_json(path, "what trained a unit") if path.exists() else []
    except DataError:
        known = []
    here = {key: made[key] for key in ("version", "commit", "changed")}
    if trains and here not in known:
        known = [*known, here]
        text = json.dumps(known)
        write_text_atomically(path, text)
    return known


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
