"""The word contrast in the C core against the float64 reference, and that against differences.

Masks, chosen words, what pictures lack, groups, sets of negatives, threads, types, extreme numbers.
"""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from differences import check_gradients
from loss_asserts import (
    DTYPES,
    assert_finite,
    assert_matches_reference,
    assert_same_bits_for_any_threads,
    bits,
)
from loss_batches import MASKS, draw, masks
from tolerances import (
    BFLOAT16,
    BFLOAT16_LOSS,
    BFLOAT16_SCALAR,
    FLOAT32,
    FLOAT64,
    assert_close,
    relative_error,
)

import csparc
from csparc import _core, reference
from csparc.losses._words import distinct_rows, negative_sets
from csparc.losses.word_contrast import POOLS, ROWS, contrast_words

GROUPS = np.array([0, 1, 0, 2, 1, -1])
SIZES = dict(B=6, P=9, L=7, D=5)


def spoken(rng, dtype=np.float64, plain=True, words=8, size=1.0, **sizes):
    """Patches, tokens and word_ids, some of them no word; `plain`: a vector for each word."""
    batch = draw(rng, dtype, size=size, **{**SIZES, **sizes})
    patches, tokens = batch["patches"], batch["tokens"]
    ids = rng.integers(-1, words, tokens.shape[:2])
    if plain:
        tokens = (size * rng.normal(size=(words + 1, tokens.shape[2]))).astype(dtype)[ids]
    return {"patches": patches, "tokens": tokens, "word_ids": ids}


