"""What a result was made by: the commit of the code, its version, the kernels that run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from csparc.config import config


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


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
