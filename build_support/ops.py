"""What follows from csparc/py/ops.def: names for arguments in C, what to check them by, the stub.

The build writes two headers into its own folder:
  derived/arguments.h   the headers that declare what ops.def calls, and for each op the macro
                        CS_ARGUMENTS_OF_<op>, which declares its arguments by name
  derived/parameters.h  for each op what its arguments are, to check a call by
The stub python/csparc/_core.pyi is part of the repository, because editors read it there:
  python -m build_support.ops           write it anew
  python -m build_support.ops --check   say whether it is as ops.def wants it
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "python" / "csparc" / "_core.pyi"
WRITE_STUB = "python -m build_support.ops"

# Types of arrays other than the call's real type: in C, in NumPy's C API, in the stub.
ARRAYS = {
    "i32": ("int32_t", "NPY_INT32", "Int32"),
    "i64": ("int64_t", "NPY_INT64", "Int64"),
    "u8": ("uint8_t", "NPY_UINT8", "UInt8"),
    "pixel": ("uint8_t", "NPY_UINT8", "UInt8"),
    "u16": ("uint16_t", "NPY_UINT16", "UInt16"),
    "u32": ("uint32_t", "NPY_UINT32", "UInt32"),
    "u64": ("uint64_t", "NPY_UINT64", "UInt64"),
    "f32": ("float", "NPY_FLOAT32", "Float32"),
    "f64": ("double", "NPY_FLOAT64", "Float64"),
}
# Numbers: in C, and the member of cs_argument that holds them.
NUMBERS = {
    "int": ("long long", "integer"),
    "real": ("cs_real", "real"),
    "double": ("double", "real"),
}
COPIED = ("i32", "i64", "u8")  # inputs that say what the core reads, and how much

OP = re.compile(r'^CS_OP\((\w+),\s*((?:"[^"]*"\s*)+),', flags=re.MULTILINE)
ARRAY = re.compile(r"([A-Z0-9]+)(?:/(\w+))?(\?)?")
NUMBER = re.compile(r"(real|double|int)(?:\[(-?\d+)?,(-?\d+)?\])?")
COMMENT = re.compile(r"/\*.*?\*/", flags=re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """An argument of an op. ``kind``: "array", "real", "double" or "int"; a bound that is None is
    not there."""

    name: str
    kind: str
    output: bool
    axes: str = ""
    element: str | None = None  # of an array of another type
    optional: bool = False
    low: int | None = None
    high: int | None = None

    @property
    def expected(self) -> str:
        """What a number must be, in words."""
        what = "a whole number" if self.kind == "int" else "a finite number"
        if self.low is not None and self.high is not None:
            return f"{what} from {self.low} to {self.high}"
        return what if self.low is None else f"{what}, at least {self.low}"


@dataclass(frozen=True)
class Op:
    name: str
    parameters: list[Parameter]


def parse_word(op: str, word: str, output: bool) -> Parameter:
    name, _, what = word.partition(":")
    if what == "flag":
        return Parameter(name, "int", output, low=0, high=1)
    if number := NUMBER.fullmatch(what):
        low, high = (None if bound is None else int(bound) for bound in number.groups()[1:])
        return Parameter(name, number[1], output, low=low, high=high)
    array = ARRAY.fullmatch(what)
    if not name.isidentifier() or array is None or (array[2] and array[2] not in ARRAYS):
        raise SystemExit(f"error: csparc/py/ops.def: {op}: '{word}' is no argument")
    return Parameter(name, "array", output, array[1], array[2], array[3] is not None)


def parse(text: str) -> list[Op]:
    """The ops of a table such as ops.def, in its order."""
    ops = []
    for name, quoted in OP.findall(COMMENT.sub("", text)):
        inputs, _, outputs = "".join(re.findall(r'"([^"]*)"', quoted)).partition("->")
        parameters = [parse_word(name, word, False) for word in inputs.split()]
        parameters += [parse_word(name, word, True) for word in outputs.split()]
        ops.append(Op(name, parameters))
    return ops


def headers(text: str, core: Path) -> list[str]:
    """The headers of the core that declare the functions a table calls."""
    calls = COMMENT.sub("", text)
    called = {a or b for a, b in re.findall(r"\bCS_TYPED\((cs_\w+)\)\(|\b(cs_\w+)\(", calls)}
    found = {}
    for path in sorted(core.rglob("*.h")):
        declared = re.findall(r"^(?=\w).*?\b(cs_\w+)\)?\(", COMMENT.sub("", path.read_text()), re.M)
        for name in called.intersection(declared):
            found[name] = path.relative_to(core).as_posix()
    if called - found.keys():
        raise SystemExit(f"error: no header of csparc/ declares {', '.join(called - found.keys())}")
    return sorted(set(found.values()))


def declarations(op: Op) -> list[str]:
    """C that declares the arguments of an op, and the letters of their axes, by name."""
    lines = []
    letters = {letter for parameter in op.parameters for letter in parameter.axes}
    for letter in sorted(letters - set("0123456789")):
        lines.append(f"const size_t {letter} CS_MAYBE_UNUSED = call->dim['{letter}' - 'A'];")
    for i, parameter in enumerate(op.parameters):
        if parameter.kind == "array":
            element = ARRAYS[parameter.element][0] if parameter.element else "cs_real"
            place = f"{element if parameter.output else f'const {element}'} *{parameter.name}"
            member = "array"
        else:
            kind, member = NUMBERS[parameter.kind]
            place = f"const {kind} {parameter.name}"
        lines.append(f"{place} CS_MAYBE_UNUSED = call->argument[{i}].{member};")
    return lines


def arguments_header(text: str, core: Path) -> str:
    blocks = ["".join(f'#include "{header}"\n' for header in headers(text, core))]
    for op in parse(text):
        blocks.append(" \\\n    ".join([f"#define CS_ARGUMENTS_OF_{op.name}", *declarations(op)]))
    return "\n\n".join(blocks) + "\n"


def parameter_fields(parameter: Parameter) -> str:
    fields = {"name": f'"{parameter.name}"', "output": int(parameter.output)}
    if parameter.kind == "array":
        fields["axes"], fields["axis"] = len(parameter.axes), f'"{parameter.axes}"'
        fields["optional"] = int(parameter.optional)
        fields["kind"] = "CS_ARRAY_OTHER" if parameter.element else "CS_ARRAY_REAL"
        if parameter.element:
            fields["numpy_type"] = ARRAYS[parameter.element][1]
            fields["copied"] = int(parameter.element in COPIED and not parameter.output)
    else:
        fields["expected"] = f'"{parameter.expected}"'
        kinds = {"int": "CS_WHOLE_NUMBER", "real": "CS_NUMBER_REAL", "double": "CS_NUMBER_DOUBLE"}
        fields["kind"], whole = kinds[parameter.kind], parameter.kind == "int"
        least, most = ("LLONG_MIN", "LLONG_MAX") if whole else ("-DBL_MAX", "DBL_MAX")
        low, high = ("least", "most") if whole else ("low", "high")
        fields[low] = least if parameter.low is None else parameter.low
        fields[high] = most if parameter.high is None else parameter.high
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def parameters_header(text: str) -> str:
    ops = parse(text)
    lines = [f"enum {{ MOST_ARGUMENTS = {max(len(op.parameters) for op in ops)} }};"]
    for op in ops:
        lines.append(f"static const cs_parameter parameters_of_{op.name}[] = {{")
        lines += [f"    {parameter_fields(parameter)}," for parameter in op.parameters]
        lines.append("};")
    lines.append("static const cs_signature signatures[] = {")
    lines += [f'    {{"{o.name}", {len(o.parameters)}, parameters_of_{o.name}}},' for o in ops]
    lines.append("};")
    return "\n".join(lines) + "\n"


def write_headers(core: Path, folder: Path) -> None:
    """Write derived/arguments.h and derived/parameters.h into ``folder``."""
    text = (core / "py" / "ops.def").read_text()
    derived = folder / "derived"
    derived.mkdir(parents=True, exist_ok=True)
    (derived / "arguments.h").write_text(arguments_header(text, core))
    (derived / "parameters.h").write_text(parameters_header(text))


STUB_HEAD = '''\
"""The C core. Arrays are C-contiguous, aligned, native; all real arrays of a call share float32 or
float64. Outputs are written in place. Equations are in the headers under csparc/.

