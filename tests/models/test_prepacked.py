"""Models that keep copies of their weights while they encode."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import csparc
from csparc import _core, nn
from csparc.models.frozen import OnRows, image_rows


def pictures(model: csparc.TwoTower, rng: np.random.Generator) -> np.ndarray:
    side = model.config.image_size
    return rng.standard_normal((2, 3, side, side), dtype=np.float32)


def packed(model: csparc.TwoTower) -> set[str]:
    return {
        name
        for name, parameter in model.parameters.items()
        if parameter.panels is not None
        and parameter.panels.copy is not None
        and parameter.panels.copy.size
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_encoding_gives_the_same_bits(precision: str, rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny", precision=precision)
    images, ids = pictures(model, rng), np.array([[1, 9, 4, 2, 0], [1, 7, 2, 0, 0]], np.int32)

    def made() -> list[np.ndarray]:
        return [*model.encode_image(images, return_patches=True),
                *model.encode_text(ids, return_tokens=True)]  # fmt: skip

    wanted = made()
    with model.prepacked():
        for _ in range(2):
            for found, one in zip(made(), wanted, strict=True):
                assert found.tobytes() == one.tobytes()
        assert "visual.transformer.resblocks.0.attn.in_proj_weight" in packed(model)


def test_a_tower_that_is_not_used_is_not_copied(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    with model.prepacked():
        assert packed(model) == set()
        model.encode_image(pictures(model, rng))
        assert packed(model)
        assert all(name.startswith("visual.") for name in packed(model))


def test_parameters_cannot_change_within_and_can_after(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    values = {name: array + 1 for name, array in model.state_dict().items()}
    with model.prepacked():
        with pytest.raises(ValueError, match="read-only"):
            model.logit_scale.data[...] = 0
        for change in (
            lambda: model.load_state_dict(values),
            lambda: setattr(model, "precision", "bf16"),
        ):
            with pytest.raises(ValueError, match="leave `with model"):
                change()
        assert model.precision == "fp32"
        assert not any(parameter.rounded for parameter in model.parameters.values())
        with pytest.raises(ValueError, match="read-only"):
            csparc.optim.AdamW(model.parameters).step(1e-3)
    assert packed(model) == set()
    model.load_state_dict(values)
    for name, array in model.state_dict().items():
        assert array.tobytes() == values[name].tobytes()


def test_changed_weights_are_copied_anew(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    images = pictures(model, rng)
    with model.prepacked():
        before = model.encode_image(images)
    for parameter in model.parameters.values():
        parameter.data *= np.float32(1.5)
    with model.prepacked():
        within = model.encode_image(images)
    assert within.tobytes() == model.encode_image(images).tobytes() != before.tobytes()


def test_entered_within_itself_the_outer_lasts(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    with model.prepacked():
        with model.prepacked():
            model.encode_image(pictures(model, rng))
        assert packed(model)
        with pytest.raises(ValueError, match="read-only"):
            model.logit_scale.data[...] = 0
    model.logit_scale.data[...] = 0


def test_of_contexts_that_cross_the_last_to_end_counts(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    with ExitStack() as later:
        with model.prepacked():
            later.enter_context(model.prepacked())
        model.encode_image(pictures(model, rng))
        assert packed(model)
        with pytest.raises(ValueError, match="read-only"):
            model.logit_scale.data[...] = 0
    assert packed(model) == set()
    model.logit_scale.data[...] = 0


def test_a_copy_that_is_finished_after_the_end_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """A thread that encodes while another leaves the context."""
    model, images = csparc.create_model("tiny"), pictures(csparc.create_model("tiny"), rng)
    begun, ended = threading.Event(), threading.Event()
    prepack = _core.linear_prepack

    def slowly(*arguments: Any) -> None:
        prepack(*arguments)
        begun.set()
        assert ended.wait(60)

    thread = threading.Thread(target=model.encode_image, args=(images,))
    with model.prepacked():
        monkeypatch.setattr(_core, "linear_prepack", slowly)
        thread.start()
        assert begun.wait(60)
    ended.set()
    thread.join()
    for parameter in model.parameters.values():
        parameter.data *= np.float32(1.5)
    with model.prepacked():
        within = model.encode_image(images)
    assert within.tobytes() == model.encode_image(images).tobytes()


@pytest.mark.parametrize("again", [
    copy.deepcopy,
    lambda model: pickle.loads(pickle.dumps(model, 4)),
    lambda model: pickle.loads(pickle.dumps(model, 5)),
], ids=["deepcopy", "pickle 4", "pickle 5"])  # fmt: skip
def test_a_copy_of_the_model_is_not_prepacked(
    again: Callable[[csparc.TwoTower], csparc.TwoTower], rng: np.random.Generator
) -> None:
    model, images = csparc.create_model("tiny"), pictures(csparc.create_model("tiny"), rng)
    with model.prepacked():
        model.encode_image(images)
        other = again(model)
        for parameter in other.parameters.values():
            parameter.data *= np.float32(1.5)
        found = other.encode_image(images)
    for parameter in model.parameters.values():
        parameter.data *= np.float32(1.5)
    assert found.tobytes() == model.encode_image(images).tobytes()


def left_by_an_error(model: csparc.TwoTower, images: np.ndarray) -> None:
    with model.prepacked():
        model.encode_image(images)
        raise KeyError


def test_left_by_an_error_it_ends(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    with pytest.raises(KeyError):
        left_by_an_error(model, pictures(model, rng))
    assert packed(model) == set()
    model.logit_scale.data[...] = 0


def test_a_parameter_that_was_read_only_stays_so() -> None:
    weight = nn.Parameter((3, 2), np.dtype(np.float32))
    weight.data.flags.writeable = False
    with nn.prepacked([weight]):
        pass
    assert not weight.data.flags.writeable


def test_a_gradient_can_be_taken_within(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    images = pictures(model, rng)

    def gradient() -> bytes:
        model.zero_grad()
        with nn.Tape() as tape:
            _, whole = model.image_features(images, tape)
            tape.backward({whole: np.ones_like(whole.data)})
        return model.parameters["visual.adapter.weight"].grad.tobytes()

    wanted = gradient()
    with model.prepacked():
        assert gradient() == wanted


def test_of_rows_that_were_kept(rng: np.random.Generator) -> None:
    model = csparc.create_model("tiny")
    rows = image_rows(model, pictures(model, rng))
    wanted = OnRows(model).encode_image(rows)
    with OnRows(model).prepacked():
        assert OnRows(model).encode_image(rows).tobytes() == wanted.tobytes()
