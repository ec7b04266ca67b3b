"""What is derived from csparc/py/ops.def is what it says, and the stub is not stale."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TABLE = """
/* CS_OP(no_op, "a:N", 0, nothing) */
CS_OP(scale, "x:ND ids:N/i32? heads:int[1,] eps:real[0,1] "
             "keep:flag lr:double -> y:3N", 0, CS_TYPED(cs_scale)(N, x, y))
CS_OP(show, "x:N/pixel -> y:N/u8", cs_show_scratch(N), (cs_show(N, x, y), CS_OK))
"""


@pytest.fixture
def ops(root: Path) -> ModuleType:
    source = root / "build_support" / "ops.py"
    specification = importlib.util.spec_from_file_location("ops_table", source)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_stub_is_not_stale(ops: ModuleType, root: Path) -> None:
    wanted = ops.stub((root / "csparc/py/ops.def").read_text())
    assert ops.STUB.read_text() == wanted, f"_core.pyi is stale: run {ops.WRITE_STUB}"


def test_a_stale_stub_is_named_with_the_command(
    ops: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "python" / "csparc" / "_core.pyi"
    table = tmp_path / "csparc" / "py" / "ops.def"
    for file, text in ((stale, ""), (table, TABLE)):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    ops.ROOT, ops.STUB = tmp_path, stale
    assert ops.main(["--check"]) == 1
    assert "python -m build_support.ops" in capsys.readouterr().out
    assert ops.main([]) == 0
    assert ops.main(["--check"]) == 0


def test_arguments_are_declared_by_name(ops: ModuleType) -> None:
    scale, show = ops.parse(TABLE)
    assert [op.name for op in (scale, show)] == ["scale", "show"]
    assert ops.declarations(scale) == [
        "const size_t D CS_MAYBE_UNUSED = call->dim['D' - 'A'];",
        "const size_t N CS_MAYBE_UNUSED = call->dim['N' - 'A'];",
        "const cs_real *x CS_MAYBE_UNUSED = call->argument[0].array;",
        "const int32_t *ids CS_MAYBE_UNUSED = call->argument[1].array;",
        "const long long heads CS_MAYBE_UNUSED = call->argument[2].integer;",
        "const cs_real eps CS_MAYBE_UNUSED = call->argument[3].real;",
        "const long long keep CS_MAYBE_UNUSED = call->argument[4].integer;",
        "const double lr CS_MAYBE_UNUSED = call->argument[5].real;",
        "cs_real *y CS_MAYBE_UNUSED = call->argument[6].array;",
    ]
    assert [p.expected for p in scale.parameters[2:6]] == [
        "a whole number, at least 1",
        "a finite number from 0 to 1",
        "a whole number from 0 to 1",
        "a finite number",
    ]


def test_inputs_that_say_what_is_read_are_copied(ops: ModuleType) -> None:
    fields = [ops.parameter_fields(p) for op in ops.parse(TABLE) for p in op.parameters]
    assert [field.split('"')[1] for field in fields if ".copied = 1" in field] == ["ids"]


def test_headers_are_those_that_declare_what_is_called(ops: ModuleType, tmp_path: Path) -> None:
    texts = {
        "op/scale.h": "/* cs_show( */\ncs_status CS_TYPED(cs_scale)(size_t N);",
        "op/show.h": "void cs_show(size_t N);\nsize_t cs_show_scratch(size_t N);",
        "op/other.h": "static inline void\nf(void)\n{\n    cs_show(3);\n}",
    }
    (tmp_path / "op").mkdir()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert ops.headers(TABLE, tmp_path) == ["op/scale.h", "op/show.h"]
    (tmp_path / "op/show.h").unlink()
    with pytest.raises(SystemExit, match="cs_show"):
        ops.headers(TABLE, tmp_path)


@pytest.mark.parametrize("word", ["x", "x:", "x:n", "x:N/i7", "x:int[1]", "x:real[a,]", "3:N"])
def test_a_word_that_is_no_argument_is_named(ops: ModuleType, word: str) -> None:
    with pytest.raises(SystemExit, match="op: "):
        ops.parse(f'CS_OP(op, "{word} -> y:N", 0, cs_op(N))')
