"""The modules of the package import in no circle, and from the layers below their own alone.

The subpackages are attributes of the package, and importing that loads nothing heavy.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from circles import circle

import csparc

PACKAGE = Path(__file__).resolve().parents[2] / "python" / "csparc"

GROUND = "the ground"
"""The package itself and the private modules at its top, which all rooms stand on."""

ROOMS = (
    GROUND, "reference", "nn", "optim", "losses", "data", "models", "checkpoint", "weights",
    "features", "evaluate", "cost", "profile", "viz", "search", "trainer", "interop", "torch",
    "jax", "demo", "report", "study", "cli", "__main__",
)  # fmt: skip
"""From the lowest to the highest: a room imports from itself and from those before it."""

ON_THE_GROUND = ("config", "errors")
"""Its modules without an underscore."""


def name_of(path: Path) -> str:
    """``csparc.losses.base`` of its file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room a module lies in."""
    first = module.split(".")[1] if "." in module else "_"
    on_the_ground = first.startswith("_") and first != "__main__"
    return GROUND if on_the_ground or first in ON_THE_GROUND else first


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(source: str, known: set[str], inside: bool) -> set[str]:
    """The modules among ``known`` that a source imports: with ``inside`` in its functions too, and
    never what is for type checkers alone."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not inside:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else str(node.module))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found & known


def graph(inside: bool) -> dict[str, set[str]]:
    """By module, the other modules of the package that it imports."""
    known = {*MODULES, "csparc._core"}
    return {
        module: imported(path.read_text(encoding="utf-8"), known, inside) - {module}
        for module, path in MODULES.items()
    }


def test_every_folder_is_a_room():
    assert {room_of(module) for module in MODULES} == set(ROOMS)


@pytest.mark.parametrize("inside", [False, True], ids=["when imported", "in functions too"])
def test_no_circle_of_modules(inside):
    assert circle(graph(inside)) == []


def test_rooms_import_only_what_lies_below():
    wrong = [
        f"{module} imports {other}"
        for module, others in graph(inside=True).items()
        for other in sorted(others)
        if ROOMS.index(room_of(other)) > ROOMS.index(room_of(module))
    ]
    assert not wrong


def test_what_is_forbidden_is_seen():
    known = {"csparc", "csparc.a", "csparc.b", "csparc.c"}
    source = "from csparc import a\nif TYPE_CHECKING:\n    import csparc.c\n"
    source += "def f():\n    from csparc.b import x\nimport numpy\n"
    assert imported(source, known, inside=False) == {"csparc.a"}
    assert imported(source, known, inside=True) == {"csparc.a", "csparc.b"}
    assert circle({"csparc.a": {"csparc.b"}, "csparc.b": {"csparc.a"}}) != []
    assert room_of("csparc") == room_of("csparc._core") == room_of("csparc.errors") == GROUND
    assert room_of("csparc.__main__") == "__main__"
    assert room_of("csparc.search") == "search"


def test_rooms_are_attributes_and_the_package_loads_nothing_heavy():
    code = """
import sys, csparc
loaded = {name for name in sys.modules if name.startswith("csparc.")}
early = {name for name in loaded if not name[7:].startswith("_")} - {"csparc.config"}
assert not early, early
for room in csparc._ROOMS:
    assert getattr(csparc, room).__name__ == f"csparc.{room}"
print(csparc.evaluate.evaluate_retrieval, csparc.cost.estimate_memory, csparc.data.open)
print(csparc.viz.plot_curves, csparc.checkpoint.load_checkpoint)
heavy = {"PIL", "matplotlib", "tokenizers", "safetensors", "tqdm"} & set(sys.modules)
sys.exit(f"loaded: {sorted(heavy)}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(csparc._ROOMS) <= set(dir(csparc))
    listed = {*csparc._ROOMS, *csparc._FRAMEWORKS}
    of_commands = {"interop", "demo", "study", "report", "cli", "__main__"}
    assert set(ROOMS) - listed == {GROUND, *of_commands}


def test_what_is_no_attribute_is_said():
    with pytest.raises(AttributeError, match="module 'csparc' has no attribute 'evaluation'"):
        csparc.evaluation  # noqa: B018
