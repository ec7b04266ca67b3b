"""What a loss is: all that training, evaluation, cost, pictures, help and docs ask of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from csparc._repr import fields_line
from csparc._scalars import choice, flag
from csparc.losses._owned import Owned
from csparc.losses.explains import RULES, Alignment, Pairs, borrowed
from csparc.losses.options import Option, checked, declared_options
from csparc.losses.result import LossOutput

if TYPE_CHECKING:
    from csparc.losses.costs import Sizes, Stage
    from csparc.losses.pair_scores import LateFeatures, LateScores

INPUTS = ("patches", "tokens", "image_global", "text_global")
"""The arrays a model gives a loss: [B, P, D], [B, L, D], [B, D], [B, D]."""
WORD_INPUTS = ("word_ids", "lacks")
"""What a batch tells a loss of its words: whole numbers [B, L], and bools [B, W], the words that
each picture lacks. Neither has a gradient."""
STANDARD_PARTS = ("global_loss", "local_loss", "prototype_loss")
"""Parts that every log has a column of, 0 where the loss has no such part."""


@dataclass(frozen=True)
class Part:
    """A term of a loss, which is logged and drawn by itself."""

    name: str
    """Its key in `LossOutput.parts`, and its column in the log of a run."""
    label: str
    """The heading of its curve: ``Local loss``."""
    about: str
    """What it contrasts: ``words against patches, within one pair``."""

    __repr__ = fields_line


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Owned, ABC):
    """An objective as an object: what training, evaluation, cost, pictures, help and docs ask.

    A subclass is a frozen dataclass whose fields are its options (`csparc.losses.option`). It
    states its facts as class attributes, computes in ``_compute``, and overrides the methods that
    do not fit it as they are: they answer for a loss that declares nothing more.
    `csparc.losses.register` enters it under its name. docs/adding-a-loss.md has a whole example.

    Two losses with options are equal when these are; what they learned is not compared.
    """

    name: ClassVar[str]
    """Its name: on the command line, in ``config()["loss"]``, in checkpoints."""
    label: ClassVar[str]
    """What people call it: ``CLIP + FILIP``."""
    inputs: ClassVar[tuple[str, ...]]
    """Of `INPUTS` and `WORD_INPUTS`, those it reads. Patches come with ``patch_mask``, tokens with
    ``text_mask``."""
    parts: ClassVar[tuple[Part, ...]]
    """The terms every output has, in the order they are drawn."""
    takes_groups: ClassVar[bool] = True
    """Whether ``_compute`` takes ``groups`` and ``same_group``: groups of duplicates in a batch."""
    takes_extra_texts: ClassVar[bool] = False
    """Whether ``_compute`` takes ``extra_text_global``, vectors of captions without a picture, and
    returns their gradient."""
    initial_logit_scale: ClassVar[float] = 1 / 0.07
    """What the model's ``logit_scale`` should start from, and the default of a call."""
    code_is: ClassVar[str] = "public code"
    """What the ``code`` of its options speaks of."""
    within_pairs: ClassVar[bool] = False
    """Whether patches and tokens meet only those of their own pair: plain code then keeps nothing
    over all pairs beside B x B scores."""
    local_loss_is_measured: ClassVar[bool] = False
    """Whether the local loss that `csparc.evaluate.evaluate_grounding` measures is its own."""

    @property
    def contrasts_pairs_alone(self) -> bool:
        """Whether all that a pair is told from is other pairs, so that one pair alone teaches it
        nothing. Options may decide; a loss that says nothing is taken to learn."""
        return False

    # Making one --------------------------------------------------------------------------------

    def __post_init__(self) -> None:
        for field in fields(self):
            value = checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)  # Python's own types, whatever was given
        self._begin()

    def _begin(self) -> None:
        """Compare options with each other and own what is learned; called once, at the end of the
        constructor."""

    @classmethod
    def options(cls) -> list[Option]:
        """Its options, in the order of the constructor."""
        return declared_options(cls)

    def config(self) -> dict[str, Any]:
        """What recreates this object: ``loss``, its name, and its options, as JSON holds them."""
        return {"loss": self.name, **{f.name: getattr(self, f.name) for f in fields(self)}}

    def __repr__(self) -> str:
        """The options that are not at their default."""
        return fields_line(self)

    # Value and gradients -----------------------------------------------------------------------

    def __call__(
        self,
        patches: ArrayLike | None = None,
        tokens: ArrayLike | None = None,
        *,
        image_global: ArrayLike | None = None,
        text_global: ArrayLike | None = None,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        logit_scale: float | None = None,
        word_ids: ArrayLike | None = None,
        lacks: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        same_group: str = "exclude",
        extra_text_global: ArrayLike | None = None,
        grad: bool = False,
        out_grads: Mapping[str, np.ndarray] | None = None,
        **more: Any,
    ) -> LossOutput:
        """Value, and with ``grad`` gradients, of B pairs.

        Every loss takes all of these, so that a trainer need not know which it holds; arrays that
        are not among its ``inputs``, and their masks, are not looked at.

        Parameters
        ----------
        patches, tokens : [B, P, D], [B, L, D]
            Embedded patches and tokens.
        image_global, text_global : [B, D]
            Vectors of whole pictures and captions.
        text_mask, patch_mask : [B, L], [B, P], optional
            True = valid: bools, 0/1, or lengths [B].
        logit_scale : float, optional
            The number that multiplies the similarities; None: ``initial_logit_scale``.
        word_ids, lacks : [B, L], [B, W], optional
            Which word every token is, and which words each picture lacks, as in
            `word_contrast_loss`.
        groups, same_group
            Ids [B] that mark duplicates, as in `clip_loss`.
        extra_text_global : [N, D], optional
            Vectors of captions without a picture, negatives of every picture, as in `clip_loss`:
            for losses that have ``takes_extra_texts``.
        grad : bool
            Also return ``grads``: of the arrays given, of ``logit_scale``, of all it owns.
        out_grads : dict of arrays, optional
            Arrays to write gradients to, by argument name; implies ``grad``.
        **more
            What the function of this loss takes beside them, such as ``return_weights`` of SPARC.

        Raises
        ------
        ValueError, TypeError
            As the function of this loss; ``groups`` or ``extra_text_global`` where it takes none;
            an output that is not as the class says.
        """
        given = zip(INPUTS, (patches, tokens, image_global, text_global))
        call = {name: array for name, array in given if name in self.inputs}
        for name, array in zip(WORD_INPUTS, (word_ids, lacks)):
            if name in self.inputs:
                call[name] = array
        if "patches" in self.inputs:
            call["patch_mask"] = patch_mask
        if "tokens" in self.inputs:
            call["text_mask"] = text_mask
        if groups is not None:
            if not self.takes_groups:
                raise ValueError(f"groups: expected None, {self.label} takes no groups")
            call["groups"], call["same_group"] = groups, same_group
        if extra_text_global is not None:
            self.expect_extra_texts("extra_text_global")
            call["extra_text_global"] = extra_text_global
        call["logit_scale"] = self.initial_logit_scale if logit_scale is None else logit_scale
        call["grad"] = flag(grad, "grad") or out_grads is not None
        if out_grads is not None:
            call["out_grads"] = out_grads
        out = self._compute(**call, **more)
        self._check_output(out, call)
        for name, buffer in (out_grads or {}).items():
            if out.grads[name] is not buffer:
                buffer[...] = out.grads[name]
                out.grads[name] = buffer
        return out

    def expect_extra_texts(self, argument: str) -> None:
        """Refuse captions without a picture, given as ``argument``, where it takes none.

        Raises
        ------
        ValueError
            Saying what to do.
        """
        if self.takes_extra_texts:
            return
        raise ValueError(
            f"{argument}: expected None, {self.label} contrasts no vectors of whole captions that "
            "captions without a picture could stand beside: leave them out, or take a loss that "
            "does, such as clip, siglip or sparc"
        )

    @abstractmethod
    def _compute(self, **call: Any) -> LossOutput:
        """The loss of one call.

        Gets, as `__call__` did, the arrays of ``inputs``, ``logit_scale`` and ``grad``;
        ``text_mask`` where it reads tokens, ``patch_mask`` where it reads patches; ``groups`` with
        ``same_group``, ``extra_text_global`` where ``takes_extra_texts``, and ``out_grads``, where
        a caller gives them. Buffers of ``out_grads`` that
        it does not fill are filled for it.
        """

    def _check_output(self, out: LossOutput, call: Mapping[str, Any]) -> None:
        """Refuse an output that lacks what the class says it has."""
        parts = [part.name for part in self.parts]
        if len(out.parts) != len(parts) or not all(name in out.parts for name in parts):
            raise ValueError(
                f"{type(self).__name__}: expected an output with the parts it declares "
                f"({', '.join(parts)}), found {', '.join(out.parts) or 'none'}"
            )
        if not call["grad"]:
            return
        owned = (name.partition(".")[0] for name in self.parameters)
        arrays = (*self.features, "extra_text_global")
        named = [name for name in arrays if call.get(name) is not None]
        for name in (*named, "logit_scale", *owned):
            if name not in out.grads:
                raise ValueError(
                    f"{type(self).__name__}: expected a gradient of {name} in its output, found "
                    f"those of {', '.join(out.grads) or 'nothing'}"
                )

    @property
    def features(self) -> tuple[str, ...]:
        """Its inputs that a model gives, which have gradients."""
        return tuple(name for name in self.inputs if name in INPUTS)

    @property
    def reads_words(self) -> bool:
        """Whether a batch must tell it which word every token is."""
        return not set(self.inputs).isdisjoint(WORD_INPUTS)

    # The model it is trained with --------------------------------------------------------------

    def suited_model(self) -> dict[str, str]:
        """Fields of the model's configuration that suit it.

        A loss that never reads ``image_global`` would leave the layer h_v as it was drawn, and with
        it the vectors that retrieval, search and ``csparc encode`` compare; its model has means
        instead.
        """
        return {} if "image_global" in self.inputs else {"global_pool": "mean"}

    def prepare(self, shared_width: int) -> None:
        """Own from now on what depends on the width D of the embeddings; most losses own nothing
        that does. Called before anything is trained or loaded."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The parts a log has columns of: those that every log has, then its others."""
        own = (part.name for part in self.parts)
        return (*STANDARD_PARTS, *(name for name in own if name not in STANDARD_PARTS))

    def apart(self) -> tuple[Loss, float, Loss] | None:
        """Its part over a batch, what that is multiplied by, and the rest, where the rest is a mean
        over samples by themselves: of a batch in several processes each then computes the rest of
        its own samples. None where no such parts are known."""
        return None

    # What it aligned, and how it ranks ---------------------------------------------------------

    def alignment(
        self,
        patches: ArrayLike,
        tokens: ArrayLike,
        *,
        text_global: ArrayLike | None = None,
        text_mask: ArrayLike | None = None,
        patch_mask: ArrayLike | None = None,
        rule: str = "own",
    ) -> Alignment:
        """The weights this loss forms between pictures and their own captions.

        Parameters
        ----------
        patches, tokens : [B, P, D], [B, L, D]
            Embedded patches and tokens, as the loss is called with, not normalised.
        text_global : [B, D], optional
            Vectors of whole captions; PACL needs them.
        text_mask, patch_mask : [B, L], [B, P], optional
            True = valid: bools, 0/1, or lengths [B].
        rule : {"own", "sparc"}
            Its own weights, or those that SPARC's rule with its defaults gives on these patches.

        Returns
        -------
        Alignment
            With weights float64 if an input is, else float32.

        Raises
        ------
        ValueError, TypeError
            As the loss itself.
        """
        by_sparc = choice(rule, "weights", RULES) == 1
        texts = None if by_sparc else text_global
        pairs = Pairs(patches, tokens, texts, text_mask, patch_mask)
        return self._align_by_sparc(pairs) if by_sparc else self._align(pairs)

    def _align(self, pairs: Pairs) -> Alignment:
        """Its own weights; of a loss that does not say, SPARC's."""
        why = "It does not say what it aligns."
        if not {"patches", "tokens"} & set(self.inputs):
            why = (
                f"{self.label} compares whole pictures with whole captions and trains no alignment."
            )
        return borrowed(pairs, self.label, why)

    def _align_by_sparc(self, pairs: Pairs) -> Alignment:
        """SPARC's weights on the patches of a model that was trained with this loss."""
        if not self.overrides("_align"):
            return self._align(pairs)
        return borrowed(pairs, self.label, f"These are not the weights {self.label} trains.")

    def local_scale(self, logit_scale: float) -> float:
        """What multiplies similarities of its local part: a scale of its own, or the model's."""
        return logit_scale

    def pair_scores(self, features: LateFeatures) -> LateScores | None:
        """Scores of pictures with captions where the loss compares patches with words; None where
        it trains global vectors, whose cosine ranks them."""
        return None

    # What it costs, and what one run does not show ---------------------------------------------

    def flop(self, sizes: Sizes) -> int | None:
        """FLOP of one call with gradients as it is computed here; None where nobody has said."""
        return None

    def forward_flop(self, sizes: Sizes, own: float) -> float | None:
        """Forward FLOP for ``own`` of the B pairs against all of them, in plain matrix products:
        the share of one device of several, as the SPARC paper counts. None where nobody has said.
        """
        return None

    def stages(self, sizes: Sizes, itemsize: int) -> list[Stage] | None:
        """The ops of one call with gradients, in the order they run, on numbers of ``itemsize``
        bytes, with what the loss itself holds beside them; None where nobody has said."""
        return None

    @classmethod
    def limits(cls) -> tuple[str, str]:
        """What one short run with this loss does not show."""
        return (
            f"Anything at the scale papers train at. No published figure of {cls.label} can be "
            "checked by this run, and this page claims none of them.",
            "That this loss is better or worse than another. That needs the same run with both, "
            "over several seeds.",
        )

    # The class itself --------------------------------------------------------------------------

    @classmethod
    def overrides(cls, method: str) -> bool:
        """Whether this class has a ``method`` of its own, beside the one of `Loss`."""
        return getattr(cls, method) is not getattr(Loss, method)
