"""Scores of pairs where patches meet words: against the losses that train them, pair by pair."""

import numpy as np
import pytest
from tolerances import FLOAT32, FLOAT64

from csparc import ClipLoss, FilipLoss, PaclLoss, reference
from csparc.evaluate import evaluate_retrieval
from csparc.evaluate.late_interaction import LateFeatures, evaluate_late_retrieval, late_scores
from csparc.losses import pair_scores

FILIP = FilipLoss()
PACL = PaclLoss(weight_scale=3.0)
OTHER = PaclLoss(3.0, learn_weight_scale=True, weights="sigmoid", pool="unit", renormalize=False)
OTHER.parameters["weight_scale"].data[...] = np.log(5.0)


def features(N=5, M=5, P=7, L=4, D=6, seed=0):
    """Random features of N pictures and M captions of one to L words, or of none for caption 2."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, L + 1, M)
    counts[2] = 0
    return LateFeatures(
        rng.standard_normal((N, P, D)),
        rng.standard_normal((int(counts.sum()), D)),
        counts,
        rng.standard_normal((M, D)),
    )


def matrices(scores):
    """All scores [N, M], for ranking captions and for ranking pictures."""
    to_texts = np.concatenate([rows for _, rows in scores.image_rows()])
    to_images = np.concatenate([rows for _, rows in scores.text_rows()]).T
    return to_texts, to_images


def padded(found):
    """Tokens [M, L, D] and their mask."""
    longest = int(found.counts.max())
    mask = np.arange(longest) < found.counts[:, None]
    tokens = np.zeros((*mask.shape, found.tokens.shape[1]))
    tokens[mask] = found.tokens
    return tokens, mask


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_filip_scores_are_means_of_best_matches():
    found = features(N=4, M=6)
    to_texts, to_images = matrices(late_scores(found, FILIP))
    tokens, mask = padded(found)
    for i in range(4):
        for j in range(6):
            similarity = unit(found.patches[i]) @ unit(tokens[j, mask[j]]).T if j != 2 else None
            by_patch = 0 if j == 2 else np.mean([max(row) for row in similarity])
            by_word = 0 if j == 2 else np.mean([max(column) for column in similarity.T])
            assert to_texts[i, j] == pytest.approx(by_patch, abs=FLOAT32)
            assert to_images[i, j] == pytest.approx(by_word, abs=FLOAT32)


def test_filip_scores_are_those_its_loss_contrasts():
    found = features()
    scores = late_scores(found, FILIP)
    X = np.stack([scores.to_texts(i, 0, 5) for i in range(5)])
    Y = np.stack([scores.to_images(i, 0, 5) for i in range(5)]).T
    tokens, mask = padded(found)
    live, everyone = mask.any(axis=1), np.ones(5, bool)
    rows = reference.live_cross_entropy(9 * X, live, live)[0]
    columns = reference.live_cross_entropy(9 * Y, live, everyone)[0]
    loss = reference.filip_loss(
        found.patches, tokens, text_mask=mask, logit_scale=9.0, drop="none"
    ).loss
    assert (rows + columns) / 10 == pytest.approx(loss, rel=FLOAT64)


@pytest.mark.parametrize(("objective", "weight_scale"), [(PACL, 3.0), (OTHER, 5.0)])
def test_pacl_scores_are_those_its_loss_contrasts(objective, weight_scale):
    found = features()
    scores = late_scores(found, objective)
    phi = np.stack([scores.to_texts(i, 0, 5) for i in range(5)])
    everyone = np.ones(5, bool)
    rows, columns = (
        reference.live_cross_entropy(9 * side, everyone, everyone)[0] for side in (phi, phi.T)
    )
    options = {key: objective.config()[key] for key in ("weights", "pool", "renormalize")}
    loss = reference.pacl_loss(
        found.patches, found.text_global, logit_scale=9.0, weight_scale=weight_scale, **options
    ).loss
    assert (rows + columns) / 10 == pytest.approx(loss, rel=FLOAT32)
    assert np.array_equal(*matrices(scores))


@pytest.mark.parametrize("objective", [FILIP, PACL])
def test_the_size_of_blocks_changes_nothing(objective, monkeypatch):
    found, index = features(N=6, M=17), np.arange(17) % 6
    whole = matrices(late_scores(found, objective))
    figures = evaluate_late_retrieval(found, index, objective)
    monkeypatch.setattr(pair_scores, "BLOCK_ENTRIES", 60)
    scores = late_scores(found, objective)
    assert scores.chunk < 17
    for one, other in zip(whole, matrices(scores)):
        assert one == pytest.approx(other, rel=FLOAT32)
    assert evaluate_late_retrieval(found, index, objective) == figures


def test_one_patch_and_one_word_rank_as_vectors_do():
    rng = np.random.default_rng(1)
    images, texts = rng.standard_normal((20, 6)), rng.standard_normal((60, 6))
    index = np.arange(60) // 3
    found = LateFeatures(images[:, None], texts, np.ones(60, int), texts)
    expected = evaluate_retrieval(images, texts, index)
    for objective in (FILIP, PACL):
        assert evaluate_late_retrieval(found, index, objective) == expected


def test_captions_that_all_score_alike_get_no_credit():
    found = LateFeatures(np.ones((9, 3, 4)), np.ones((18, 4)), np.ones(18, int), np.ones((18, 4)))
    figures = evaluate_late_retrieval(found, np.arange(18) // 2, FILIP)
    assert figures["text_to_image_mean_rank"] == figures["chance"]["text_to_image_mean_rank"]
    assert figures["text_to_image_tie_share"] == 100


def test_what_cannot_be_scored_is_named():
    found = features()
    with pytest.raises(ValueError, match=r"expected one of .*filip, pacl, .* found 'clip'"):
        late_scores(found, ClipLoss())
    found.patches[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="patches: expected finite"):
        late_scores(found, FILIP)