Written by build_support/ops.py from csparc/py/ops.def."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Real = NDArray[Any]
{types}

OPS: dict[str, str]

def set_num_threads(count: int, /) -> None: ...
def get_num_threads() -> int: ...
def config() -> dict[str, Any]: ...
def scratch_bytes(op: str, itemsize: int, sizes: dict[str, int], /) -> int: ...
def scratch_peak() -> int: ...
def count_flop(on: bool, /) -> int: ...
'''


def annotation(parameter: Parameter) -> str:
    if parameter.kind != "array":
        return "int" if parameter.kind == "int" else "float"
    array = ARRAYS[parameter.element][2] if parameter.element else "Real"
    return f"{array} | None" if parameter.optional else array


def stub(text: str) -> str:
    """The stub of csparc._core, laid out as ruff does."""
    names = dict.fromkeys(name for _, _, name in ARRAYS.values())
    types = "\n".join(f"{name} = NDArray[np.{name.lower()}]" for name in names)
    lines = [STUB_HEAD.format(types=types)]
    for op in parse(text):
        arguments = [f"{p.name}: {annotation(p)}" for p in op.parameters] + ["/"]
        line = f"def {op.name}({', '.join(arguments)}) -> None: ...\n"
        if len(line) > 101:
            inner = "".join(f"    {argument},\n" for argument in arguments)
            line = f"def {op.name}(\n{inner}) -> None: ...\n"
        lines.append(line)
    return "".join(lines)


def main(arguments: list[str]) -> int:
    wanted = stub((ROOT / "csparc" / "py" / "ops.def").read_text())
    if arguments == ["--check"]:
        if STUB.read_text() == wanted:
            return 0
        print(f"{STUB.relative_to(ROOT)} is not what csparc/py/ops.def says: run {WRITE_STUB}")
        return 1
    STUB.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
