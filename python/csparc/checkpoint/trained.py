"""What a checkpoint holds for use, once it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csparc._repr import line
from csparc.errors import CheckpointError

if TYPE_CHECKING:
    from csparc.checkpoint.metadata import Metadata
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
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

    @property
    def preprocess(self) -> Preprocess:
        """The transform for evaluation: uint8 picture to float32 [3, S, S]."""
        from csparc.data.transforms import Preprocess

        return Preprocess(**self.metadata.preprocess)

    @property
    def loss_specials(self) -> bool:
        """Whether begin and end marks entered the local loss."""
        return bool(self.metadata.train_config.get("loss_specials", False))

    def with_tokenizer(self, source: str) -> Trained:
        """Itself, where it has a tokenizer; ``source`` is what messages call it.

        Raises
        ------
        CheckpointError
            It has none.
        """
        if self.tokenizer is None:
            raise CheckpointError(
                f"{source}: expected a tokenizer inside, found none: Trainer saves the one it is "
                "given"
            )
        return self
