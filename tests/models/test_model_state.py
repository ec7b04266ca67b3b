"""Weights into a model and out of it, positions for another size, configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_model import small_batch, small_model
from tolerances import FLOAT64, assert_close

from csparc.models import PRESETS, ModelConfig, create_model
from csparc.models.resize import resize_positions


class TestStateDict:
    def test_round_trip(self, rng: np.random.Generator) -> None:
        one, other, (image, text, _) = small_model(), small_model(seed=5), small_batch(rng)
        other.load_state_dict({n: v.copy() for n, v in one.state_dict().items()})
        np.testing.assert_array_equal(other.encode_image(image), one.encode_image(image))
        np.testing.assert_array_equal(other.encode_text(text), one.encode_text(text))

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda v: v.pop("adapter.bias"), "missing adapter.bias"),
            (lambda v: v.update(extra=np.zeros(1)), "unexpected extra"),
            (lambda v: v.update({"adapter.bias": np.zeros(6)}), r"adapter.bias is float64 \[6\]"),
            (lambda v: v.update({"adapter.bias": np.zeros(5, "f4")}), "is float32"),
        ],
    )
    def test_nothing_is_written_when_anything_is_wrong(self, spoil, message) -> None:
        model, values = small_model(), dict(small_model(seed=3).state_dict())
        before = {name: value.copy() for name, value in model.state_dict().items()}
        spoil(values)
        with pytest.raises((TypeError, ValueError), match=message):
            model.load_state_dict(values)
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(value, before[name])


class TestResize:
    def test_an_equal_grid_changes_nothing(self, rng: np.random.Generator) -> None:
        positions = rng.normal(size=(12, 5))
        np.testing.assert_array_equal(resize_positions(positions, (3, 4), (3, 4)), positions)

    def test_a_ramp_stays_a_ramp_inside(self) -> None:
        """Centres of the new grid, in units of the old one."""
        rows, columns = np.meshgrid(np.arange(4.0), np.arange(6.0), indexing="ij")
        table = np.stack([rows, columns], -1).reshape(24, 2)
        large = resize_positions(table, (4, 6), (8, 18)).reshape(8, 18, 2)
        expected = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
        assert_close(large[:, 5, 0], expected, FLOAT64)
        expected = np.clip((np.arange(18) + 0.5) / 3 - 0.5, 0, 5)
        assert_close(large[2, :, 1], expected, FLOAT64)

    def test_wrong_grid(self) -> None:
        with pytest.raises(ValueError, match=r"expected \[6, C\]"):
            resize_positions(np.zeros((5, 2)), (2, 3), (4, 4))

    def test_a_resized_model_runs(self, rng: np.random.Generator) -> None:
        model = small_model()
        larger = model.resized(32)
        assert larger.config.grid == (4, 4)
        assert larger.encode_image(rng.normal(size=(1, 3, 32, 32))).shape == (1, 5)
        name = "visual.conv1.weight"
        np.testing.assert_array_equal(larger.state_dict()[name], model.state_dict()[name])


class TestConfig:
    @pytest.mark.parametrize("name", list(PRESETS))
    def test_survives_json(self, name: str) -> None:
        config = PRESETS[name]
        assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"image_size": 60}, "image_size: expected a multiple of patch_size = 8, found 60"),
            ({"text": {"heads": 5}}, "text.heads: expected a divisor of text.width = 64, found 5"),
            ({"vocab_size": 0}, "vocab_size: expected a whole number"),
            ({"context_length": 2.5}, "context_length"),
            (
                {"activation": "none"},
                "activation: expected 'gelu', 'quick_gelu', 'gelu_tanh' or 'relu', found",
            ),
            ({"head_activation": "tanh"}, "head_activation"),
            (
                {"global_pool": "cls"},
                "expected 'text', 'listing', 'mean', 'attention', 'class' or 'map'",
            ),
        ],
    )
    def test_wrong_values_are_named(self, options: dict, message: str) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            create_model("nano", **options)

    def test_unknown_fields_and_names(self) -> None:
        with pytest.raises(ValueError, match="unknown depth"):
            ModelConfig.from_dict({**PRESETS["nano"].to_dict(), "depth": 3})
        values = PRESETS["nano"].to_dict()
        del values["image"]
        with pytest.raises(ValueError, match="image"):
            ModelConfig.from_dict(values)
        with pytest.raises(
            ValueError,
            match=r"expected one of nano-local, nano, tiny-local, tiny, .* found 'vit-h'",
        ):
            create_model("vit-h")
