"""MGCA with what it learns: projections, prototypes, scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from csparc._arrays import check_axes, to_numpy
from csparc._scalars import scale_number, weight_number, whole_number
from csparc.losses._batch import GLOBAL_PART
from csparc.losses._owned import MOST_SCALE
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage, contrast_flop, forward_contrast_flop
from csparc.losses.explains import Alignment, Pairs, if_trained, unit_rows
from csparc.losses.mgca.attention import INNER
from csparc.losses.mgca.function import ATTENTIONS, CONVENTIONS, mgca_loss
from csparc.losses.options import count, option
from csparc.losses.registry import register
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import sparse_similarity


def _seed(value: object, name: str) -> int:
    return whole_number(value, name, low=0)


@register
@dataclass(frozen=True, repr=False)
class MgcaLoss(Loss):
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

    name = "mgca"
    label = "MGCA"
    inputs = ("patches", "tokens", "image_global", "text_global")
    parts = (
        GLOBAL_PART,
        Part(
            "local_loss", "Token loss", "words and patches and what they attend to, within one pair"
        ),
        Part("prototype_loss", "Prototype loss", "pictures and sentences by shared prototypes"),
    )
    within_pairs = True
    takes_extra_texts = True

    embed_dim: int | None = option(
        None, "Width D of the embeddings; none: that of the first batch.", check=count
    )
    prototypes: int = option(500, "How many prototypes.", paper="500")
    width: int = option(
        128, "Width H of the attention's projections.", paper="the SPARC paper: one head, 128"
    )
    heads: int = option(
        1, "Heads of the attention; they divide the width.", paper="the SPARC paper: 1"
    )
    attention: str = option(
        "mha",
        "Projections that are learned, or none: softmax of scaled cosines.",
        ATTENTIONS,
        paper="the SPARC paper: adds parameters",
        code="free",
    )
    biases: bool = option(False, "Give the projections biases, starting at 0.")
    local_logit_scale: float = option(
        1 / 0.1,
        "Where the scale of the token part starts; it is learned.",
        check=scale_number,
        code="fixed at 1/0.1",
    )
    prototype_scale: float = option(
        1 / 0.2,
        "Where the scale of the prototype part starts; it is learned.",
        check=scale_number,
        code="fixed at 1/0.2",
    )
    global_weight: float = option(
        1.0, "What the global part is multiplied by.", check=weight_number, paper="1"
    )
    token_weight: float = option(
        1.0, "What the token part is multiplied by.", check=weight_number, paper="1"
    )
    prototype_weight: float = option(
        1.0, "What the prototype part is multiplied by.", check=weight_number, paper="1"
    )
    convention: str = option(
        "paper",
        "Every part a mean over its two directions, or the first two their sums.",
        tuple(CONVENTIONS),
        paper="means",
        code="sums",
    )
    seed: int = option(0, "Decides the initial projections and prototypes.", check=_seed)

    def _begin(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"width: expected a multiple of heads = {self.heads}, found {self.width}"
            )
        for name in ("local_logit_scale", "prototype_scale"):
            self._own_scale(name, getattr(self, name))
        if self.embed_dim is not None:
            self._own_arrays(self.embed_dim)

    def prepare(self, shared_width: int) -> None:
        """Own prototypes and projections for vectors of this width, if not done yet.

        Raises
        ------
        ValueError
            They are owned already, for another width.
        """
        owned = self._owned_width()
        if owned is None:
            self._own_arrays(shared_width)
        elif owned != shared_width:
            raise ValueError(
                f"embed_dim: expected {shared_width}, the width of the embeddings, found {owned}: "
                "leave it out, or give that width"
            )

    def _owned_width(self) -> int | None:
        owned = self.parameters.get("prototypes")
        return None if owned is None else owned.shape[1]

    def _own_arrays(self, D: int) -> None:
        H, seed = self.width, self.seed
        self._own("prototypes", (self.prototypes, D), seed=seed, spread=1.0)
        for owner in ("word_attention", "patch_attention") if self.attention == "mha" else ():
            for part in INNER:
                self._own(f"{owner}.{part}", (H, D), seed=seed, spread=D**-0.5, decay=True)
                if self.biases:
                    self._own(f"{owner}.{part}_bias", (H,))
            self._own(f"{owner}.out", (D, H), seed=seed, spread=H**-0.5, decay=True)
            if self.biases:
                self._own(f"{owner}.out_bias", (D,))
        self._unit_prototypes()

    def constrain(self, scale_max: float = MOST_SCALE) -> None:
        """Bring scales back to at most ``scale_max``, prototypes to length 1."""
        super().constrain(scale_max)
        if "prototypes" in self.parameters:
            self._unit_prototypes()

    def _unit_prototypes(self) -> None:
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
        """As `Loss.config`, with the width of what it owns."""
        return {**super().config(), "embed_dim": self._owned_width()}

    @property
    def contrasts_pairs_alone(self) -> bool:
        """Without the token loss, which tells the words and patches of one pair apart, and the
        prototypes."""
        return self.token_weight == 0 == self.prototype_weight

    def _compute(self, **call: Any) -> LossOutput:
        given = {"patches": to_numpy(call["patches"], "patches")}
        self.prepare(check_axes(given, {"patches": "BPD"})["D"])
        return mgca_loss(
            **call, **self._projections(), prototypes=self.parameters["prototypes"].data,
            attention=self.attention, heads=self.heads, convention=self.convention,
            local_logit_scale=self.value("local_logit_scale"),
            prototype_scale=self.value("prototype_scale"),
            weights=[self.global_weight, self.token_weight, self.prototype_weight],
        )  # fmt: skip

    def local_scale(self, logit_scale: float) -> float:
        return self.value("local_logit_scale")

    def _align(self, pairs: Pairs) -> Alignment:
        self.prepare(pairs.patches.shape[2])
        title, notes = "MGCA: attention of each word", ()
        if self.attention == "free":
            weights = pairs.weights(
                normalizer="softmax", similarity="cosine",
                softmax_scale=self.value("local_logit_scale"),
            )  # fmt: skip
        else:
            weights = self._word_attention(pairs)
            notes = (f"Mean over {self.heads} heads.",) if self.heads > 1 else ()
        return if_trained(Alignment(weights, self.name, title, notes), self.token_weight)

    def _word_attention(self, pairs: Pairs) -> np.ndarray:
        """Attention [B, L, P] of the words over the patches, the mean over heads."""
        projections = self._projections()["word_attention"]

        def cut(rows: np.ndarray, part: str) -> list[np.ndarray]:
            bias = projections.get(f"{part}_bias", np.zeros(1, rows.dtype))
            return np.split(unit_rows(rows) @ projections[part].T + bias, self.heads, axis=2)

        asked = zip(cut(pairs.tokens, "query"), cut(pairs.patches, "key"))
        scale = (self.width / self.heads) ** -0.5
        each = [
            sparse_similarity(
                keys, queries, text_mask=pairs.text_valid, patch_mask=pairs.patch_valid,
                normalizer="softmax", softmax_scale=scale,
            )
            for queries, keys in asked
        ]  # fmt: skip
        return sum(each) / self.heads

    def _within(self, s: Sizes) -> int:
        """FLOP of both cross-attentions of one pair, without their contrasts."""
        return 8 * (s.L + s.P) * s.D * self.width + 8 * s.L * s.P * self.width

    def flop(self, sizes: Sizes) -> int:
        """Two cross-attentions within a pair (csparc/loss/mgca/cross_attention.h) and the
        prototypes (csparc/loss/mgca/prototypes.h)."""
        s = sizes
        tokens = self._within(s) + 2 * (s.L**2 + s.P**2) * s.D
        return contrast_flop(s) + 3 * s.B * tokens + 12 * s.B * self.prototypes * s.D

    def forward_flop(self, sizes: Sizes, own: float) -> float:
        s = sizes
        tokens = self._within(s) + 4 * (s.L**2 + s.P**2) * s.D
        return forward_contrast_flop(s, own) + own * (tokens + 4 * self.prototypes * s.D)

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage]:
        """Projections of both directions, stacked, with their gradients; then targets of both sides
        and the prototypes' share of the gradients of the global vectors. What is learned is
        float32: in float64 it is held converted, and so are its gradients until the end."""
        width = self.width if self.attention == "mha" else 0
        matrix, prototypes = width * sizes.D, self.prototypes * sizes.D
        held = 2 * (3 + 4) * matrix * itemsize
        returned = 2 * 4 * matrix * 4  # formed last, and counted as gradients
        if itemsize > 4:
            held += 2 * (matrix + prototypes) * itemsize
            returned += prototypes * 4
        assigned = 2 * sizes.B * (self.prototypes + sizes.D) * itemsize
        attention = {"H": width, "K": width, "heads": self.heads}
        last = held + max(0, assigned - returned)
        return [
            Stage("contrastive", arrays=held - returned),
            Stage("mgca_tokens", attention, held - returned),
            Stage("mgca_prototypes", {"K": self.prototypes}, last),
        ]
