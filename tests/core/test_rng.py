"""Counter-based random numbers: published vectors, determinism, and the shapes of distributions."""

import math

import numpy as np
import pytest
from tolerances import FUNCTION, SIGMAS

from csparc import _core, _random

# Random123's known answers for philox4x32 with 10 rounds: counter, key, output (32-bit words).
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def _pairs(text):
    """32-bit words in hexadecimal -> 64-bit numbers, low word first."""
    words = [int(word, 16) for word in text.split()]
    return [low | high << 32 for low, high in zip(words[0::2], words[1::2])]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, answer):
    (block, stream), (seed,) = _pairs(counter), _pairs(key)
    out = np.empty(2, np.uint64)
    signed = [int(np.uint64(value).astype(np.int64)) for value in (seed, stream, block)]
    _core.rng_bits(*signed, out)
    assert out.tolist() == _pairs(answer)


def test_bits_are_a_function_of_their_arguments():
    first = _random.bits(7, (1, 2), 100)
    assert first.dtype == np.uint64
    np.testing.assert_array_equal(first, _random.bits(7, (1, 2), 100))
    np.testing.assert_array_equal(first[:33], _random.bits(7, (1, 2), 33))
    for other in (_random.bits(8, (1, 2), 100), _random.bits(7, (2, 1), 100),
                  _random.bits(7, 2, 100), _random.bits(7, (1, 2, 0), 100)):  # fmt: skip
        assert not np.any(first == other)


def test_any_block_is_reached_directly():
    whole, tail = np.empty(20, np.uint64), np.empty(7, np.uint64)
    _core.rng_bits(3, 4, 0, whole)
    _core.rng_bits(3, 4, 5, tail)
    np.testing.assert_array_equal(whole[10:17], tail)


def test_uniform_mean_variance_and_range():
    x = _random.uniform(0, 1, 200_000)
    assert 0.0 <= x.min() < 1e-4
    assert 1.0 - 1e-4 < x.max() < 1.0
    assert abs(x.mean() - 0.5) < SIGMAS / math.sqrt(12 * x.size)
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < SIGMAS / math.sqrt(x.size)
    y = _random.uniform(0, 1, 10, low=-2.0, high=3.0)
    np.testing.assert_array_equal(y, -2.0 + 5.0 * x[:10])


def test_normal_moments_and_tails():
    x = _random.normal(0, 2, 200_001)
    assert x.shape == (200_001,)
    for power, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - expected) < SIGMAS * math.sqrt(spread / x.size)
    assert 3.9 < np.abs(x).max() < 6.5
    assert abs(np.corrcoef(x[0:-1:2], x[1::2])[0, 1]) < SIGMAS / math.sqrt(x.size / 2)


def test_own_logarithm_cosine_and_sine():
    x = np.concatenate([_random.uniform(0, 3, 10_000), 2.0 ** -np.arange(54.0)])
    x = x[x > 0]
    exact = np.array([math.log(value) for value in x])
    assert np.max(np.abs(_random._log(x) - exact) / np.maximum(1, np.abs(exact))) < FUNCTION
    turns = np.concatenate([_random.uniform(0, 4, 10_000), np.arange(64) / 64])
    cosine, sine = _random._cos_sin_turns(turns)
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * turns), rtol=0, atol=FUNCTION)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * turns), rtol=0, atol=FUNCTION)


def test_integers_are_even_and_bounded():
    counts = np.bincount(_random.integers(5, 0, 80_000, 8), minlength=8)
    assert counts.size == 8
    assert np.abs(counts - 10_000).max() < SIGMAS * math.sqrt(10_000)
    assert _random.integers(5, 0, 10, 1).tolist() == [0] * 10
    assert 0 <= _random.choice(5, (1, 2), 3) < 3
    with pytest.raises(ValueError, match=r"high: expected 1 to 2\*\*32, found 0"):
        _random.integers(5, 0, 10, 0)


def test_permutation_is_one_and_changes_with_its_stream():
    order = _random.permutation(0, (3, 1), 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert np.mean(order == _random.permutation(0, (3, 2), 1000)) < 0.01
    assert _random.permutation(0, 0, 0).tolist() == []


def test_numbers_stay_the_same_across_releases():
    """Checkpoints and data sets depend on these streams; a change would silently alter them."""
    assert _random.bits(1, (2, 3), 2).tolist() == GOLDEN_BITS
    assert _random.normal(1, (2, 3), 2).tolist() == GOLDEN_NORMAL


GOLDEN_BITS = [17782252691836025793, 3251503067396262597]
GOLDEN_NORMAL = [1.1522035839649556, 2.3064408523722597]