def check(batch, text_mask, patch_mask, negatives=None, **options):
    """The core, with NaN where the masks say no, against the reference; also without gradients."""
    order, start = negative_sets(batch["word_ids"], len(batch["patches"]), negatives)
    sets = [order[a:b] for a, b in pairwise(start)]
    expected = reference.word_contrast_loss(
        **batch, text_mask=text_mask, patch_mask=patch_mask, sets=sets, **options
    )
    return assert_matches_reference(
        csparc.word_contrast_loss, expected, batch, text_mask, patch_mask,
        batch["patches"].dtype, negatives=negatives, **options,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("pool", POOLS)
def test_against_reference(dtype, kind, plain, pool, rng):
    text_mask, patch_mask = masks(rng, kind, B=6, P=9, L=7)
    batch = spoken(rng, dtype, plain)
    out = check(batch, text_mask, patch_mask, pool=pool, pool_scale=4.0, logit_scale=6.0)
    assert out.loss > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("same_group", ["exclude", "positive"])
@pytest.mark.parametrize("negatives", [None, 1, 2])
def test_groups_and_sets_of_negatives(dtype, plain, same_group, negatives, rng):
    text_mask, patch_mask = masks(rng, "empty", B=6, P=9, L=7)
    options = dict(groups=GROUPS, same_group=same_group, logit_scale=6.0)
    check(spoken(rng, dtype, plain), text_mask, patch_mask, negatives, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_chosen_words_and_words_of_other_captions(dtype, rng):
    """Tokens that are not chosen take no part and still say what a picture has."""
    batch = spoken(rng, dtype, plain=False)
    chosen, lacks = rng.random((6, 7)) < 0.6, rng.random((6, 11)) < 0.7
    everything = masks(rng, "full", B=6, P=9, L=7)
    out = check(batch, *everything, words=chosen, lacks=lacks)
    assert not out.grads["tokens"][~chosen].any()
    batch["patches"][...] = batch["patches"][0]
    has_all = csparc.word_contrast_loss(**batch, lacks=np.zeros((6, 11), bool), grad=True)
    assert has_all.loss == 0
    assert not any(np.any(gradient) for gradient in has_all.grads.values())


def test_many_pairs_outgrow_a_segment_and_what_is_kept(rng):
    """About 550 rows are three segments; of their products with 5,000 patches of 16 pictures,
    16 MiB are a twentieth."""
    sizes = dict(B=16, P=5000, L=35, D=3)
    batch = spoken(rng, np.float64, plain=False, words=60, **sizes)
    full = np.ones((16, 35), bool), np.ones((16, 5000), bool)
    check(batch, *full)


@pytest.mark.parametrize("kind", ["full", "holes"])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("plain", [True, False])
def test_several_segments(plain, pool, kind, rng):
    sizes = dict(B=9, P=6, L=60, D=4)
    text_mask, patch_mask = masks(rng, kind, B=9, P=6, L=60)
    batch = spoken(rng, np.float64, plain=plain, words=400, **sizes)
    options = dict(pool=pool, groups=np.arange(9) // 2, same_group="positive")
    check(batch, text_mask, patch_mask, **options)


def contrast(batch, **options):
    """`contrast_words` with all it does not have to be told."""
    nothing = dict(text_mask=None, lacks=None, negatives=None)
    given = dict(logit_scale=6.0, pool="lse", pool_scale=5.0, patch_mask=None, grad=True)
    return contrast_words(**batch, **nothing, **{**given, **options})


@pytest.mark.parametrize("dtypes", [(np.float64, np.float64), (np.float32, np.float64)])
@pytest.mark.parametrize("kind", ["full", "holes", "empty"])
@pytest.mark.parametrize("words", [8, 400])
@pytest.mark.parametrize("pool", POOLS)
def test_a_weighted_part_is_added_to_the_gradients_of_others(pool, words, kind, dtypes, rng):
    """In place where all of them are of the type that is computed in."""
    batch = spoken(rng, np.float64, plain=words < 50, words=words, L=50)
    for name, dtype in zip(("patches", "tokens"), dtypes):
        batch[name] = batch[name].astype(dtype)
    options = dict(pool=pool, patch_mask=masks(rng, kind, B=6, P=9, L=7)[1])
    alone = contrast(batch, **options)
    others = {n: rng.normal(size=x.shape).astype(x.dtype) for n, x in batch.items() if n in ROWS}
    before = {name: array.copy() for name, array in others.items()}
    out = contrast(batch, weight=0.25, beside=others, **options)
    assert out.loss == alone.loss
    for name, array in others.items():
        tolerance = FLOAT64 if array.dtype == np.float64 else FLOAT32
        assert_close(out.grads[name], before[name] + 0.25 * alone.grads[name], tolerance, name)
        assert (out.grads[name] is array) == (dtypes[0] == dtypes[1])


def test_scales_that_need_the_largest_cosine(rng):
    """Exponents of smaller ones are taken as they are."""
    batch = spoken(rng, np.float32, plain=False)
    for pool in ("lse", "softmax"):
        check(batch, *masks(rng, "holes", B=6, P=9, L=7), pool=pool, pool_scale=60.0)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("same_group", ["exclude", "positive"])
def test_reference_against_differences(pool, same_group, rng):
    batch = spoken(rng, plain=False)
    ids = batch.pop("word_ids")
    arguments = {**batch, "logit_scale": 4.0}
    patch_mask = masks(rng, "empty", B=6, P=9, L=7)[1]
    options = dict(pool=pool, pool_scale=3.0, groups=GROUPS, same_group=same_group)

    def loss(**moved):
        return reference.word_contrast_loss(**moved, word_ids=ids, patch_mask=patch_mask, **options)

    check_gradients(lambda **moved: loss(**moved).loss, arguments, loss(**arguments).grads)


def test_one_token_moved_of_several_equal_ones(rng):
    """The gradient of each of several equal tokens is its own, although they are computed once."""
    batch = spoken(rng)
    batch["word_ids"] = np.maximum(batch["word_ids"], 0)
    ids = batch.pop("word_ids")
    grads = csparc.word_contrast_loss(**batch, word_ids=ids, grad=True).grads
    del grads["logit_scale"]
    check_gradients(
        lambda **moved: csparc.word_contrast_loss(**moved, word_ids=ids).loss, batch, grads
    )


def test_order_of_samples_and_names_of_words_change_nothing(rng):
    batch = spoken(rng)
    out = csparc.word_contrast_loss(**batch, grad=True)
    order = rng.permutation(6)
    moved = {name: array[order] for name, array in batch.items()}
    names = np.array([50, 3, 17, 0, 999, 8, 21, 4, -5])
    moved["word_ids"] = names[moved["word_ids"]]
    again = csparc.word_contrast_loss(**moved, grad=True)
    assert_close(again.loss, out.loss, FLOAT64)
    for name in ("patches", "tokens"):
        assert_close(again.grads[name], out.grads[name][order], FLOAT64, name)


def test_small_case_by_hand():
    """Two pictures of one patch, a word each, at right angles: z is 1 on the own picture, 0 on the
    other, and both terms are ln(1 + exp(-S))."""
    unit = np.eye(2)[:, None, :]
    out = csparc.word_contrast_loss(unit, unit, [[0], [1]], logit_scale=2.0, pool_scale=3.0)
    assert_close(out.loss, np.log1p(np.exp(-2.0)), FLOAT64)
    assert csparc.word_contrast_loss(unit, unit, [[7], [7]]).loss == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("options", [{}, {"negatives": 6}, {"same_group": "positive"}])
def test_same_bits_for_any_threads(dtype, plain, options, rng):
    batch = spoken(rng, dtype, plain, words=40, B=50, P=30, L=9, D=24)
    groups = np.arange(50) // 2 if options.get("same_group") else None
    assert_same_bits_for_any_threads(
        lambda: csparc.word_contrast_loss(**batch, groups=groups, **options, grad=True)
    )


def test_equal_words_with_equal_vectors_share_a_row(rng):
    """Within a set alone; another word with the same vector, or the other zero, has its own."""
    tokens = np.zeros((3, 4, 2))
    tokens[2, 0] = -0.0
    tokens[0, 1] = 1
    word = np.array([[0, 0, 1, -1], [0, 1, 1, 0], [0, 0, 7, 7]])
    order, start = np.array([1, 0, 2]), np.array([0, 2, 2, 3])
    row, first, row_start = distinct_rows(tokens, word, order, start)
    assert row.tolist() == [[0, 2, 1, -1], [0, 1, 1, 0], [3, 4, 5, 5]]
    assert first.tolist() == [4, 5, 1, 8, 9, 10]
    assert row_start.tolist() == [0, 3, 3, 6]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": np.array([0, 0, 2])}, {"order": np.array([0, 1, 3])},
        {"start": np.array([0, 2])}, {"start": np.array([0, 3, 2, 3])},
        {"row": np.full((3, 4), 9)}, {"row": np.full((3, 4), -1)}, {"word": np.full((3, 4), 50)},
        {"first": np.full(12, 99)}, {"row_start": np.array([0, 5])},
    ],
)  # fmt: skip
def test_the_core_refuses_rows_that_do_not_fit(wrong, rng):
    patches, tokens = rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 4, 2))
    held = {
        "word": np.zeros((3, 4), int), "lacks": np.ones((3, 1), np.uint8),
        "row": np.arange(12).reshape(3, 4), "first": np.arange(12), "row_start": np.array([0, 12]),
        "order": np.arange(3), "start": np.array([0, 3]),
    }  # fmt: skip

    def call(word, lacks, row, first, row_start, order, start):
        sizes = 3, 12
        _core.words(
            patches, tokens, None, word, lacks, row, first, row_start, order, start, *sizes, None,
            0, 0, 5.0, 1.0, 1.0, 0, None, None, 0, np.zeros(2), None, None,
        )  # fmt: skip

    call(**held)
    with pytest.raises(ValueError, match="words"):
        call(**{**held, **wrong})


