"""The page on searching names commands that exist, and its program runs."""

from __future__ import annotations

import re
import shlex

import picture_index

from csparc.cli.main import build_parser

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def blocks(root, language: str) -> list[str]:
    text = (root / "docs" / "search.md").read_text(encoding="utf-8")
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def test_commands_can_be_given(root):
    commands = "".join(blocks(root, "sh")).splitlines()
    assert len(commands) == 5
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "csparc"
        build_parser().parse_args(arguments)


def test_flags_named_exist(root):
    text = (root / "docs" / "search.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`[^`\n]*?(--[a-z]+)", text))
    parser = build_parser()
    known = set()
    for action in parser._subparsers._group_actions[0].choices.values():
        known |= set(action._option_string_actions)
    assert len(named) >= 8
    assert named <= known


def test_the_program_runs(root, run, tmp_path, monkeypatch, capsys):
    (program,) = blocks(root, "python")
    picture_index.make_photos(tmp_path / "photos", 5)
    (tmp_path / "run").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("5 5 1 bad item skipped: broken.jpg")
    assert len(lines) == 4
