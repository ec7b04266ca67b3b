"""Names every op that lacks a gradient case, a test, or a stub."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from op_cases import CASES, PLAIN, THROUGH

from csparc import _core


def bases() -> set[str]:
    """Op names without _forward and _backward."""
    return {name.removesuffix("_forward").removesuffix("_backward") for name in _core.OPS}


def test_every_op_pair_has_a_case() -> None:
    covered = {case.op for case in CASES} | set(PLAIN)
    assert bases() - covered == set(), "ops without a case in op_cases.py"
    assert covered - bases() == set(), "cases for ops that do not exist"


def test_every_forward_has_its_backward() -> None:
    for name in _core.OPS:
        stem, _, kind = name.rpartition("_")
        if kind == "forward" and stem not in PLAIN:
            assert f"{stem}_backward" in _core.OPS, name


def calls_in(path: Path) -> set[str]:
    """What a Python file calls, as it is written there: "_core.gemm", "csparc.clip_loss"."""
    tree = ast.parse(path.read_text())
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("op", PLAIN)
def test_plain_ops_are_called_by_their_test(op: str, root: Path) -> None:
    called = THROUGH.get(op, f"_core.{op}")
    assert called in calls_in(root / "tests" / PLAIN[op]), f"{PLAIN[op]} does not call {called}"


@pytest.mark.parametrize("op", THROUGH)
def test_what_stands_for_an_op_calls_it(op: str, root: Path) -> None:
    function = THROUGH[op].rpartition(".")[2]
    defined = [
        path
        for path in (root / "python" / "csparc").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == function
    ]
    assert any(f"_core.{op}" in calls_in(path) for path in defined), THROUGH[op]


def test_stub_lists_what_the_module_has(root: Path) -> None:
    stub = ast.parse((root / "python/csparc/_core.pyi").read_text())
    found = {
        node.name: [argument.arg for argument in node.args.posonlyargs]
        for node in stub.body
        if isinstance(node, ast.FunctionDef)
    }
    assert found.keys() == {name for name in vars(_core) if callable(getattr(_core, name))} - {
        "__loader__"
    }
    for name, signature in _core.OPS.items():
        words = [word.partition(":")[0] for word in signature.split() if word != "->"]
        assert found[name] == words, f"_core.pyi: {name} should take {words}"
