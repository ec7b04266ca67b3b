"""Every contrastive loss treats the duplicates of a batch as the float64 reference does.

The reference is held against finite differences and plain formulas.
"""

from __future__ import annotations

import numpy as np
import pytest
from differences import check_gradients
from layouts import unaligned
from loss_asserts import (
    DTYPES,
    GLOBALS,
    assert_finite,
    assert_matches,
    assert_same_bits_for_any_threads,
    bits,
    flattened,
)
from loss_batches import draw, masks
from tolerances import FLOAT32, FLOAT64, IDENTITY, assert_close

import csparc
from csparc import reference

MODES = ["exclude", "positive"]
ROWS = ("patches", "tokens")
MASKS = ("text_mask", "patch_mask")
# Argument names, options, which masks it takes.
LOSSES = {
    "clip": (GLOBALS, {}, ()),
    "siglip": (GLOBALS, {}, ()),
    "sparc": ((*ROWS, *GLOBALS), {}, MASKS),
    "pacl": (("patches", "text_global"), {}, MASKS[1:]),
    "filip": (ROWS, dict(keep=0.6), MASKS),
    "clip+filip": ((*ROWS, *GLOBALS), dict(keep=0.6), MASKS),
    "gloria": ((*ROWS, *GLOBALS), {}, MASKS),
    "mgca": (
        (*ROWS, *GLOBALS),  # prototypes without weight: their targets are no function to difference
        dict(attention="free", prototypes=np.eye(3, 9), weights=(1, 0.5, 0)),
        MASKS,
    ),
}


def functions(name):
    """(the core's, the reference's)."""
    called = name.replace("+", "_") + "_loss"
    return getattr(csparc, called), getattr(reference, called)


def arguments(name, rng, dtype=np.float64, kind="full", **sizes):
    """Arrays, masks and options of a loss."""
    names, options, taken = LOSSES[name]
    batch = draw(rng, dtype, **sizes)
    sizes = {letter: size for letter, size in sizes.items() if letter != "D"}
    valid = dict(zip(MASKS, masks(rng, kind, **sizes)))
    chosen = {argument: batch[argument] for argument in names}
    if "prototypes" in options:
        options = {**options, "prototypes": options["prototypes"].astype(dtype)}
    return {**chosen, **{mask: valid[mask] for mask in taken}, **options}


def ids_of(rng, B, kinds=4):
    """Groups of several sizes, with some pairs in none."""
    return rng.integers(-2, kinds, B)


# The reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("same_group", MODES)
def test_reference_gradients(name, same_group, rng):
    given = arguments(name, rng, kind="empty", B=6, P=6, L=4, D=9)
    groups = np.array([7, 7, -1, -1, 0, 7])
    function = functions(name)[1]
    moved = {key: value for key, value in given.items() if key in (*GLOBALS, *ROWS)}
    fixed = {key: value for key, value in given.items() if key not in moved}
    fixed |= dict(groups=groups, same_group=same_group)
    result = function(**given, groups=groups, same_group=same_group)
    grads = {key: result.grads[key] for key in moved}
    check_gradients(lambda **x: function(**x, **fixed).loss, moved, grads)


def log_softmax(scores):
    top = scores.max(axis=1, keepdims=True)
    return scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))


def test_positive_is_the_mean_over_the_group(rng):
    given = arguments("clip", rng, B=6, D=4)
    groups = np.array([2, 2, -1, -1, 5, 2])
    image, text = (reference.unit_vector(given[name])[0] for name in GLOBALS)
    scores = 3.0 * image @ text.T
    members = [[0, 1, 5], [0, 1, 5], [2], [3], [4], [0, 1, 5]]
    expected = -sum(
        log_softmax(s)[i, members[i]].mean() for s in (scores, scores.T) for i in range(6)
    ) / 12  # fmt: skip
    options = dict(logit_scale=3.0, groups=groups, same_group="positive")
    assert_close(reference.clip_loss(**given, **options).loss, expected, IDENTITY)
    assert_close(csparc.clip_loss(**given, **options).loss, expected, FLOAT64)


def test_excluded_pairs_leave_both_softmaxes(rng):
    """Two pairs of one group among five: each is contrasted as if the other's were not there."""
    given = arguments("clip", rng, B=5, D=4)
    image, text = (reference.unit_vector(given[name])[0] for name in GLOBALS)
    scores = 3.0 * image @ text.T
    scores[1, 3] = scores[3, 1] = -np.inf
    expected = -sum(np.trace(log_softmax(s)) for s in (scores, scores.T)) / 10
    options = dict(logit_scale=3.0, groups=[0, 4, 1, 4, 2])
    assert_close(reference.clip_loss(**given, **options).loss, expected, IDENTITY)
    assert_close(csparc.clip_loss(**given, **options).loss, expected, FLOAT64)


# The core ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("same_group", MODES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", ["full", "empty"])
def test_against_reference(name, same_group, kind, dtype, rng):
    given = arguments(name, rng, dtype, kind, B=19, P=7, L=5, D=9)
    options = dict(groups=ids_of(rng, 19), same_group=same_group)
    core, plain = functions(name)
    out = core(**given, **options, grad=True)
    assert_matches(out, plain(**given, **options), dtype)
    assert core(**given, **options).loss == out.loss


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("same_group", MODES)
@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_groups_across_tiles(name, same_group, dtype, rng):
    given = arguments(name, rng, dtype, B=300, D=9)
    options = dict(groups=ids_of(rng, 300, 40), same_group=same_group)
    core, plain = functions(name)
    assert_matches(core(**given, **options, grad=True), plain(**given, **options), dtype)


