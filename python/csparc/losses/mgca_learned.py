"""MGCA with what it learns: projections, prototypes, scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from csparc._arrays import check_axes, to_numpy
from csparc._scalars import choice, flag, number, positive, whole_number
from csparc.losses._attention import INNER
from csparc.losses.base import LearnedLoss
from csparc.losses.explains import Alignment, Pairs, if_trained, unit_rows
from csparc.losses.mgca import ATTENTIONS, CONVENTIONS, mgca_loss
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import sparse_similarity


class MgcaLoss(LearnedLoss):
    """:func:`mgca_loss` as an object a trainer can hold; it owns everything that is learned.

    Parameters
    ----------
    embed_dim
        Width D of the embeddings. None: that of the first call, when the parameters come to be.
    prototypes
        How many.
    width
        H of the attention's projections; ``heads`` divides it.
    heads, attention, convention
        As in the function.
    biases
        Give the projections biases, starting at 0.
    local_logit_scale, prototype_scale
        Where these scales start; both are learned.
    global_weight, token_weight, prototype_weight
        The three ``weights``.
    seed
        Of the initial projections (standard deviation 1/sqrt of their input width) and prototypes.
    """

    inputs = ("patches", "tokens", "image_global", "text_global")

    def __init__(
        self,
        embed_dim: int | None = None,
        prototypes: int = 500,
        width: int = 128,
        heads: int = 1,
        attention: str = "mha",
        biases: bool = False,
        local_logit_scale: float = 1 / 0.1,
        prototype_scale: float = 1 / 0.2,
        global_weight: float = 1.0,
        token_weight: float = 1.0,
        prototype_weight: float = 1.0,
        convention: str = "paper",
        seed: int = 0,
    ) -> None:
        super().__init__()
        choice(attention, "attention", ATTENTIONS)
        self._options: dict[str, Any] = {
            "embed_dim": embed_dim,
            "prototypes": whole_number(prototypes, "prototypes", low=1),
            "width": whole_number(width, "width", low=1),
            "heads": whole_number(heads, "heads", low=1),
            "attention": attention,
            "biases": flag(biases, "biases"),
            "local_logit_scale": positive(local_logit_scale, "local_logit_scale"),
            "prototype_scale": positive(prototype_scale, "prototype_scale"),
            "global_weight": number(global_weight, "global_weight"),
            "token_weight": number(token_weight, "token_weight"),
            "prototype_weight": number(prototype_weight, "prototype_weight"),
            "convention": convention,
            "seed": whole_number(seed, "seed", low=0),
        }
        if width % heads:
            raise ValueError(f"width: expected a multiple of heads = {heads}, found {width}")
        choice(convention, "convention", tuple(CONVENTIONS))
        for name in ("local_logit_scale", "prototype_scale"):
            self._own_scale(name, self._options[name])
        if embed_dim is not None:
            self._own_arrays(whole_number(embed_dim, "embed_dim", low=1))

    def _weights(self) -> list[float]:
        names = ("global_weight", "token_weight", "prototype_weight")
        return [self._options[name] for name in names]

    def prepare(self, shared_width: int) -> None:
        """Own prototypes and projections for vectors of this width, if not done yet.

        Raises
        ------
        ValueError
            They are owned already, for another width.
        """
        owned = self._options["embed_dim"]
        if owned is None:
            self._own_arrays(shared_width)
        elif owned != shared_width:
            raise ValueError(
                f"embed_dim: expected {shared_width}, the width of the embeddings, found {owned}: "
                "leave it out, or give that width"
            )

    def _own_arrays(self, D: int) -> None:
        options, H = self._options, self._options["width"]
        seed = options["seed"]
        options["embed_dim"] = D
        self._own("prototypes", (options["prototypes"], D), seed=seed, spread=1.0)
        for owner in ("word_attention", "patch_attention") if options["attention"] == "mha" else ():
            for part in INNER:
                self._own(f"{owner}.{part}", (H, D), seed=seed, spread=D**-0.5, decay=True)
                if options["biases"]:
                    self._own(f"{owner}.{part}_bias", (H,))
            self._own(f"{owner}.out", (D, H), seed=seed, spread=H**-0.5, decay=True)
            if options["biases"]:
                self._own(f"{owner}.out_bias", (D,))
        self.constrain()

    def constrain(self) -> None:
        """Bring scales back to at most 100, prototypes to length 1."""
        super().constrain()
        if "prototypes" in self.parameters:
            data = self.parameters["prototypes"].data
            length = np.linalg.norm(data, axis=1, keepdims=True)
            np.divide(data, length, out=data, where=length > 0)

    def _projections(self) -> dict[str, dict[str, np.ndarray]]:
        """Arrays of ``word_attention`` and ``patch_attention``, where they have parameters."""
        owned: dict[str, dict[str, np.ndarray]] = {}
        for name, parameter in self.parameters.items():
            owner, _, part = name.partition(".")
            if part:
                owned.setdefault(owner, {})[part] = parameter.data
        return owned

    def config(self) -> dict[str, Any]:
        """What recreates this object: its name and options, as JSON holds them."""
        return {"loss": "mgca", **self._options}

    def __call__(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        *,
        image_global: ArrayLike,
        text_global: ArrayLike,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float = 1 / 0.07,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
    ) -> LossOutput:
        """As :func:`mgca_loss`."""
        given = {"patches": to_numpy(patches, "patches")}
        self.prepare(check_axes(given, {"patches": "BPD"})["D"])
        owned = self._projections()
        return mgca_loss(
            patches, tokens, image_global=image_global, text_global=text_global,
            prototypes=self.parameters["prototypes"].data, text_mask=text_mask,
            patch_mask=patch_mask, **owned, attention=self._options["attention"],
            heads=self._options["heads"], logit_scale=logit_scale,
            local_logit_scale=self.value("local_logit_scale"),
            prototype_scale=self.value("prototype_scale"), weights=self._weights(),
            convention=self._options["convention"], groups=groups, same_group=same_group, grad=grad,
            out_grads=out_grads,
        )  # fmt: skip

    def _align(self, pairs: Pairs) -> Alignment:
        self.prepare(pairs.patches.shape[2])
        heads = self._options["heads"]
        title, notes = "MGCA: attention of each word", ()
        if self._options["attention"] == "free":
            weights = pairs.weights(
                normalizer="softmax", similarity="cosine",
                softmax_scale=self.value("local_logit_scale"),
            )  # fmt: skip
        else:
            weights = self._word_attention(pairs, heads)
            notes = (f"Mean over {heads} heads.",) if heads > 1 else ()
        return if_trained(Alignment(weights, "mgca", title, notes), self._options["token_weight"])

    def _word_attention(self, pairs: Pairs, heads: int) -> np.ndarray:
        """Attention [B, L, P] of the words over the patches, the mean over heads."""
        projections = self._projections()["word_attention"]

        def cut(rows: np.ndarray, part: str) -> list[np.ndarray]:
            bias = projections.get(f"{part}_bias", np.zeros(1, rows.dtype))
            return np.split(unit_rows(rows) @ projections[part].T + bias, heads, axis=2)

        asked = zip(cut(pairs.tokens, "query"), cut(pairs.patches, "key"))
        scale = (self._options["width"] / heads) ** -0.5
        each = [
            sparse_similarity(
                keys, queries, text_mask=pairs.text_valid, patch_mask=pairs.patch_valid,
                normalizer="softmax", softmax_scale=scale,
            )
            for queries, keys in asked
        ]  # fmt: skip
        return sum(each) / heads
