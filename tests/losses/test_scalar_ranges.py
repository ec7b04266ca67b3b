"""Every scalar of every loss: finite at both ends of its range, refused beyond, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from loss_asserts import assert_finite
from loss_batches import draw

import csparc

DTYPES = [np.float32, np.float64]
B, P, L, D, K, H = 3, 4, 3, 13, 5, 8

SCALE, SIGNED, WEIGHT = (1e-6, 1e6), (-1e6, 1e6), (-1e3, 1e3)
RANGES = {
    "logit_scale": SCALE, "local_logit_scale": SCALE, "prototype_scale": SCALE,
    "weight_scale": SCALE, "attention_scale": SCALE, "pool_scale": SCALE,
    "softmax_scale": SIGNED, "logit_bias": SIGNED,
    "global_weight": WEIGHT, "local_weight": WEIGHT,
    "sigma": (0.0, 1.0), "keep": (1e-6, 1.0),
}  # fmt: skip
LOSSES = {
    "sparc": (csparc.sparc_loss, ("patches", "tokens", "image_global", "text_global")),
    "clip": (csparc.clip_loss, ("image_global", "text_global")),
    "siglip": (csparc.siglip_loss, ("image_global", "text_global")),
    "filip": (csparc.filip_loss, ("patches", "tokens")),
    "clip+filip": (csparc.clip_filip_loss, ("patches", "tokens", "image_global", "text_global")),
    "pacl": (csparc.pacl_loss, ("patches", "text_global")),
    "gloria": (csparc.gloria_loss, ("patches", "tokens", "image_global", "text_global")),
    "mgca": (csparc.mgca_loss, ("patches", "tokens", "image_global", "text_global")),
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "sparc": [
        {}, {"normalizer": "minmax"}, {"normalizer": "softmax"}, {"similarity": "cosine"},
        {"similarity": "cosine", "normalizer": "softmax"}, {"reduction": "token"},
        {"detach_weights": True},
    ],
    "filip": [{}, {"drop": "both"}, {"drop": "none"}],
    "pacl": [
        {}, {"weights": "sigmoid"}, {"pool": "unit"}, {"renormalize": False},
        {"renormalize": False, "weights": "sigmoid"}, {"renormalize": False, "pool": "unit"},
    ],
    "gloria": [
        {}, {"attention": "words_then_regions"}, {"pooling": "mean"},
        {"divide_by_pool_scale": False},
    ],
    "mgca": [{}, {"attention": "free"}, {"convention": "code"}],
}  # fmt: skip
GROUPED: list[dict[str, Any]] = [
    {"groups": np.zeros(B, int), "same_group": "exclude"},
    {"groups": np.array([0, 0, 1]), "same_group": "positive"},
]


def scalars(name: str) -> list[str]:
    """The real numbers a loss takes, from its signature: a new one is tested, or the test fails."""
    parameters = inspect.signature(LOSSES[name][0]).parameters.values()
    numbers = [
        p.name for p in parameters
        if p.kind is p.KEYWORD_ONLY and ("float" in str(p.annotation)) and "Array" not in
        str(p.annotation)
    ]  # fmt: skip
    return [number for number in numbers if number != "weights"]


def batch_of(rng: np.random.Generator, name: str, dtype: type) -> dict[str, Any]:
    """Arrays of lengths from 1e-12 to 1e12, side by side."""
    arrays = draw(rng, B=B, P=P, L=L, D=D)
    for array in arrays.values():
        array /= np.linalg.norm(array, axis=-1, keepdims=True)
        array *= 10.0 ** rng.integers(-12, 13, (*array.shape[:-1], 1))
    given: dict[str, Any] = {key: arrays[key].astype(dtype) for key in LOSSES[name][1]}
    if name == "mgca":
        prototypes = rng.normal(size=(K, D))
        prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
        given["prototypes"] = prototypes.astype(dtype)
    return given


def with_projections(
    rng: np.random.Generator, name: str, option: dict[str, Any], dtype: type
) -> dict[str, Any]:
    if name != "mgca" or option.get("attention") == "free":
        return option
    sizes = {"query": (H, D), "key": (H, D), "value": (H, D), "out": (D, H)}
    made = {key: rng.normal(size=size).astype(dtype) for key, size in sizes.items()}
    return {**option, "word_attention": made, "patch_attention": made}


def settings(name: str) -> Iterator[dict[str, Any]]:
    """Every scalar alone at either end; all at the low, all at the high end."""
    numbers = scalars(name)
    for number in numbers:
        for end in RANGES[number]:
            yield {number: end}
    for end in (0, 1):
        yield {number: RANGES[number][end] for number in numbers}
    if name == "mgca":
        for weights in ((1e3, -1e3, 1e3), (1e3, 1e3, 1e3)):
            yield {"weights": weights, **{number: RANGES[number][1] for number in numbers}}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_finite_at_both_ends(name, dtype, rng):
    for option in [*VARIANTS.get(name, [{}]), *GROUPED]:
        for setting in settings(name):
            for _ in range(3):
                chosen = with_projections(rng, name, option, dtype)
                batch = batch_of(rng, name, dtype)
                out = LOSSES[name][0](**batch, **(setting | chosen), grad=True)
                try:
                    assert_finite(out)
                except AssertionError as error:
                    raise AssertionError(f"{option}, {setting}: {error}") from None


@pytest.mark.parametrize("name", LOSSES)
def test_what_lies_beyond_is_refused_by_name(name, rng):
    function = LOSSES[name][0]
    batch = batch_of(rng, name, np.float32) | with_projections(rng, name, {}, np.float32)
    for number in scalars(name):
        low, high = RANGES[number]
        beyond = [low - 1, high * 1.5, -1e39, 1e39, np.inf, np.nan]
        for value in beyond + [low / 2] * (RANGES[number] is SCALE):
            with pytest.raises(ValueError, match=f"^{number}: expected a finite number from"):
                function(**batch, **{number: value})


def test_weights_of_mgca_beyond_are_refused(rng):
    batch = batch_of(rng, "mgca", np.float32) | with_projections(rng, "mgca", {}, np.float32)
    with pytest.raises(ValueError, match=r"^weights\[2\]: expected a finite number from -1000 to"):
        csparc.mgca_loss(**batch, weights=(1, 1, 1e4))