@pytest.mark.parametrize("same_group", MODES)
def test_more_blocks_of_rows_than_are_at_work_together(same_group, rng):
    """Their columns' states are merged 16 blocks at a time; B = 4,200 has 17."""
    vectors = arguments("clip", rng, B=4200, D=4)["image_global"]
    groups = ids_of(rng, 4200, 1000)
    unit = reference.unit_vector(vectors)[0]
    scores = 3.0 * unit @ unit.T
    same = (groups[:, None] == groups) & (groups >= 0) | np.eye(4200, dtype=bool)
    own = scores.diagonal()
    if same_group == "exclude":
        np.putmask(scores, same & ~np.eye(4200, dtype=bool), -np.inf)
    else:
        own = np.where(same, scores, 0).sum(axis=1) / same.sum(axis=1)
    expected = (np.log(np.exp(scores).sum(axis=1)) - own).mean()
    options = dict(logit_scale=3.0, groups=groups, same_group=same_group)
    assert_close(csparc.clip_loss(vectors, vectors, **options).loss, expected, FLOAT64)


@pytest.mark.parametrize("same_group", MODES)
@pytest.mark.parametrize("name", LOSSES)
def test_ids_that_mark_nothing_change_no_bit(name, same_group, rng):
    given = arguments(name, rng, np.float32, "holes", B=70, P=7, L=5, D=9)
    core = functions(name)[0]
    expected = bits(core(**given, grad=True))
    for groups in (np.arange(70)[::-1], np.full(70, -1), np.r_[5, np.full(69, -3)]):
        found = core(**given, groups=groups, same_group=same_group, grad=True)
        assert bits(found) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_nothing_left_to_contrast_with(name, dtype, rng):
    """One group for all: excluded, nothing remains; positive, everything is at its best when all
    scores are equal."""
    given = arguments(name, rng, dtype, "empty", B=9, P=7, L=5, D=9)
    core, plain = functions(name)
    groups = np.full(9, 3)
    for same_group in MODES:
        options = dict(groups=groups, same_group=same_group)
        out = core(**given, **options, grad=True)
        assert_finite(out)
        assert_matches(out, plain(**given, **options), dtype)
    if name in ALL_PAIRS:
        out = core(**given, groups=groups, grad=True)
        assert out.loss == 0
        assert not any(np.any(gradient) for gradient in flattened(out.grads).values())


ALL_PAIRS = ("clip", "filip", "clip+filip", "pacl", "gloria")


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_group_of_equal_scores_is_at_its_minimum(dtype):
    ones = np.ones((6, 3), dtype)
    out = csparc.clip_loss(ones, ones, groups=[1] * 6, same_group="positive", grad=True)
    assert_close(out.loss, np.log(6), FLOAT32 if dtype == np.float32 else FLOAT64)
    for name in GLOBALS:
        assert np.abs(out.grads[name]).max() <= np.finfo(dtype).eps


@pytest.mark.parametrize("same_group", MODES)
@pytest.mark.parametrize("name", LOSSES)
def test_same_bits_for_any_threads(name, same_group, rng):
    given = arguments(name, rng, np.float32, "holes", B=70, P=7, L=5, D=9)
    options = dict(groups=ids_of(rng, 70, 9), same_group=same_group)
    core = functions(name)[0]
    assert_same_bits_for_any_threads(lambda: core(**given, **options, grad=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("same_group", MODES)
def test_confident_rows_keep_their_digits(dtype, same_group, rng):
    """Scale 100, pairs that match almost exactly, 20 of 60 of them in groups of two."""
    image = rng.normal(size=(60, 32))
    image[40:50] = image[30:40]
    text = (image + 0.05 * rng.normal(size=image.shape)).astype(dtype)
    image = image.astype(dtype)
    groups = np.r_[np.full(30, -1), np.arange(10), np.arange(10), np.full(10, -1)]
    options = dict(logit_scale=100.0, groups=groups, same_group=same_group)
    out = csparc.clip_loss(image, text, **options, grad=True)
    expected = reference.clip_loss(image, text, **options)
    lonely = groups < 0
    for name in GLOBALS:
        assert np.abs(out.grads[name][lonely]).max() > 0
        found, wanted = (x.grads[name][lonely] for x in (out, expected))
        assert_close(found, wanted, FLOAT32 if dtype == np.float32 else FLOAT64)
    if same_group == "exclude":
        assert 0 < out.loss < 1e-12
        assert_matches(out, expected, dtype)


def test_ids_of_every_type_mean_the_same(rng):
    given = arguments("clip", rng, B=4, D=3)
    expected = csparc.clip_loss(**given, groups=[3, 3, 9, 0]).loss
    for dtype in (np.int8, np.uint8, np.int32, np.uint64, ">i4"):
        assert csparc.clip_loss(**given, groups=np.array([3, 3, 9, 0], dtype)).loss == expected
    assert csparc.clip_loss(**given, groups=unaligned(np.array([3, 3, 9, 0]))).loss == expected
    huge = np.array([2**64 - 1, 2**64 - 1, 2**63, 0], np.uint64)
    assert csparc.clip_loss(**given, groups=huge).loss == expected


@pytest.mark.parametrize("name", LOSSES)
def test_refusals(name, rng):
    given = arguments(name, rng, B=4, P=3, L=2, D=9)
    core = functions(name)[0]
    with pytest.raises(ValueError, match=r"^groups: expected 4 whole numbers.* found an array of"):
        core(**given, groups=np.zeros(3, int))
    with pytest.raises(TypeError, match=r"^groups: expected 4 whole numbers.*float64"):
        core(**given, groups=np.zeros(4))
    with pytest.raises(ValueError, match=r"^same_group: expected 'exclude' or 'positive', found"):
        core(**given, groups=np.zeros(4, int), same_group="positives")
