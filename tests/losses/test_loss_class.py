"""What a loss class declares is checked when it is registered, given or called.

Also: learned scales obey the run's limit, and no file outside losses/ is keyed by the name of a
loss.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass

import numpy as np
import pytest
import small_training

import csparc
from csparc import losses
from csparc.losses import (
    LOSSES,
    Loss,
    LossOutput,
    Part,
    as_loss,
    make_loss,
    option,
    register,
    registry,
)
from csparc.optim import AdamW

PART = Part("own_loss", "Own loss", "nothing with nothing")


@pytest.fixture(autouse=True)
def _same_losses():
    before = dict(registry._CLASSES)
    yield
    registry._CLASSES.clear()
    registry._CLASSES.update(before)


class Plain(Loss):
    """A loss that says the least there is."""

    name = "plain"
    label = "Plain"
    inputs = ("image_global", "text_global")
    parts = (PART,)

    def _compute(self, image_global, text_global, *, logit_scale, grad, **more):
        whole = csparc.clip_loss(image_global, text_global, logit_scale=logit_scale, grad=grad)
        return LossOutput(whole.loss, parts={"own_loss": whole.loss}, grads=whole.grads)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(4, 6)).astype(np.float32) for name in Plain.inputs}


def changed(**facts):
    return type("Changed", (Plain,), {"name": "changed", **facts})


# Registration ------------------------------------------------------------------------------------


def test_losses_are_listed_in_one_order():
    names = ["sparc", "clip", "siglip", "pacl", "filip", "clip+filip", "gloria", "mgca"]
    names += ["word-contrast", "clip+words", "sparc+words", "clip+filip+words"]
    assert list(LOSSES) == names
    register(Plain)
    assert list(losses.LOSSES) == [*names, "plain"]
    assert isinstance(make_loss("plain"), Plain)
    with pytest.raises(TypeError, match="does not support item assignment"):
        LOSSES["plain"] = Plain


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "Two words"}, r"Changed.name: expected lower-case .* found 'Two words'"),
        ({"name": None}, r"Changed.name: expected lower-case letters"),
        ({"label": None}, r"Changed.label: expected a text, found None"),
        ({"inputs": ()}, r"Changed.inputs: expected a tuple of names among patches"),
        ({"inputs": "patches"}, r"Changed.inputs: expected a tuple"),
        ({"inputs": ("patches", "words")}, r"Changed.inputs: .*found \('patches', 'words'\)"),
        ({"parts": ()}, r"Changed.parts: expected a tuple of csparc.losses.Part"),
        ({"parts": (PART, PART)}, r"Changed.parts: .* with different names"),
        ({"parts": ("own_loss",)}, r"Changed.parts: expected a tuple of csparc.losses.Part"),
    ],
)
def test_a_fact_that_is_missing_or_wrong_is_named(facts, message):
    for use in (register, lambda made: as_loss(made())):
        with pytest.raises(TypeError, match="^" + message):
            use(changed(**facts))
    assert "changed" not in LOSSES


def test_what_is_no_loss_is_not_registered():
    with pytest.raises(
        TypeError, match=r"expected a subclass of csparc.losses.Loss, found 'sparc'"
    ):
        register("sparc")

    class Abstract(Loss):
        name, label, inputs, parts = "abstract", "Abstract", ("patches",), (PART,)

    with pytest.raises(TypeError, match="Abstract: expected a loss that computes, found no _comp"):
        register(Abstract)

    @dataclass(frozen=True, repr=False)
    class Undescribed(Plain):
        power: float = 2.0

    with pytest.raises(TypeError, match=r"Undescribed.power: expected option\(default, about\)"):
        register(Undescribed)


def test_a_name_is_taken_once_and_a_class_may_be_written_again():
    with pytest.raises(ValueError, match=r"found 'clip', which is csparc.losses.clip.ClipLoss"):
        register(changed(name="clip"))
    first, again = changed(), changed()
    register(first)
    register(again)
    assert LOSSES["changed"] is again


def test_options_are_checked_as_they_are_declared():
    @register
    @dataclass(frozen=True, repr=False)
    class Checked(Plain):
        name = "checked"
        kind: str = option("soft", "A kind.", ("soft", "hard"))
        times: int = option(3, "A number of times.")
        flat: bool = option(False, "Whether.")
        weight: float | None = option(None, "A weight.")

    assert Checked(weight=np.float32(2)).config() == {
        "loss": "checked", "kind": "soft", "times": 3, "flat": False, "weight": 2.0
    }  # fmt: skip
    assert repr(Checked(times=4, kind="hard")) == "Checked(kind='hard', times=4)"
    for wrong, message in [
        ({"kind": "firm"}, "kind: expected 'soft' or 'hard', found 'firm'"),
        ({"times": 0}, "times: expected a whole number of at least 1, found 0"),
        ({"flat": 1}, "flat: expected True or False, found 1"),
        ({"weight": "much"}, "weight: expected a finite number, found 'much'"),
        ({"times": None}, "times: expected a whole number of at least 1, found None"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            Checked(**wrong)
    made = make_loss("checked", ["kind=hard", "weight=none", "flat=yes"])
    assert made == Checked("hard", flat=True)
    with pytest.raises(AttributeError):
        made.times = 4


# The door ----------------------------------------------------------------------------------------


def test_what_is_given_for_a_loss():
    loss = Plain()
    assert as_loss(loss) is loss
    assert isinstance(as_loss("clip"), losses.ClipLoss)
    with pytest.raises(ValueError, match="expected one of sparc"):
        as_loss("l2")
    for given, found in [
        (losses.SparcLoss, "found the class SparcLoss: make one"),
        (None, r"found a NoneType without inputs and config\(\) and a call"),
        (3.0, "found a float without inputs"),
    ]:
        with pytest.raises(TypeError, match="^loss: expected a name .*" + found):
            as_loss(given)


class Foreign:
    """A caller's own object that is no `Loss`."""

    inputs = ("image_global", "text_global")

    def config(self):
        return {"of": "mine"}

    def __call__(self, image_global, text_global, *, text_mask, logit_scale, grad):
        return csparc.clip_loss(image_global, text_global, logit_scale=logit_scale, grad=grad)