def test_negatives_follow_from_words_and_seed(rng):
    batch = spoken(rng, B=20)
    order, start = negative_sets(batch["word_ids"], 20, 3)
    assert sorted(order) == list(range(20))
    assert np.diff(start).tolist() == [4] * 5
    assert not np.array_equal(order, negative_sets(batch["word_ids"], 20, 3, seed=1)[0])
    assert not np.array_equal(order, negative_sets(batch["word_ids"][::-1], 20, 3)[0])
    drawn = [csparc.word_contrast_loss(**batch, negatives=3, seed=s).loss for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert np.diff(negative_sets(batch["word_ids"], 20, 2)[1]).tolist() == [3, 3, 4, 3, 3, 4]
    assert csparc.word_contrast_loss(**batch, negatives=30).loss == pytest.approx(
        csparc.word_contrast_loss(**batch).loss
    )


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("size", [1e-18, 1e-8, 30.0, 1e8, 1e18])
def test_any_magnitude_is_finite(size, pool, rng):
    batch = spoken(rng, np.float32, size=size)
    for scale in (1e-6, 100.0, 1e6):
        assert_finite(
            csparc.word_contrast_loss(
                **batch, pool=pool, logit_scale=scale, pool_scale=scale, grad=True
            )
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_vectors_are_dead(dtype, rng):
    batch = spoken(rng, dtype, plain=False)
    batch["patches"][1] = batch["tokens"][2, 3] = batch["patches"][0, 4] = 0
    out = check(batch, *masks(rng, "full", B=6, P=9, L=7))
    assert not out.grads["patches"][1].any()
    assert not out.grads["tokens"][2, 3].any()


def test_types_layouts_and_buffers(rng):
    batch = spoken(rng, np.float32)
    narrow = {name: batch[name].astype(ml_dtypes.bfloat16) for name in ("patches", "tokens")}
    wide = {name: array.astype(np.float32) for name, array in narrow.items()}
    ids = batch["word_ids"]
    expected = csparc.word_contrast_loss(**wide, word_ids=ids, grad=True)
    assert bits(csparc.word_contrast_loss(**narrow, word_ids=ids, grad=True)) == bits(expected)
    turned = {name: np.asfortranarray(array) for name, array in wide.items()}
    given = {name: np.empty(array.shape, np.float32) for name, array in wide.items()}
    out = csparc.word_contrast_loss(**turned, word_ids=ids.astype(np.uint8), out_grads=given)
    for name, buffer in given.items():
        assert out.grads[name] is buffer
    same = csparc.word_contrast_loss(**turned, word_ids=ids.astype(np.int16), out_grads=given)
    assert bits(same) == bits(expected)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("which", [("patches",), ("tokens",), ("patches", "tokens")])
def test_bfloat16_arrays_are_read_as_their_numbers(which, pool, kind, rng):
    """The same bits as of the widened arrays, whichever of them comes in bfloat16."""
    text_mask, patch_mask = masks(rng, kind, B=6, P=9, L=7)
    batch = spoken(rng, np.float32)
    for name in which:
        batch[name] = batch[name].astype(ml_dtypes.bfloat16)
    wide = {n: x.astype(np.float32) if n in which else x for n, x in batch.items()}
    options = dict(text_mask=text_mask, patch_mask=patch_mask, pool=pool, grad=True)
    out, expected = (csparc.word_contrast_loss(**x, **options) for x in (batch, wide))
    assert bits(out) == bits(expected)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("narrow", [False, True])
def test_products_of_rounded_operands(narrow, plain, pool, kind, rng):
    """Near the reference, and not the float32 products. Odd sizes, and more than one segment."""
    sizes = dict(B=6, P=31, L=45, D=33)
    text_mask, patch_mask = masks(rng, kind, B=6, P=31, L=45)
    batch = spoken(rng, np.float32, plain, words=300, **sizes)
    if narrow:
        batch |= {name: batch[name].astype(ml_dtypes.bfloat16) for name in ROWS}
    options = dict(text_mask=text_mask, patch_mask=patch_mask, pool=pool, logit_scale=6.0)
    wide = {n: np.asarray(x, float) if n in ROWS else x for n, x in batch.items()}
    expected = reference.word_contrast_loss(**wide, **options)
    out = csparc.word_contrast_loss(**batch, **options, precision="bf16", grad=True)
    assert_close(out.loss, expected.loss, BFLOAT16_LOSS)
    assert out.loss != csparc.word_contrast_loss(**batch, **options).loss
    assert_close(out.grads["logit_scale"], expected.grads["logit_scale"], BFLOAT16_SCALAR)
    for name in ROWS if pool != "max" else ():
        error = relative_error(out.grads[name], expected.grads[name])
        assert error < BFLOAT16, name


def test_rounded_operands_keep_bits_and_groups(rng):
    batch = spoken(rng, np.float32, words=40, B=50, P=30, L=9, D=24)
    options = dict(groups=np.arange(50) // 2, same_group="positive", precision="bf16", grad=True)
    assert_same_bits_for_any_threads(lambda: csparc.word_contrast_loss(**batch, **options))
    with pytest.raises(ValueError, match="precision: expected 'fp32' for inputs of 64 bits"):
        csparc.word_contrast_loss(**spoken(rng), precision="bf16")


def test_bfloat16_arrays_are_not_widened_whole(rng):
    """Beyond the inputs and the gradients, less than the patches in float32 would take."""
    batch = spoken(rng, np.float32, B=8, P=500, L=2, D=512)
    narrow = {n: batch[n].astype(ml_dtypes.bfloat16) for n in ROWS}
    wide = sum(4 * batch[name].size for name in ROWS)
    tracemalloc.start()
    csparc.word_contrast_loss(**narrow, word_ids=batch["word_ids"])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < wide / 4


def test_not_finite_input_is_not_hidden(rng):
    for name in ("patches", "tokens"):
        batch = spoken(rng, np.float32)
        batch["word_ids"] = np.maximum(batch["word_ids"], 0)
        batch[name][1, 3] = np.nan
        assert np.isnan(csparc.word_contrast_loss(**batch).loss)


@pytest.mark.filterwarnings("ignore:.*no entry of the batch is valid")
def test_nothing_to_contrast(rng):
    batch = spoken(rng)
    nothing = [
        {"patch_mask": np.zeros((6, 9), bool)}, {"text_mask": np.zeros((6, 7), bool)},
        {"words": np.zeros((6, 7), bool)},
    ]  # fmt: skip
    for masked in nothing:
        out = csparc.word_contrast_loss(**batch, **masked, grad=True)
        assert out.loss == 0
        assert not any(np.any(gradient) for gradient in out.grads.values())
    empty = np.zeros((0, 3, 4)), np.zeros((0, 2, 4)), np.zeros((0, 2), int)
    assert csparc.word_contrast_loss(*empty, grad=True).loss == 0


def test_errors_name_the_argument(rng):
    batch = spoken(rng)
    for options, message in [
        ({"pool": "mean"}, "pool: expected 'lse'"), ({"pool_scale": 0}, "pool_scale"),
        ({"negatives": 0}, "negatives"), ({"lacks": np.zeros((6, 3))}, r"lacks: expected a column"),
        ({"lacks": np.zeros((5, 30))}, "lacks"), ({"words": np.ones((2, 7))}, "words"),
        ({"word_ids": np.zeros((6, 6), int)}, r"word_ids: expected whole numbers \[6, 7\]"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            csparc.word_contrast_loss(**{**batch, **options})
    with pytest.raises(TypeError, match="word_ids"):
        csparc.word_contrast_loss(**{**batch, "word_ids": np.zeros((6, 7))})


def test_float32_is_near_float64(rng):
    batch = spoken(rng, np.float32, B=12, P=40, L=8, D=32)
    wide = {n: x.astype(float) if x.dtype == np.float32 else x for n, x in batch.items()}
    out = csparc.word_contrast_loss(**batch)
    assert_close(out.loss, csparc.word_contrast_loss(**wide).loss, FLOAT32)
