"""Find BLIS: header and library, the static library where there is one."""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

MISSING = (
    "BLIS not found: install it with 'apt-get install libblis-serial-dev' (Debian, Ubuntu), "
    "'dnf install blis-devel' (Fedora), 'brew install blis' (macOS) or "
    "'conda install -c conda-forge blis' (conda), or set CSPARC_BLIS=DIR"
)


@dataclass(frozen=True)
class Blis:
    include: str
    library: str  # a file: linked by path, so that no other library of that name is taken


def find_blis(directory: str | None) -> Blis:
    """The BLIS in ``directory`` if given, else from pkg-config, else from the usual places.

    A serial build comes first: threads are started outside BLIS.
    """
    for include, library in [_below(directory)] if directory else _places():
        header = _first(include, "blis.h")
        archive = _first(library, "libblis.a") or _first(library, "libblis-st.a")
        shared = _first(library, f"libblis.{'dylib' if sys.platform == 'darwin' else 'so'}")
        if header and (archive or shared):
            return Blis(str(header.parent), str(archive or shared))
    looked_in = f" (looked in CSPARC_BLIS={directory})" if directory else ""
    raise SystemExit(f"error: {MISSING}{looked_in}")


def _below(directory: str) -> tuple[list[Path], list[Path]]:
    root = Path(directory)
    return [root / "include/blis", root / "include", root], [root / "lib", root / "lib64", root]


def _places():
    """Pairs of folders to look in: for the header, for the library."""
    if found := _pkg_config():
        yield found
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for variant in ("blis-serial", "blis-openmp", "blis-pthread"):
        yield (
            [Path("/usr/include") / multiarch / variant],
            [Path("/usr/lib") / multiarch / variant],
        )
    for prefix in (Path(sys.prefix), Path("/usr"), Path("/usr/local"), Path("/opt/homebrew")):
        yield (
            [prefix / "include" / multiarch, prefix / "include/blis", prefix / "include"],
            [prefix / "lib" / multiarch, prefix / "lib64", prefix / "lib"],
        )


def _pkg_config() -> tuple[list[Path], list[Path]] | None:
    if shutil.which("pkg-config") is None:
        return None
    folders = []
    for variable in ("includedir", "libdir"):
        answer = subprocess.run(
            ["pkg-config", f"--variable={variable}", "blis"], capture_output=True, text=True
        )
        if answer.returncode != 0 or not answer.stdout.strip():
            return None
        folders.append(Path(answer.stdout.strip()))
    include, library = folders
    return [include / "blis", include], [library]


def _first(folders: list[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
