"""What each loss says it aligned: against the weights its reference forms on the way."""

import numpy as np
import pytest
from loss_batches import MASKS, draw, masks, poison
from tolerances import FLOAT32, FLOAT64, assert_close

from csparc import losses, reference
from csparc.losses.explains import Alignment
from csparc.losses.foreign import UnknownLoss, as_loss
from csparc.losses.registry import LOSSES, loss_class
from csparc.reference.gloria import pair_forward
from csparc.reference.mgca import multi_head
from csparc.reference.pacl import patch_weights
from csparc.reference.unit import unit_vector


def each_pair(batch, text_mask, patch_mask, weigh):
    """Weights [B, L, P] from ``weigh(patches, tokens)`` of the valid rows of one pair."""
    weights = np.zeros((*text_mask.shape, patch_mask.shape[1]))
    for i in np.flatnonzero(text_mask.any(axis=1) & patch_mask.any(axis=1)):
        rows, columns = text_mask[i], patch_mask[i]
        pair = weigh(batch["patches"][i, columns], batch["tokens"][i, rows])
        weights[np.ix_([i], rows, columns)] = pair
    return weights


def sparc(options):
    def expected(loss, batch, text, patch):
        return reference.sparse_similarity(
            batch["patches"], batch["tokens"], text_mask=text, patch_mask=patch, **options
        )[0]

    return losses.SparcLoss(**options), expected


def filip_expected(loss, batch, text, patch):
    def best(V, T):
        return np.eye(len(V))[(unit_vector(T)[0] @ unit_vector(V)[0].T).argmax(axis=1)]

    return each_pair(batch, text, patch, best)


def gloria(attention):
    loss = losses.GloriaLoss(attention=attention, learn_attention_scales=True)
    loss.parameters["attention_scale"].data[...] = np.log(6.0)
    options = {"attention": attention, "pooling": "sum", "divide_by_pool_scale": True}

    def expected(loss, batch, text, patch):
        scale = loss.value("attention_scale")
        return each_pair(
            batch, text, patch, lambda V, T: pair_forward(V, T, scale, 5.0, options).attention
        )

    return loss, expected


def mgca(heads, biases):
    loss = losses.MgcaLoss(13, width=12, heads=heads, biases=biases)
    rng = np.random.default_rng(7)
    for name, parameter in loss.parameters.items():
        if name.startswith("word_attention"):
            parameter.data[...] = rng.normal(size=parameter.shape)

    def expected(loss, batch, text, patch):
        weights = {
            name.partition(".")[2]: parameter.data.astype(np.float64)
            for name, parameter in loss.parameters.items()
            if name.startswith("word_attention")
        }

        def attention(V, T):
            _, saved = multi_head(unit_vector(T)[0], unit_vector(V)[0], weights, heads)
            return saved[3].mean(axis=0)

        return each_pair(batch, text, patch, attention)

    return loss, expected


def mgca_free(loss, batch, text, patch):
    def attention(V, T):
        logits = loss.value("local_logit_scale") * unit_vector(T)[0] @ unit_vector(V)[0].T
        exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponent / exponent.sum(axis=1, keepdims=True)

    return each_pair(batch, text, patch, attention)


def pacl(kind):
    loss = losses.PaclLoss(weight_scale=3.0, weights=kind, learn_weight_scale=True)
    loss.parameters["weight_scale"].data[...] = np.log(9.0)

    def expected(loss, batch, text, patch):
        weights = np.zeros(patch.shape)
        for i in np.flatnonzero(patch.any(axis=1)):
            cosine = (
                unit_vector(batch["patches"][i, patch[i]])[0]
                @ unit_vector(batch["text_global"][i : i + 1])[0].T
            )
            weights[i, patch[i]] = patch_weights(cosine, loss.value("weight_scale"), kind)[:, 0]
        return weights

    return loss, expected


CASES = {
    "sparc": sparc({}),
    "sparc minmax": sparc({"normalizer": "minmax"}),
    "sparc softmax": sparc({"normalizer": "softmax", "softmax_scale": 2.0}),
    "sparc cosine": sparc({"similarity": "cosine", "sigma": 0.4}),
    "filip": (losses.FilipLoss(), filip_expected),
    "clip+filip": (losses.ClipFilipLoss(), filip_expected),
    "pacl": pacl("softmax"),
    "pacl sigmoid": pacl("sigmoid"),
    "gloria": gloria("regions"),
    "gloria words first": gloria("words_then_regions"),
    "mgca": mgca(1, False),
    "mgca heads": mgca(3, True),
    "mgca free": (losses.MgcaLoss(13, attention="free", local_logit_scale=5.0), mgca_free),
    "clip": (losses.ClipLoss(), sparc({})[1]),
    "siglip": (losses.SiglipLoss(), sparc({})[1]),
}


