"""One step: slices that are accumulated, the scale, what is not finite."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import small_training
from small_training import read_log, weights
from tolerances import FLOAT32

from csparc import nn
from csparc.data.loading.loader import Loader
from csparc.errors import TrainingError
from csparc.losses import as_loss, make_loss
from csparc.nn import functional, grids
from csparc.optim import AdamW
from csparc.trainer import TrainConfig, load_checkpoint
from csparc.trainer.nonfinite import CheckingTape
from csparc.trainer.step import Step, clamp_logit_scale, logit_scale


def gradients(batches: list[dict], clip: float | None = None) -> tuple[dict, dict]:
    """Gradients and log values of one step that is not applied."""
    model = small_training.model()
    optimizer = AdamW(model.parameters)
    kept = {}

    def keep(lr: float) -> tuple[float, float]:
        kept.update({name: p.grad.copy() for name, p in model.parameters.items()})
        return 0.0, 1.0

    optimizer.step = keep
    config = TrainConfig(steps=1, grad_clip_norm=clip)
    record = Step(model, make_loss("sparc"), optimizer, config).run(1, batches, 1e-3)
    return kept, record


def batches(count: int) -> list[dict]:
    trainer = small_training.trainer()
    with Loader(trainer.data, trainer.tokenizer, trainer.preprocess, 8) as loader:
        return [next(loader) for _ in range(count)]


def test_accumulation_averages_the_losses_of_the_slices():
    slices = batches(3)
    alone = [gradients([batch]) for batch in slices]
    together, record = gradients(slices)
    for name, found in together.items():
        expected = sum(grads[name].astype(np.float64) for grads, _ in alone) / 3
        scale = max(np.abs(expected).max(), 1e-6)
        assert np.abs(found - expected).max() <= FLOAT32 * scale, name
    for key in ("loss", "global_loss", "local_loss", "kept_fraction"):
        expected = np.mean([values[key] for _, values in alone])
        assert record[key] == pytest.approx(expected, rel=1e-12)


def test_accumulation_is_not_a_larger_batch():
    """Negatives come from the slice alone, which the documentation promises to say."""
    two = batches(2)
    joined = {key: np.concatenate([batch[key] for batch in two]) for key in two[0]}
    assert gradients([joined])[1]["global_loss"] > gradients(two)[1]["global_loss"]
    assert "negatives come from the slice alone" in " ".join(TrainConfig.__doc__.split())


def test_a_step_counts_all_of_its_slices():
    result = small_training.trainer(steps=3, accum_freq=2, val_data=None).run()
    assert result.counters.samples_seen == 3 * 2 * 8


def test_the_scale_stays_within_its_limits():
    model = small_training.model()
    for stored, expected in ((9.0, 100.0), (-3.0, 1.0), (math.log(7.0), 7.0)):
        model.logit_scale.data[...] = stored
        clamp_logit_scale(model, 1.0, 100.0)
        scale = logit_scale(model, 1.0, 100.0)
        assert 1.0 <= scale <= 100.0
        assert scale == pytest.approx(expected, rel=1e-6)


def test_a_run_clamps_the_scale():
    trainer = small_training.trainer(steps=5, scale_min=14.0, scale_max=14.25, val_data=None)
    scales = [record["logit_scale"] for record in trainer.run().log]
    assert scales[0] == 14.25
    assert all(14.0 <= scale <= 14.25 for scale in scales)


def test_the_gradient_of_the_stored_scale_is_that_of_the_loss():
    """Central difference of the loss by the stored logarithm."""
    (batch,) = batches(1)
    found = gradients([batch])[0]["logit_scale"]
    model, loss, step = small_training.model(dtype=np.float64), make_loss("sparc"), 1e-4
    values = []
    for shift in (step, -step):
        model.logit_scale.data[...] = math.log(1 / 0.07) + shift
        out = model(batch["image"].astype(np.float64), batch["text"], batch["text_mask"])
        arrays = {name: getattr(out, name).data for name in loss.inputs}
        scale = math.exp(float(model.logit_scale.data[0]))
        values.append(loss(**arrays, text_mask=batch["loss_mask"], logit_scale=scale).loss)
    expected = (values[0] - values[1]) / (2 * step)
    assert float(found[0]) == pytest.approx(expected, rel=1e-3)


def poisoned(name: str, value: float, **settings):
    trainer = small_training.trainer(val_data=None, **settings)
    trainer.model.parameters[name].data.flat[0] = value
    return trainer


@pytest.mark.parametrize(
    "name", ["visual.conv1.weight", "token_embedding.weight", "adapter.bias", "logit_scale"]
)
def test_a_weight_that_is_not_finite_is_named(name):
    with pytest.raises(TrainingError, match=f"first bad tensor is {name} "):
        poisoned(name, np.nan).run()


def test_the_first_op_that_overflows_is_named():
    """Finite weights whose product is not: the op and its weight are named."""
    trainer = small_training.trainer(val_data=None)
    trainer.model.parameters["visual.head.weight"].data[...] = 3e38
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingError, match=r"the output of linear with visual\.head\.weight"),
    ):
        trainer.run()


OPS = {
    "linear": lambda tape, x, w: functional.linear(tape, x, w),
    "layernorm": lambda tape, x, w: functional.layernorm(tape, x, w, w, 1e-5),
    "embed": lambda tape, x, w: functional.embed(tape, np.zeros((1, 1), np.int32), w),
    "add_position": lambda tape, x, w: functional.add_position(tape, x, w),
    "conv": lambda tape, x, w: grids.conv(tape, nn.Tensor(x.data[..., None]), w),
    "append": lambda tape, x, w: grids.append(tape, x, w),
}
SHAPES = {"layernorm": (2,), "conv": (2, 1, 3, 3)}


@pytest.mark.parametrize("op", OPS)
def test_every_op_with_a_weight_states_it(op):
    weight = nn.Parameter(SHAPES.get(op, (2, 2)), np.dtype(np.float32))
    weight.name = "the.weight"
    weight.data[...] = np.inf
    tape = CheckingTape()
    with np.errstate(all="ignore"):
        OPS[op](tape, nn.Tensor(np.ones((1, 2, 2), np.float32)), weight)
    assert tape.first_bad.startswith(f"the output of {op} with the.weight (")


def test_every_op_that_takes_a_parameter_is_among_them():
    taking = {
        name
        for module in (functional, grids)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if "Parameter" in str(inspect.signature(function))
    }
    assert taking == set(OPS)


def test_a_note_that_holds_arrays_alone_names_its_weight():
    weight = nn.Parameter((2,), np.dtype(np.float32))
    weight.name = "gain"

    def gain(tape, x):
        values = weight.data

        def note(tape, dy):
            tape.add_grad(None, dy * values, fresh=True)

        return tape.output(x.data * values, True, note, weight)

    def halve(tape, x):
        return tape.output(x.data / 2, True, lambda tape, dy: None)

    tape, bad = CheckingTape(), CheckingTape()
    halve(tape, gain(tape, nn.Tensor(np.ones(2, np.float32))))
    assert tape.first_bad is None
    tape.output(np.full(2, np.nan), True, lambda tape, dy: None)
    assert tape.first_bad.endswith("after gain (NaN: 2 of 2 entries)")
    weight.data[0] = np.inf
    gain(bad, nn.Tensor(np.ones(2, np.float32)))
    assert "with gain (infinite: 1 of 2 entries)" in bad.first_bad


def test_a_gradient_that_is_not_finite_stops_before_the_update(monkeypatch):
    trainer = small_training.trainer(val_data=None)
    before = weights(trainer)
    loss = trainer.loss

    class Bad:
        inputs, config = loss.inputs, loss.config

        def __call__(self, **arguments):
            out = loss(**arguments)
            out.grads["tokens"].flat[0] = np.inf
            return out

    trainer.loss = as_loss(Bad())
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="the gradient of tokens"):
        trainer.run()
    for name, array in weights(trainer).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_last_checkpoint_survives_a_bad_step(tmp_path, monkeypatch):
    out = tmp_path / "run"
    run = Step.run

    def poison(self, number, slices, lr):
        if number == 6:
            self.model.parameters["visual.conv1.weight"].data.flat[0] = np.nan
        return run(self, number, slices, lr)

    monkeypatch.setattr(Step, "run", poison)
    with pytest.raises(TrainingError, match=r"step 6: .* visual\.conv1\.weight"):
        small_training.trainer(out).run()
    monkeypatch.undo()
    assert load_checkpoint(out)[2].counters.step == 5  # saved before it was validated
    small_training.trainer(out, resume="latest").run()
    assert [record["step"] for record in read_log(out)] == list(range(1, 13))
