"""What losses cost: formulas against what the core does and against the paper's table."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from tolerances import COUNTED_FLOP, MEMORY, PAPER_COST, PAPER_DIFFERENCE

import csparc
from csparc import _core
from csparc.cli import main as cli
from csparc.cost import paper as paper_cost
from csparc.cost import tables as cost_table
from csparc.cost.measured import exponent, measure_loss
from csparc.cost.memory import estimate_memory
from csparc.cost.towers import text_flop, text_kept
from csparc.losses import LOSSES, FilipLoss, MgcaLoss, Sizes
from csparc.losses.registry import extra_text_losses
from csparc.models.presets import preset

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib"
)
SHAPES = [(96, 49, 32, 64), (70, 64, 16, 48)]
REFERENCE = {"P": 196, "L": 55, "D": 512}
PAPER_COLUMNS = [(loss, i) for loss in ("clip", "sparc") for i in range(4)]


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Scratch is counted per thread, beside about 1.5 KB of Python's own objects in any call."""
    before = csparc.get_num_threads()
    csparc.set_num_threads(2)
    yield
    csparc.set_num_threads(before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_formula_and_estimate_are_what_a_call_does(loss: str, shape: tuple[int, ...]) -> None:
    found = measure_loss(loss, *shape)
    assert found.flop == pytest.approx(LOSSES[loss]().flop(Sizes(*shape)), rel=COUNTED_FLOP)
    assert found.bytes == pytest.approx(estimate_memory(loss, *shape), rel=MEMORY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("same_group", [None, "exclude", "positive"])
@pytest.mark.parametrize("loss", LOSSES)
def test_estimate_knows_groups_types_and_tiny_batches(loss: str, same_group, dtype) -> None:
    for shape in ((8, 9, 6, 64), (300, 5, 4, 16)):
        found = measure_loss(loss, *shape, same_group=same_group, dtype=dtype).bytes
        estimate = estimate_memory(loss, *shape, same_group=same_group, dtype=dtype)
        assert found == pytest.approx(estimate, rel=MEMORY), shape


@pytest.mark.parametrize(
    ("loss", "same_group"),
    [("clip", None), ("clip", "exclude"), ("clip", "positive"), ("siglip", "positive")],
)
def test_memory_grows_with_the_batch_and_not_its_square(loss: str, same_group) -> None:
    small = estimate_memory(loss, 2**15, 1, 1, 16, same_group=same_group)
    assert estimate_memory(loss, 2**17, 1, 1, 16, same_group=same_group) < 4.01 * small


@pytest.mark.parametrize("loss", extra_text_losses())
def test_captions_without_a_picture_are_counted(loss: str) -> None:
    shape, extra = (96, 49, 32, 64), 200
    found = measure_loss(loss, *shape, extra_texts=extra)
    flop = LOSSES[loss]().flop(Sizes(*shape, N=extra))
    assert found.flop == pytest.approx(flop, rel=COUNTED_FLOP)
    assert flop > LOSSES[loss]().flop(Sizes(*shape))
    estimate = estimate_memory(loss, *shape, extra_texts=extra)
    assert found.bytes == pytest.approx(estimate, rel=MEMORY)


def test_memory_grows_with_extra_texts_and_not_with_the_matrix() -> None:
    small = estimate_memory("clip", 2**15, 1, 1, 16, extra_texts=2**15)
    assert estimate_memory("clip", 2**17, 1, 1, 16, extra_texts=2**17) < 4.01 * small
    with pytest.raises(ValueError, match="extra_texts: expected 0 for pacl"):
        estimate_memory("pacl", 8, 4, 4, 16, extra_texts=1)


def test_options_reach_estimate_and_formula() -> None:
    shape = (48, 49, 32, 64)
    found = measure_loss("filip", *shape, options=["keep=0.5", "drop_group=8"])
    sizes = Sizes(*shape)
    assert found.flop == pytest.approx(FilipLoss(0.5, drop_group=8).flop(sizes), rel=COUNTED_FLOP)
    assert found.flop != pytest.approx(FilipLoss().flop(sizes), rel=COUNTED_FLOP)
    estimate = estimate_memory("filip", *shape, keep=0.5, drop_group=8)
    assert found.bytes == pytest.approx(estimate, rel=MEMORY)
    every = measure_loss("filip", *shape, options=["drop=none"])
    assert every.bytes == pytest.approx(estimate_memory("filip", *shape, drop="none"), rel=MEMORY)
    free = measure_loss("mgca", *shape, options=["attention=free"])
    estimate = estimate_memory("mgca", *shape, attention="free")
    assert free.bytes == pytest.approx(estimate, rel=MEMORY)
    found = measure_loss("mgca", *shape, options=["width=32", "prototypes=4000"])
    estimate = estimate_memory("mgca", *shape, width=32, prototypes=4000)
    assert found.bytes == pytest.approx(estimate, rel=MEMORY)
    wide = MgcaLoss(width=32, prototypes=4000)
    assert found.flop == pytest.approx(wide.flop(sizes), rel=COUNTED_FLOP)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    "case",
    ["clip 2048 1 1 512", "sparc 2048 2 2 512", "filip 64 196 55 512", "gloria 24 196 55 512"],
)
def test_resident_memory_grows_by_the_estimate(case: str, root) -> None:
    program = root / "tests" / "helpers" / "resident.py"
    done = subprocess.run(
        [sys.executable, str(program), *case.split()], capture_output=True, text=True, check=True
    )
    found, estimate = json.loads(done.stdout)
    assert found == pytest.approx(estimate, rel=MEMORY)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_thousand_pairs_fit_in_half_a_gigabyte(loss: str) -> None:
    csparc.set_num_threads(2)
    assert csparc.estimate_memory(loss, 1024, **REFERENCE) < 500e6


def test_counting_is_off_until_asked_and_independent_of_threads() -> None:
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 130, 16)).astype(np.float32)
    counts = []
    for threads in (1, 3):
        csparc.set_num_threads(threads)
        _core.count_flop(True)
        csparc.clip_loss(image, text, grad=True)
        counts.append(_core.count_flop(False))
    csparc.clip_loss(image, text)
    assert counts == [8 * 130**2 * 16] * 2
    assert _core.count_flop(False) == 0


