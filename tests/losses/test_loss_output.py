"""What a loss returns: its parts by name and as attributes, in one line and as a table."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from csparc import LossOutput, mgca_loss, sparc_loss


def test_parts_are_named_and_the_old_names_stay():
    out = LossOutput(3.0, parts={"ranking_loss": 1.0, "local_loss": 2.0})
    assert (out.global_loss, out.local_loss, out.prototype_loss) == (0.0, 2.0, 0.0)
    assert float(out) == 3.0
    assert (out.kept_fraction, out.weights, out.grads) == (1.0, None, {})
    by_name = LossOutput(loss=3.0, global_loss=1.0, prototype_loss=2.0, kept_fraction=0.5)
    assert by_name.parts == {"global_loss": 1.0, "prototype_loss": 2.0}
    assert by_name.kept_fraction == 0.5
    in_order = LossOutput(6.0, 1.0, 2.0, 3.0, 0.25, None, {"logit_scale": 4.0})
    assert list(in_order.parts.values()) == [1.0, 2.0, 3.0]
    assert in_order.grads == {"logit_scale": 4.0}
    with pytest.raises(dataclasses.FrozenInstanceError):
        out.loss = 1.0


def test_it_can_be_copied_changed_and_sent():
    out = LossOutput(3.0, parts={"local_loss": 2.0}, grads={"patches": np.ones((2, 3))})
    for other in (copy.deepcopy(out), pickle.loads(pickle.dumps(out)), dataclasses.replace(out)):
        assert (other.loss, other.parts) == (3.0, {"local_loss": 2.0})
        assert np.array_equal(other.grads["patches"], out.grads["patches"])
    assert dataclasses.replace(out, loss=4.0).local_loss == 2.0


def test_it_is_printed_in_one_short_line():
    rng = np.random.default_rng(0)
    patches, tokens = rng.normal(size=(2, 9, 4)).astype("f4"), rng.normal(size=(2, 5, 4))
    out = sparc_loss(patches, tokens.astype("f4"), grad=True, return_weights=True)
    text = repr(out)
    assert text.startswith(f"LossOutput(loss={out.loss:.6g}, global_loss={out.global_loss:.6g}, ")
    assert text.endswith(f"kept_fraction={out.kept_fraction:.6g}, ...)")
    assert "\n" not in text
    assert len(text) < 120
    plain = sparc_loss(patches, tokens.astype("f4"), grad=True)
    assert repr(plain).endswith("grads=3 entries)")
    assert repr(LossOutput(0.5)) == "LossOutput(loss=0.5)"


def test_a_notebook_shows_a_table():
    eye = np.eye(3)
    attention = {name: np.eye(3) for name in ("query", "key", "value", "out")}
    out = mgca_loss(
        eye[None], eye[None], image_global=eye[:1], text_global=eye[1:2], prototypes=eye,
        word_attention=attention, patch_attention=attention, grad=True,
    )  # fmt: skip
    html = out._repr_html_()
    assert html.startswith('<table><tbody><tr><th scope="row">loss</th><td>')
    assert ">prototype_loss</th>" in html
    assert ">gradient of patches</th><td>float64 [1, 3, 3]</td>" in html
    assert ">gradient of word_attention query</th><td>float64 [3, 3]</td>" in html