def test_a_callers_own_object_trains_and_is_asked_once():
    given = Foreign()
    trainer = small_training.trainer(loss=given, steps=2, val_data=None)
    assert trainer.loss.config() == {"of": "mine"}
    assert as_loss(trainer.loss) is trainer.loss
    log = trainer.run().log
    assert all(record["loss"] == record["global_loss"] > 0 for record in log)
    given.parameters = {"scale": None}
    with pytest.raises(TypeError, match="found a Foreign that owns parameters"):
        as_loss(given)


def test_a_callers_own_object_that_returns_something_else_is_named():
    class Number(Foreign):
        def __call__(self, **call):
            return 1.0

    with pytest.raises(TypeError, match=r"Number: expected a csparc.LossOutput, found a float"):
        small_training.trainer(loss=Number(), steps=1, val_data=None).run()


# A call ------------------------------------------------------------------------------------------


def test_an_output_that_lacks_what_is_declared_is_named():
    class Other(Plain):
        def _compute(self, **call):
            return LossOutput(1.0, global_loss=1.0)

    with pytest.raises(ValueError, match=r"Other: expected .* \(own_loss\), found global_loss"):
        Other()(**arrays())

    class Less(Plain):
        def _compute(self, **call):
            out = super()._compute(**call)
            out.grads.pop("text_global", None)
            return out

    assert Less()(**arrays()).loss > 0
    with pytest.raises(
        ValueError, match=r"Less: expected a gradient of text_global .*image_global"
    ):
        Less()(**arrays(), grad=True)


def test_a_part_called_as_a_column_of_the_log_is_refused():
    loss = changed(parts=(Part("lr", "Rate", "nothing"),))()
    with pytest.raises(ValueError, match=r"Changed.parts: expected names .* found lr"):
        small_training.trainer(loss=loss)


def test_buffers_are_filled_for_a_loss_that_does_not():
    given, expected = arrays(), Plain()(**arrays(), grad=True).grads
    buffers = {name: np.full_like(array, np.nan) for name, array in given.items()}
    out = Plain()(**given, out_grads=buffers)
    for name, buffer in buffers.items():
        assert out.grads[name] is buffer
        assert np.array_equal(buffer, expected[name])


def test_the_scale_of_a_call_is_the_losses_own_by_default():
    for made, scale in ((losses.SiglipLoss, 10.0), (losses.ClipLoss, 1 / 0.07)):
        assert made()(**arrays()).loss == made()(**arrays(), logit_scale=scale).loss


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sparc", ["local_logit_scale=8", "learn_local_logit_scale=true"]),
        ("pacl", ["weight_scale=9", "learn_weight_scale=true"]),
        ("clip+filip", []),
        ("gloria", ["learn_attention_scales=true", "attention_scale=7"]),
        ("mgca", []),
        ("clip+words", ["word_logit_scale=9"]),
        ("clip+filip+words", []),
    ],
)
def test_the_runs_largest_scale_holds_for_every_scale_that_is_learned(name, settings, monkeypatch):
    """In every step, the first one too, whatever the optimiser makes of them."""
    loss = make_loss(name, settings)
    scales, used = sorted(loss._scales), []
    assert max(loss.value(scale) for scale in scales) > 4.5
    step, accumulate = AdamW.step, type(loss).accumulate

    def larger(self, lr):
        norms = step(self, lr)
        for scale in scales:
            self.parameters[f"loss.{scale}"].data += 1
        return norms

    def noted(self, *arguments):
        used.append([self.value(scale) for scale in scales])
        accumulate(self, *arguments)

    monkeypatch.setattr(AdamW, "step", larger)
    monkeypatch.setattr(type(loss), "accumulate", noted)
    trainer = small_training.trainer(loss=loss, steps=3, scale_max=4.5, val_data=None)
    assert trainer.run().log[0]["logit_scale"] == 4.5
    assert np.shape(used) == (3, len(scales))
    most = math.exp(np.float32(math.log(4.5)))  # a scale is stored as its logarithm
    assert np.max(used) <= most
    assert [loss.value(scale) for scale in scales] == [most] * len(scales)


# Nothing else is keyed by a name -----------------------------------------------------------------

KEYED = {
    "cost/paper.py": "the paper's own figures, by the names it gives the losses",
    "weights/hugging_face.py": "kinds of models of Hugging Face, two of them called like losses",
}
"""Files of the package, outside losses/ and reference/, that may hold names of losses, and why."""


def quoted_names(source: str) -> list[tuple[int, str]]:
    """Line and text of every string that is the name of a loss, doc comments left out."""
    tree = ast.parse(source)
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in documentation and node.value in NAMES
    ]


NAMES = frozenset(LOSSES)


def test_no_other_file_of_the_package_names_a_loss(root):
    package = root / "python" / "csparc"
    found = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(("losses/", "reference/")):
            lines = quoted_names(path.read_text(encoding="utf-8"))
            if lines:
                found[name] = lines
    assert set(found) == set(KEYED), {name: found[name] for name in set(found) - set(KEYED)}


def test_a_name_used_as_a_key_is_found():
    assert quoted_names('"""sparc"""\nx = {"filip": 1}\nif loss == "sparc": pass') == [
        (2, "filip"), (3, "sparc")
    ]  # fmt: skip