def test_scratch_bytes_names_what_is_wrong() -> None:
    sizes = {"B": 4, "D": 8, "N": 0}
    assert _core.scratch_bytes("contrastive", 8, sizes) > _core.scratch_bytes(
        "contrastive", 4, sizes
    )
    for arguments, message in [
        (("contrast", 4, sizes), "no op is called 'contrast'"),
        (("contrastive", 2, sizes), "'itemsize' is 2, expected 4 or 8"),
        (("contrastive", 4, {"B": 4}), "contrastive needs 'D' for 'image'"),
        (("contrastive", 4, {"B": -1, "D": 8}), "'B' is -1, expected a whole number, at least 0"),
        (("attention_forward", 4, {"N": 4, "C": 8}), "depends on what 'offsets' holds"),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.scratch_bytes(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("l2", 1, 1, 1, 1), "loss: expected one of sparc, clip"),
        (("clip", 0, 1, 1, 1), "B: expected"),
        (("clip", 4, 1, 1, 1, {"dtype": np.int32}), "dtype: expected float32 or float64"),
        (("clip", 4, 1, 1, 1, {"keep": 0.5}), r"clip: expected options among \[\], found 'keep'"),
        (("mgca", 4, 1, 1, 1, {"heads": 3}), "width: expected a multiple of heads = 3"),
        (("clip", 4, 1, 1, 1, {"same_group": "both"}), "same_group: expected 'exclude' or"),
    ],
)
def test_estimate_names_what_is_wrong(arguments: tuple, message: str) -> None:
    *sizes, options = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(ValueError, match=message):
        estimate_memory(*sizes, **options)


@pytest.mark.parametrize(("loss", "place"), PAPER_COLUMNS)
def test_the_papers_columns(loss: str, place: int) -> None:
    config = paper_cost.paper_model(preset("vit-b-16"))
    batch = paper_cost.BATCHES[place]
    flop = paper_cost.device_flop(loss, config, batch) / 1e12
    assert flop == pytest.approx(paper_cost.TFLOP[loss][place], rel=PAPER_COST)
    held = paper_cost.device_bytes(loss, config, batch) / 1e6
    assert held == pytest.approx(paper_cost.MEGABYTES[loss][place], rel=PAPER_COST)


@pytest.mark.parametrize(
    ("loss", "places"), [("sparc", range(4)), ("mgca", range(4)), ("filip", range(3))]
)
def test_the_papers_differences(loss: str, places: range) -> None:
    """FILIP's largest batch is left out: there the paper's step forms scores again."""
    config = paper_cost.paper_model(preset("vit-b-16"))
    for place in places:
        batch = paper_cost.BATCHES[place]
        more = paper_cost.device_flop(loss, config, batch)
        more -= paper_cost.device_flop("clip", config, batch)
        paper = paper_cost.TFLOP[loss][place] - paper_cost.TFLOP["clip"][place]
        assert more / 1e12 == pytest.approx(paper, abs=PAPER_DIFFERENCE + 1e-9)


@pytest.mark.parametrize(
    ("loss", "low", "high"),
    [("sparc", 1, 1), ("mgca", 1, 1), ("filip", 2, 2), ("gloria", 1.9, 2), ("pacl", 1.5, 2)],
)
def test_counted_excess_grows_as_it_should(loss: str, low: float, high: float) -> None:
    batches, shape = (16, 32, 64), (16, 16, 32)
    more = [
        measure_loss(loss, batch, *shape).flop - measure_loss("clip", batch, *shape).flop
        for batch in batches
    ]
    assert low - 1e-3 <= exponent(batches, more) <= high + 1e-3