def aligned(loss, batch, text, patch) -> Alignment:
    return loss.alignment(
        batch["patches"],
        batch["tokens"],
        text_global=batch["text_global"],
        text_mask=text,
        patch_mask=patch,
    )


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_the_references(case, dtype, kind):
    loss, expected = CASES[case]
    rng = np.random.default_rng(11)
    batch, (text, patch) = draw(rng, dtype), masks(rng, kind)
    found = aligned(loss, poison(batch, text, patch), text, patch)
    exact = {name: array.astype(np.float64) for name, array in batch.items()}
    assert found.weights.dtype == dtype
    tolerance = FLOAT64 if dtype is np.float64 else FLOAT32
    assert_close(found.weights, expected(loss, exact, text, patch), tolerance)


@pytest.mark.parametrize("case", ["filip", "clip+filip"])
def test_a_best_match_is_the_best_by_cosine(case):
    rng = np.random.default_rng(3)
    batch, (text, patch) = draw(rng), masks(rng, "holes")
    found = aligned(CASES[case][0], batch, text, patch)
    rows = found.ranking[text]
    assert (rows.argmax(axis=1) == found.weights[text].argmax(axis=1)).all()
    assert (np.abs(rows) <= 1 + 1e-12).all()
    assert found.weights.sum(axis=2)[text] == pytest.approx(1)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_says_what_it_aligned(name):
    loss = loss_class(name)()
    batch = draw(np.random.default_rng(0))
    found = aligned(loss, batch, None, None)
    about = found.about()
    assert about["title"]
    assert about["of"] == ("captions" if name == "pacl" else "words")
    assert about["trained"] == (name not in ("clip", "siglip"))
    assert about["rule"] == (name if about["trained"] else "sparc")


def test_a_loss_without_its_local_part_says_so():
    batch = draw(np.random.default_rng(0))
    for loss in (
        losses.SparcLoss(local_weight=0),
        losses.ClipFilipLoss(local_weight=0),
        losses.GloriaLoss(local_weight=0),
        losses.MgcaLoss(token_weight=0),
        losses.SparcLoss(local_patches="shuffled"),
    ):
        found = aligned(loss, batch, None, None)
        assert not found.trained
        assert found.notes


def test_the_control_is_drawn_on_its_own_pictures():
    batch = draw(np.random.default_rng(0))
    found = aligned(losses.SparcLoss(local_patches="shuffled"), batch, None, None)
    assert (found.weights == aligned(losses.SparcLoss(), batch, None, None).weights).all()


class Own:
    """A caller's loss that says nothing of an alignment."""

    inputs = ("patches", "tokens")

    def config(self):
        return {"loss": "own"}

    def __call__(self, **call):
        raise AssertionError("not asked")


@pytest.mark.parametrize(
    "loss", [losses.FilipLoss(), losses.ClipLoss(), as_loss(Own()), UnknownLoss()]
)
def test_sparcs_rule_on_any_model(loss):
    batch = draw(np.random.default_rng(0))
    rows = batch["patches"], batch["tokens"]
    found = loss.alignment(*rows, rule="sparc")
    assert (found.weights == losses.SparcLoss().alignment(*rows).weights).all()
    assert not found.trained
    assert "SPARC" in found.title


def test_sparcs_rule_has_sparcs_defaults():
    batch = draw(np.random.default_rng(0))
    rows = batch["patches"], batch["tokens"]
    loss = losses.SparcLoss(normalizer="softmax")
    assert loss.alignment(*rows).title != loss.alignment(*rows, rule="sparc").title
    found = loss.alignment(*rows, rule="sparc")
    assert (found.weights == losses.SparcLoss().alignment(*rows).weights).all()


def test_wrong_input_is_named():
    batch = draw(np.random.default_rng(0))
    rows = batch["patches"], batch["tokens"]
    with pytest.raises(ValueError, match="text_global: expected the captions' vectors"):
        losses.PaclLoss().alignment(*rows)
    with pytest.raises(ValueError, match="weights: expected 'own' or 'sparc'"):
        losses.SparcLoss().alignment(*rows, rule="attention")
    with pytest.raises(ValueError, match="patches"):
        losses.FilipLoss().alignment(batch["patches"][..., :5], batch["tokens"])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("sizes", [{"P": 1}, {"L": 1}, {"L": 0}, {"B": 0}])
def test_the_smallest_pairs(name, sizes):
    batch = draw(np.random.default_rng(0), np.float32, **sizes)
    found = aligned(loss_class(name)(), batch, None, None)
    assert np.isfinite(found.weights).all()
