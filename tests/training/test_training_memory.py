"""The memory of training as predicted, against what a step takes; batch sizes chosen by it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_training

from csparc import nn
from csparc._memory import Available, available_memory
from csparc.cli import main as cli
from csparc.cost import training
from csparc.cost.training import training_memory
from csparc.losses import make_loss
from csparc.models import create_model
from csparc.nn import Buffers
from csparc.nn.rehearsal import Rehearsal
from csparc.optim import AdamW
from csparc.trainer import TrainConfig, batch_size
from csparc.trainer.step import Step, introduce

ROUNDED = 0.01
"""A pool that grows in another order, of gathered features, may hold another block."""
RESIDENT = 0.055
"""Of what a process takes: pages of the matrix library and of threads are not counted."""
BOTH = {"micro_batch": 5, "remat": True}
CASES = [
    *(("nano", {}, settings) for settings in ({}, {"remat": True}, {"micro_batch": 8}, BOTH)),
    ("nano-local", {}, BOTH),
    ("nano", {"global_pool": "listing", "registers": 8, "local_layer": 2}, {"micro_batch": 5}),
    ("nano", {"global_pool": "attention", "attention_window": 3, "image_positions": "none"}, {}),
]


def batch(config, pairs: int, rng: np.random.Generator) -> dict:
    side, length = config.image_size, config.context_length
    text = rng.integers(1, config.vocab_size, (pairs, length)).astype(np.int32)
    mask = np.ones(text.shape, bool)
    image = rng.standard_normal((pairs, 3, side, side), dtype=np.float32)
    return {"image": image, "text": text, "text_mask": mask, "loss_mask": mask}


@pytest.mark.parametrize(("name", "options", "settings"), CASES, ids=str)
def test_the_pool_holds_what_was_predicted(name, options, settings, rng, monkeypatch):
    loss, pool = make_loss("sparc"), Buffers()
    model = create_model(name, vocab_size=100, **options)
    introduce(model, loss)
    expected = training_memory(model.config, loss, 16, **settings)
    config = TrainConfig(steps=1, batch_size=16, **settings)
    step = Step(model, loss, AdamW(model.parameters), config)
    step.tape.buffers = pool
    plain = nn.Tape.__init__
    monkeypatch.setattr(
        nn.Tape, "__init__", lambda self, record=True, buffers=pool, remat=False: (
            plain(self, record, buffers, remat)
        ),
    )  # fmt: skip
    pairs = batch(model.config, 16, rng)
    for number in (1, 2):
        step.run(number, [pairs], 1e-3)
    monkeypatch.undo()
    scratch = scratch_of(model, 16 if config.micro_batch is None else config.micro_batch)
    assert pool.size == pytest.approx(expected.activations - scratch, rel=ROUNDED)
    held = sum(p.data.nbytes for p in model.parameters.values())
    assert expected.weights == 4 * held


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_resident_memory_grows_by_what_was_predicted(root):
    program = root / "tests" / "helpers" / "resident_training.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), "clip", "1024", "16"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, predicted = json.loads(done.stdout)
    assert found == pytest.approx(predicted, rel=RESIDENT)


def scratch_of(model, pairs: int) -> int:
    """What the core would hold of its own for the towers of so many pairs."""
    config, tape = model.config, Rehearsal()
    text = np.ones((pairs, config.context_length), np.int32)
    images = np.empty((pairs, 3, config.image_size, config.image_size), np.float32)
    outputs = [*model.visual(tape, nn.Tensor(images)), *model.text(tape, text, text > 0)]
    tape.play({tensor: tensor.data for tensor in outputs})
    return tape.core.scratch


def test_what_grows_with_the_batch_of_micro_batches_is_what_pairs_are_compared_by():
    config = create_model("nano", seed=None).config
    sizes = {}
    for name in ("sparc", "filip"):
        loss = make_loss(name)
        small, large = (
            training_memory(config, loss, pairs, micro_batch=64) for pairs in (1024, 2048)
        )
        assert small.activations == large.activations
        sizes[name] = large.features - small.features
    vectors = 2 * 4 * 1024 * config.shared_width
    assert sizes["sparc"] == 2 * vectors
    assert sizes["filip"] == vectors * (config.patches + config.context_length)


def test_a_large_model_costs_no_memory_to_predict():
    before = nn.BUFFERS.size
    config = create_model("nano", seed=None).config
    memory = training_memory(config, make_loss("clip"), 1 << 20)
    assert memory.total > 1 << 40
    assert nn.BUFFERS.size == before


@pytest.mark.parametrize(
    ("name", "pairs", "settings"),
    [
        ("nano", 8192, {}),
        ("nano", 10_001, {"remat": True}),
        ("nano-local", 6000, {"extra_texts": 5000}),
        ("nano", 20_000, {"micro_batch": 5000, "precision": "bf16"}),
    ],
)
def test_a_part_of_many_pairs_says_what_all_of_them_take(name, pairs, settings, monkeypatch):
    config, loss = create_model(name, seed=None).config, make_loss("clip")
    in_part = training_memory(config, loss, pairs, **settings)
    monkeypatch.setattr("csparc.cost.training.REHEARSED", pairs)
    whole = training_memory(config, loss, pairs, **settings)
    assert in_part.activations == pytest.approx(whole.activations, rel=1e-3)


def test_millions_of_pairs_are_predicted_from_a_few_thousand(monkeypatch):
    counted = []
    captions = training._captions

    def noted(config, count):
        counted.append(count)
        return captions(config, count)

    monkeypatch.setattr(training, "_captions", noted)
    config = create_model("vit-l-14", seed=None).config
    memory = training_memory(config, make_loss("siglip"), 16_000_000)
    assert memory.activations > 16_000_000 << 20  # a megabyte a pair and more
    assert max(counted) <= training.REHEARSED


def test_info_says_what_training_takes(capsys):
    assert cli.main(["info", "nano", "--batch-size", "256", "--micro-batch", "32", "--remat"]) == 0
    out = capsys.readouterr().out
    assert "batch 256, 32 pairs at a time, blocks computed again, at its peak:" in out
    expected = training_memory(
        create_model("nano", seed=None).config, make_loss("sparc"), 256, micro_batch=32, remat=True
    )
    last = out.splitlines()[-1].split()
    assert last == ["peak", f"{expected.total / 2**20:,.0f}", "MiB"]
    assert cli.main(["info", "--remat"]) == 2
    assert "expected MODEL beside it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--micro-batch", "128", "--batch-size", "64"], "micro_batch: expected a whole number"),
        (["--loss", "none"], "loss: expected"),
    ],
)
def test_info_refuses_before_it_says_anything(given, expected, capsys):
    assert cli.main(["info", "nano", *given]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err


# The batch size "auto" --------------------------------------------------------------------------


def choose(available: int, pictures: int = 40_000, **settings):
    model, loss = create_model("nano", seed=None), make_loss("clip")
    data = small_training.scenes(pictures)
    config = TrainConfig(steps=1, batch_size="auto", **settings)
    return *batch_size.choose(config, model, loss, data, available), model, loss


def test_the_largest_batch_that_fits_is_chosen():
    available = 800 << 20
    size, why, model, loss = choose(available, 2000)
    assert 8 < size < batch_size.LARGEST
    assert size & (size - 1) == 0
    most = batch_size.SHARE * available
    there = sum(parameter.data.nbytes for parameter in model.parameters.values())
    assert training_memory(model.config, loss, size).total - there <= most
    assert training_memory(model.config, loss, 2 * size).total - there > most
    assert "800 MiB (the memory given), the next larger" in why
    assert choose(available, 2000, remat=True)[0] > size


def test_there_is_a_largest_batch_and_the_data_bound_it():
    assert choose(1 << 40)[0] == batch_size.LARGEST
    assert choose(1 << 40, 100)[0] == 64
    assert choose(1 << 40, 6)[0] == 5
    with pytest.raises(ValueError, match=r"batch_size: expected memory for 8 pairs, .* remat"):
        choose(1 << 20)


def test_a_resumed_run_keeps_the_batch_size_it_chose(tmp_path, monkeypatch, capsys):
    settings = {"batch_size": "auto", "val_data": None, "progress": "lines"}
    first = small_training.trainer(tmp_path, steps=2, **settings)
    assert first.config.batch_size == 32
    first.run()
    assert "batch size 32: it takes about" in capsys.readouterr().err
    monkeypatch.setattr(
        "csparc.trainer.batch_size.available_memory", lambda: Available(5 << 20, "a limit")
    )
    assert small_training.trainer(steps=2, **settings).config.batch_size < 32
    again = small_training.trainer(tmp_path, steps=4, resume="latest", **settings)
    assert again.config.batch_size == 32
    again.run()
    assert "batch size 32, as the run that is resumed recorded it" in capsys.readouterr().err
    assert again._state.counters.step == 4


# The memory there is ----------------------------------------------------------------------------


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    files = {"proc/meminfo": "MemTotal: 900 kB\nMemAvailable:   100 kB\n", **files}
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, 102400),
        ("0::/\n", {V2 + "memory.max": "max\n", V2 + "memory.current": "5\n"}, 102400),
        ("0::/a/b\n", {V2 + "a/b/memory.max": "9000", V2 + "a/b/memory.current": "2000"}, 7000),
        ("0::/a/b\n", {V2 + "a/memory.max": "9000", V2 + "a/memory.current": "2500"}, 6500),
        (
            "0::/a\n",
            {
                V2 + "a/memory.max": "9000", V2 + "a/memory.current": "8000",
                V2 + "a/memory.stat": "anon 1\ninactive_file 5000\n",
            },
            6000,
        ),
        (
            "5:cpu:/x\n4:memory:/x\n",
            {V1 + "x/memory.limit_in_bytes": "400", V1 + "x/memory.usage_in_bytes": "500"},
            0,
        ),
        (
            "4:cpu,memory:/x\n",
            {
                V1 + "x/memory.limit_in_bytes": "9223372036854771712",
                V1 + "x/memory.usage_in_bytes": "500",
            },
            102400,
        ),
    ],
    ids=range(7),
)  # fmt: skip
def test_memory_is_the_least_of_what_the_machine_and_its_groups_leave(
    groups, files, expected, tmp_path
):
    assert available_memory(system(tmp_path, groups, files)).nbytes == expected


def test_a_system_that_tells_nothing_asks_for_a_number(tmp_path, monkeypatch):
    assert available_memory(tmp_path) is None
    monkeypatch.setattr("csparc.trainer.batch_size.available_memory", lambda: None)
    with pytest.raises(ValueError, match="batch_size: expected a number"):
        small_training.trainer(batch_size="auto", val_data=None)