def test_exponent_of_a_power_and_of_nothing() -> None:
    assert exponent([2, 4, 8], [3 * b**1.5 for b in (2, 4, 8)]) == pytest.approx(1.5)
    assert math.isnan(exponent([2, 4], [0, 0]))
    assert math.isnan(exponent([2], [1]))


def test_command_prints_the_papers_table(capsys) -> None:
    arguments = "cost --model vit-b-16 --loss all --batch 2048,4096,8192,16384"
    assert cli.main(arguments.split()) == 0
    printed = capsys.readouterr().out
    assert "8.57 (9.19)" in printed
    assert "8.53 (9.14)" in printed
    config = preset("vit-b-16")
    for loss in LOSSES:
        flop = cost_table.step_flop(loss, config, 4096) / 1e12
        assert f"| {loss} " in printed
        assert f"{flop:,.2f} |" in printed


def test_the_page_shows_what_the_command_prints(root) -> None:
    """Formulas; the memory beside them follows how the core lays out its scratch."""
    page = (root / "docs" / "cost.md").read_text()
    config, losses = preset("vit-b-16"), list(LOSSES)
    for table in (
        *cost_table.own_tables(config, losses, paper_cost.BATCHES)[:2],
        *cost_table.paper_tables(config, losses, paper_cost.BATCHES, known=True),
    ):
        assert table in page, f"docs/cost.md: expected this, from csparc cost:\n{table}"


MEASURED = ["cost", "--model", "nano", "--loss", "sparc,filip", "--batch", "4,8", "--measured"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder the command runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_matplotlib
def test_command_measures_and_draws_into_a_new_file(here, capsys) -> None:
    (here / "cost.png").write_text("somebody's")
    assert cli.main(MEASURED) == 0
    *_, sparc, filip, empty, last = capsys.readouterr().out.splitlines()
    assert [[word.strip() for word in row.split("|")[1:4]] for row in (sparc, filip)] == [
        ["sparc", "1.00", "1.00"],
        ["filip", "2.00", "1.99"],
    ]
    assert (empty, last) == ("", "cost-2.png")
    assert (here / "cost-2.png").read_bytes().startswith(b"\x89PNG")
    assert (here / "cost.png").read_text() == "somebody's"
    assert cli.main([*MEASURED, "--plot", "cost.png"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "cost.png"
    assert (here / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(here.iterdir())) == 2


def test_measuring_needs_no_matplotlib(here, capsys, monkeypatch) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(MEASURED) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no plot: this needs matplotlib, which is not installed: pip install")
    assert cli.main([*MEASURED, "--plot", "drawn.png"]) == 2
    printed = capsys.readouterr()
    assert "needs matplotlib" in printed.err
    assert printed.out == ""  # said before anything is measured
    assert not list(here.iterdir())


@needs_matplotlib
def test_command_draws(tmp_path, capsys) -> None:
    file = tmp_path / "cost.svg"
    assert cli.main(["cost", "--loss", "clip,sparc", "--plot", str(file)]) == 0
    drawn = file.read_text()
    assert "<svg" in drawn
    assert "2,048" in drawn or drawn.count("<use") > 8
    assert capsys.readouterr().out.splitlines()[-1] == str(file)


def test_command_counts_captions_without_a_picture(capsys) -> None:
    """A step with one to a pair: their forward and backward pass, and N = B in the loss."""
    assert cli.main(["cost", "--model", "nano", "--batch", "2048", "--extra-texts", "1"]) == 0
    printed = capsys.readouterr().out
    assert "siglip" in printed
    assert "pacl" not in printed
    assert "devices" not in printed
    config = preset("nano")
    plain, more = (cost_table.step_flop("clip", config, 2048, extra) for extra in (0, 1))
    B, D = 2048, config.shared_width
    assert more - plain == 3 * B * text_flop(config) + 8 * B**2 * D
    assert f"{more / 1e12:,.2f}" in printed
    held = [cost_table.step_bytes("clip", config, 2048, extra) for extra in (0, 1)]
    assert held[1] - held[0] > 4 * B * text_kept(config)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--model", "huge"], "expected one of nano"),
        (["--loss", "clip,l2"], "loss: expected one of"),
        (["--batch", "16,many"], "batch: expected whole numbers separated by commas"),
        (["--batch", "0"], "batch: expected whole numbers"),
        (["--plot", "no-such-folder/c.png"], "expected an existing folder"),
        (["--loss", "clip,pacl", "--extra-texts", "1"], "extra_texts: expected 0 with pacl"),
        (["--measured", "--extra-texts", "1"], "extra_texts: expected 0 with --measured"),
    ],
)
def test_command_names_a_wrong_argument(option: list[str], message: str, capsys) -> None:
    assert cli.main(["cost", *option]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
