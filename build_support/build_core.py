"""Compile the core: some sources once, some per real type, some per instruction set as well.

An object is made again only where its source, what that includes, or a flag changed since the last
build.
"""

import hashlib
import os
import platform
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools.command.build_ext import build_ext

# Flags of each instruction set; the names are those of csparc/base/cpu.c.
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
ISAS = {
    "portable": [],
    "avx2": AVX2,
    "avx512": [
        *AVX2,
        "-mavx512f",
        "-mavx512bw",
        "-mavx512vl",
        "-mavx512dq",
        "-mprefer-vector-width=512",
    ],
}
# What products of bfloat16 are compiled for as well (csparc/la/bf16_lanes.h).
BF16_ISAS = {"avx512bf16": [*ISAS["avx512"], "-mavx512bf16"]}
# Functions with vector arguments are inlined: how the ABI passes them does not matter.
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Wno-psabi"]


def fingerprint(*parts: str | bytes) -> str:
    """A short text that differs where any of the parts does."""
    whole = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        whole.update(f"{len(part)} ".encode() + part)
    return whole.hexdigest()


def with_includes(source, folders):
    """The bytes of a source and of all it includes in quotes that lies in one of the folders."""
    read, waiting = {}, [Path(source)]
    while waiting:
        path = waiting.pop()
        if path in read or not path.exists():
            continue
        read[path] = path.read_bytes()
        for name in re.findall(rb'^\s*#\s*include\s*"(.+)"', read[path], flags=re.MULTILINE):
            waiting += [Path(folder, name.decode()) for folder in folders]
    return [read[path] for path in sorted(read)]


class BuildCore(build_ext):
    """build_ext for sources that say themselves how often they are compiled (csparc.h)."""

    def find_blis(self):
        raise NotImplementedError

    def build_extension(self, ext):
        import numpy

        blis = self.find_blis()
        flags, self.link_flags = self.common_flags()
        flags += self.openmp_flags()
        if name := self.context_lookup(blis):
            flags.append(f"-DCS_BLIS_LOOKUP={name}")
        # pip builds beside a NumPy in a new folder each time: its version stands for its headers.
        self.common = fingerprint(
            *self.compiler.compiler_so, *flags, blis.include, numpy.__version__
        )
        # As system headers: their warnings are not ours.
        flags += ["-isystem", numpy.get_include(), "-isystem", blis.include]
        jobs = [job for source in ext.sources for job in self.jobs_of(source)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda job: self.compile_one(ext, flags, *job), jobs))
        if os.name == "posix" and platform.system() != "Darwin":
            # BLIS also defines BLAS names: keep them from other libraries in the process.
            self.link_flags.append("-Wl,--exclude-libs,ALL")
        self.compiler.link_shared_object(
            [*objects, blis.library],
            self.get_ext_fullpath(ext.name),
            libraries=["m"] if blis.library.endswith(".a") else [],
            extra_postargs=self.link_flags,
            build_temp=self.build_temp,
            target_lang="c",
        )

    def common_flags(self):
        flags = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-fvisibility=hidden", *WARNINGS]
        # No value depends on these; with them a loop that compares floats or calls sqrt vectorises.
        flags += ["-fno-math-errno", "-fno-trapping-math"]
        link = []
        flags += ["-O0", "-g"] if os.environ.get("CSPARC_DEBUG") else ["-O3", "-g0", "-DNDEBUG"]
        if os.environ.get("CSPARC_WERROR"):
            flags.append("-Werror")
        if os.environ.get("CSPARC_SANITIZE"):
            sanitizers = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"]
            flags += [*sanitizers, "-fno-sanitize-recover=undefined"]
            link += sanitizers
        if os.environ.get("CSPARC_COVERAGE"):
            flags.append("--coverage")
            link.append("--coverage")
        if self.isas() is not None:
            flags.append("-DCS_HAS_X86_ISAS")
        return flags, link

    def openmp_flags(self):
        """OpenMP where the compiler has it; without it the core runs on one thread."""
        if os.environ.get("CSPARC_OPENMP") == "0" or not self.links(
            "int main(void){return 0;}", ["-fopenmp"], ["-fopenmp"]
        ):
            return ["-Wno-unknown-pragmas"]
        self.link_flags.append("-fopenmp")
        return ["-fopenmp"]

    def context_lookup(self, blis):
        """The name BLIS gives its look-up of a context by processor, if it can be linked."""
        for name in ("bli_gks_lookup_nat_cntx", "bli_gks_lookup_cntx"):
            program = f"#include <blis.h>\nint main(void){{return {name}((arch_t)0) == NULL;}}"
            if self.links(program, ["-isystem", blis.include], [blis.library, "-lm", "-lpthread"]):
                return name
        return None

    @staticmethod
    def isas():
        """The sets worth compiling, None where there is only the portable one."""
        return ISAS if platform.machine().lower() in ("x86_64", "amd64") else None

    def jobs_of(self, source):
        """(source, folder for the object, extra flags) for each time a source is compiled."""
        text = Path(source).read_text()
        simd_source = '#include "la/simd.h"' in text
        isa_source = '#include "base/isa.h"' in text or simd_source
        if not isa_source and '#include "base/real.h"' not in text:
            return [(source, "once", [])]
        jobs = []
        reals = (("f32", []), ("f64", ["-DCS_FLOAT64"]))
        for real, macro in reals[:1] if simd_source else reals:
            isas = (self.isas() or {"portable": []}) if isa_source else {None: []}
            if '#include "la/bf16_lanes.h"' in text and self.isas():
                isas = {**isas, **BF16_ISAS}
            for isa, isa_flags in isas.items():
                define = [f"-DCS_ISA={isa}"] if isa else []
                jobs.append((source, f"{real}-{isa or 'any'}", [*macro, *define, *isa_flags]))
        return jobs

    def compile_one(self, ext, flags, source, folder, extra):
        output = str(Path(self.build_temp) / folder)
        made = Path(self.compiler.object_filenames([source], output_dir=output)[0])
        made_from = made.with_suffix(".made_from")
        wanted = fingerprint(self.common, *extra, *with_includes(source, ext.include_dirs))
        if made.exists() and made_from.exists() and made_from.read_text() == wanted:
            return str(made)
        made_from.unlink(missing_ok=True)
        self.compiler.compile(
            [source],
            output_dir=output,
            include_dirs=ext.include_dirs,
            extra_postargs=[*flags, *extra],
        )
        made_from.write_text(wanted)
        return str(made)

    def links(self, program, compile_flags, link_flags):
        """Whether a small program compiles and links."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text(program)
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_flags
                )
                self.compiler.link_executable(
                    objects, "probe", output_dir=folder, extra_postargs=link_flags
                )
            except Exception:
                return False
        return True
