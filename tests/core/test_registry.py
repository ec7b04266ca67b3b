"""Names every op that lacks a gradient case, a test, or a stub."""

from __future__ import annotations

import ast
from pathlib import Path

from op_cases import CASES, PLAIN

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


def test_plain_ops_name_their_test(root: Path) -> None:
    for op, file in PLAIN.items():
        assert op in (root / "tests" / file).read_text(), f"{file} does not call {op}"


def test_stubs_agree_with_signatures(root: Path) -> None:
    stub = ast.parse((root / "python/csparc/_core.pyi").read_text())
    found = {
        node.name: [argument.arg for argument in node.args.posonlyargs]
        for node in stub.body
        if isinstance(node, ast.FunctionDef)
    }
    for name, signature in _core.OPS.items():
        words = [word.partition(":")[0] for word in signature.split() if word != "->"]
        assert found.get(name) == words, f"_core.pyi: {name} should take {words}"
    for name in found:
        assert hasattr(_core, name), f"_core.pyi lists {name}, the module does not"
