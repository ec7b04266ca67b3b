"""What a person sees who builds without BLIS, and what a second build compiles."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def blis():
    path = ROOT / "build_support" / "blis.py"
    module = importlib.util.module_from_spec(
        specification := importlib.util.spec_from_file_location("blis_search", path)
    )
    sys.modules["blis_search"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["blis_search"]


def check(message: str) -> None:
    assert message.count("\n") == 0
    for name in ("apt-get install libblis-serial-dev", "dnf install blis-devel",
                 "brew install blis", "conda install -c conda-forge blis"):  # fmt: skip
        assert name in message


def test_no_blis_names_the_packages_in_one_line(blis, monkeypatch, tmp_path):
    monkeypatch.setattr(blis, "_places", lambda: [([tmp_path], [tmp_path])])
    with pytest.raises(SystemExit) as stop:
        blis.find_blis(None)
    check(stop.value.code)


def test_a_folder_without_blis_is_named_as_well(blis, tmp_path):
    with pytest.raises(SystemExit) as stop:
        blis.find_blis(str(tmp_path))
    check(stop.value.code)
    assert f"CSPARC_BLIS={tmp_path}" in stop.value.code


def test_blis_is_found_below_a_folder(blis, tmp_path):
    header, archive = tmp_path / "include" / "blis" / "blis.h", tmp_path / "lib64" / "libblis.a"
    for file in (header, archive):
        file.parent.mkdir(parents=True)
        file.touch()
    found = blis.find_blis(str(tmp_path))
    assert (found.include, found.library) == (str(header.parent), str(archive))


def test_a_build_without_blis_says_nothing_else(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    done = subprocess.run(
        [sys.executable, "setup.py", "build", "--build-base", str(tmp_path / "build")],
        cwd=ROOT,
        env={**os.environ, "CSPARC_BLIS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    check(done.stderr.strip().splitlines()[-1])
    assert done.stdout.splitlines() == ["running build"]
    assert "Traceback" not in done.stderr


def test_a_source_distribution_holds_every_folder():
    """Whoever unpacks one can build and test; setuptools itself adds python/."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    tracked = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    manifest = (ROOT / "MANIFEST.in").read_text().splitlines()
    grafted = {line.split()[1] for line in manifest if line.startswith("graft ")}
    assert {name.split("/")[0] for name in tracked if "/" in name} == grafted | {"python"}


def test_only_what_changed_is_compiled_again(tmp_path, monkeypatch):
    """An object is made anew for another source, included header or flag, not for another date."""
    pytest.importorskip("setuptools")
    monkeypatch.syspath_prepend(str(ROOT))
    from setuptools import Distribution, Extension

    from build_support.blis import Blis
    from build_support.build_core import BuildCore

    source, other, header, inner = (tmp_path / n for n in ("one.c", "two.c", "one.h", "inner.h"))
    source.write_text('#include "base/real.h"\n')
    other.write_text('#include "one.h"\n')
    header.write_text('#include "inner.h"\n#include "one.h"\n')
    inner.write_text("")
    compiled = []

    class Compiler:
        compiler_so = ("cc",)

        def object_filenames(self, sources, output_dir):
            return [f"{output_dir}/{Path(source).stem}.o" for source in sources]

        def compile(self, sources, output_dir, **_):
            (made,) = map(Path, self.object_filenames(sources, output_dir))
            made.parent.mkdir(parents=True, exist_ok=True)
            made.touch()
            compiled.append(made.relative_to(tmp_path / "objects"))

        def link_shared_object(self, objects, *_, **__):
            self.linked = len(objects)

    def build() -> int:
        """Build, and return how many of the three objects were compiled."""
        command = BuildCore(Distribution())
        command.build_temp, command.build_lib = str(tmp_path / "objects"), str(tmp_path)
        command.inplace, command.package, command.compiler = False, None, Compiler()
        command.find_blis = lambda: Blis("include", "libblis.a")
        command.links = lambda *_: False
        compiled.clear()
        extension = Extension("one", [str(source), str(other)], include_dirs=[str(tmp_path)])
        command.build_extension(extension)
        assert command.compiler.linked == 4  # the library among them
        return len(compiled)

    assert build() == 3
    assert build() == 0
    os.utime(source)
    assert build() == 0
    source.write_text('#include "base/real.h"\nint x;\n')
    assert build() == 2
    inner.write_text("int x;\n")
    assert build() == 1  # only the other source includes it
    header.write_text("")
    assert build() == 1
    monkeypatch.setenv("CSPARC_DEBUG", "1")
    assert build() == 3
    compiled_object = next((tmp_path / "objects").rglob("two.o"))
    compiled_object.unlink()
    assert build() == 1
