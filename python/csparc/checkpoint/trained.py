"""What a checkpoint holds for use, once it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csparc._repr import line

if TYPE_CHECKING:
    from csparc.checkpoint.metadata import Metadata
    from csparc.data.tokenizer import Tokenizer
    from csparc.losses import Loss
    from csparc.models import TwoTower


class Trained(tuple):
    """Model, tokenizer (or None) and metadata, in this order, as a tuple with names.

    Attributes
    ----------
    loss : Loss or None
        The loss the model was trained with, with its learned parameters; None where it is a
        caller's own.
    """

    loss: Loss | None

    def __new__(
        cls, model: TwoTower, tokenizer: Tokenizer | None, loss: Loss | None, metadata: Metadata
    ) -> Trained:
        """The three parts, and the loss beside them."""
        self = super().__new__(cls, (model, tokenizer, metadata))
        self.loss = loss
        return self

    def __repr__(self) -> str:
        return line(self, repr(self.model), loss=self.loss, step=self.metadata.counters.step)

    @property
    def model(self) -> TwoTower:
        """The model with its weights, in the dtype they were saved in."""
        return self[0]

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer it was trained with; None if the checkpoint holds none."""
        return self[1]

    @property
    def metadata(self) -> Metadata:
        """Configurations, counters, and what it was trained on."""
        return self[2]
