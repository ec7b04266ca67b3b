"""The extension csparc._core. Metadata is in pyproject.toml.

Switches, all from the environment:
  CSPARC_BLIS=DIR         where BLIS is: DIR/include/**/blis.h and DIR/lib/**/libblis.{a,so,dylib}
  CSPARC_DEBUG=1          -O0 -g and assertions
  CSPARC_SANITIZE=1       AddressSanitizer and UndefinedBehaviorSanitizer
  CSPARC_COVERAGE=1       gcov instrumentation
  CSPARC_WERROR=1         warnings are errors
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build

sys.path.insert(0, str(Path(__file__).parent))
from build_support.blis import find_blis
from build_support.build_core import BuildCore
from build_support.ops import write_headers


def extension() -> Extension:
    sources = sorted(str(path) for path in Path("csparc").rglob("*.c"))
    return Extension("csparc._core", sources, include_dirs=["csparc"])


# Metadata commands must work without BLIS; only a build looks for it.
class BuildWithBlis(BuildCore):
    def find_blis(self):
        return find_blis(os.environ.get("CSPARC_BLIS"))

    def build_extension(self, ext):
        write_headers(Path("csparc"), Path(self.build_temp))
        ext.include_dirs.append(self.build_temp)
        super().build_extension(ext)


class Build(build):
    """Looks for BLIS before anything is copied: what is missing then stands alone in the output."""

    def run(self):
        find_blis(os.environ.get("CSPARC_BLIS"))
        super().run()


setup(ext_modules=[extension()], cmdclass={"build": Build, "build_ext": BuildWithBlis})
