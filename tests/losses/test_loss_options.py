"""The options of the losses: one entry each, true of the classes, and printed in help and docs."""

from __future__ import annotations

import importlib.util
import inspect

import pytest

import csparc
from csparc.cli import main as cli
from csparc.losses.registry import LOSSES, loss_class, make_loss

OPTIONS = [(loss, option) for loss in LOSSES for option in loss_class(loss).options()]
NAMES = [f"{loss} {option.name}" for loss, option in OPTIONS]


@pytest.fixture(scope="module")
def tables(root):
    """docs/write_tables.py as a module."""
    spec = importlib.util.spec_from_file_location("tables", root / "docs" / "write_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("loss", LOSSES)
def test_the_options_are_the_arguments_of_the_class(loss):
    made = loss_class(loss)
    names = [option.name for option in made.options()]
    assert names == list(inspect.signature(made).parameters)
    assert ["loss", *names] == list(made().config())


@pytest.mark.parametrize(("loss", "option"), OPTIONS, ids=NAMES)
def test_what_is_said_to_be_allowed_is(loss, option):
    assert option.entry.about.endswith(".")
    key, choices = option.name, option.entry.choices
    default = make_loss(loss, [f"{key}={option.values()[0]}"]).config()[key]
    if isinstance(option.default, float):
        assert default == pytest.approx(option.default, rel=1e-5)
    else:
        assert default == option.default
    assert bool(choices) == isinstance(option.default, str)
    for choice in choices:
        assert make_loss(loss, [f"{key}={choice}"]).config()[key] == choice
    with pytest.raises(ValueError, match=key):
        make_loss(loss, [f"{key}=nonsense"])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_printed_form_makes_the_same_loss(loss):
    made = make_loss(loss)
    assert eval(repr(made), vars(csparc.losses)).config() == made.config()


def test_an_unknown_option_is_answered_with_the_known_ones():
    message = "expected key=value with one of attention_scale, .* found 'help' .*info --loss gloria"
    with pytest.raises(ValueError, match=message):
        make_loss("gloria", ["help"])


def test_the_command_line_prints_them(capsys):
    assert cli.main(["info", "--loss", "all"]) == 0
    printed = capsys.readouterr().out
    for loss, option in OPTIONS:
        assert f"{loss}: csparc." in printed
        assert f"  {option.name}={option.values()[0]}" in printed
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    printed = capsys.readouterr().out
    assert all(option.name in printed for _, option in OPTIONS)
    assert cli.main(["info", "--loss", "l2"]) == 2
    assert "expected one of sparc, clip" in capsys.readouterr().err


def test_the_documentation_holds_the_tables(tables, root):
    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert tables.with_tables(text) == text, f"{page}: run docs/write_tables.py"
    pages = "".join(page.read_text(encoding="utf-8") for page in tables.PAGES)
    assert "<!-- questions of sparc," in pages
    for loss in LOSSES:
        assert (f"<!-- options of {loss}," in pages) == bool(loss_class(loss).options())


def test_a_table_that_is_out_of_date_is_found(tables, root):
    text = (root / "docs" / "objectives" / "siglip.md").read_text(encoding="utf-8")
    assert text.count("`logit_bias=-10`") == 1
    old = text.replace("`logit_bias=-10`", "`logit_bias=-5`")
    assert tables.with_tables(old) == text
