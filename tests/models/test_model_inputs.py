"""What goes into a model: checked, read in any layout, finite for an empty caption."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from layouts import unaligned
from small_model import FEATURES, small_batch, small_model
from tolerances import FLOAT64, assert_close


@pytest.mark.parametrize(
    ("image", "text", "mask", "error", "message"),
    [
        (np.zeros((4, 3, 8, 8)), None, None, ValueError, r"image: expected \[B, 3, 16, 16\]"),
        (np.zeros((4, 3, 16, 16), "u1"), None, None, TypeError, "image: .*found uint8"),
        (None, np.zeros((4, 9), int), None, ValueError, "text: .*L of 1 to 7"),
        (None, np.zeros((4, 7)), None, TypeError, "text: .*found float64"),
        (None, np.full((4, 7), 11), None, ValueError, "text: .*0 to 10"),
        (None, np.full((4, 7), -1), None, ValueError, "text: .*0 to 10"),
        (None, np.ones((3, 7), int), None, ValueError, "text: .*found 3 for 4 images"),
        (None, None, np.ones((4, 6), bool), ValueError, r"text_mask: expected \[4, 7\]"),
        (None, None, np.full((4, 7), 0.5), TypeError, "text_mask: expected bool"),
    ],
)
def test_input_is_checked(image, text, mask, error, message, rng) -> None:
    good = small_batch(rng)
    given = [good[i] if v is None else v for i, v in enumerate((image, text, mask))]
    with pytest.raises(error, match=message):
        small_model()(*given)


def test_any_layout_and_type_is_read(rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(np.float32), small_batch(rng)
    narrow = image.astype(np.float32)
    plain = model(narrow, text, mask)
    turned = np.asfortranarray(narrow).astype(">f4")
    others = [
        model(turned, text.astype(np.int64)[:, ::-1][:, ::-1], mask.astype(np.int32)),
        model(unaligned(narrow), unaligned(text.astype(np.int32)), unaligned(mask)),
    ]
    for other in others:
        for name in FEATURES:
            np.testing.assert_array_equal(getattr(other, name).data, getattr(plain, name).data)


def test_an_empty_caption_is_finite(rng: np.random.Generator) -> None:
    model, (image, text, _) = small_model(), small_batch(rng)
    text[1] = 0
    out = model(image, text)
    for name in FEATURES:
        assert np.isfinite(getattr(out, name).data).all()
    assert_close(out.text_global.data[1], model.parameters["adapter.bias"].data, FLOAT64)


def test_an_empty_batch_gives_empty_features() -> None:
    model = small_model()
    image, text = np.empty((0, 3, 16, 16)), np.empty((0, 7), np.int32)
    pooled, patches = model.encode_image(image, normalize=True, return_patches=True)
    assert pooled.shape == (0, 5)
    assert patches.shape == (0, 4, 5)
    pooled, tokens = model.encode_text(text, normalize=True, return_tokens=True)
    assert pooled.shape == (0, 5)
    assert tokens.shape == (0, 7, 5)


def test_models_run_on_several_threads_at_once(rng: np.random.Generator) -> None:
    model, (image, text, mask) = small_model(np.float32), small_batch(rng)
    expected = [model.encode_image(image), model.encode_text(text, text_mask=mask)]
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(
                lambda _: (model.encode_image(image), model.encode_text(text, text_mask=mask)),
                range(40),
            )
        )
    for pair in results:
        for found, exact in zip(pair, expected, strict=True):
            np.testing.assert_array_equal(found, exact)
