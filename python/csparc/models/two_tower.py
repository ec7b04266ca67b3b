"""The model: two towers, their adapters, and the temperature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager

import numpy as np

from csparc._repr import line
from csparc._scalars import whole_number
from csparc.models import groups, state
from csparc.models.config import ModelConfig
from csparc.models.inputs import check_ids, check_images, check_valid
from csparc.models.output import ModelOutput, encoded
from csparc.models.precision import set_precision
from csparc.models.resize import resize_positions
from csparc.models.table import parts_table
from csparc.models.text import TextTower, end_positions
from csparc.models.vision import VisionTower
from csparc.nn import Parameter, Tape, Tensor, prepacked


class TwoTower:
    """Image and text encoder with a shared embedding space.

    Parameters
    ----------
    config : ModelConfig
    seed : int or None
        Initial weights are a function of it. None leaves them zero, for weights to be loaded.
    dtype : float32 or float64

    Attributes
    ----------
    parameters : dict of str to Parameter
        By open_clip's names, but for the projections, here ``visual.adapter`` and ``adapter``.
    logit_scale : Parameter
        Logarithm of the factor on cosines, shape [1], initially ln(1 / 0.07). Losses take the
        factor itself, ``exp(logit_scale)``.
    logit_bias : Parameter or None
        With ``config.logit_bias``, added to all logits, shape [1], initially -10. `get_logits`
        reads it; losses do not: `csparc.SiglipLoss` owns its own, which starts where its option
        ``logit_bias`` says.
    precision : "fp32" or "bf16"
        Of the products of linear layers; "fp32" until it is set.
    """

    def __init__(
        self, config: ModelConfig, seed: int | None = 0, dtype: np.dtype | type = np.float32
    ):
        self.config = config
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(f"dtype: expected float32 or float64, found {self.dtype}")
        self.visual = VisionTower(config, self.dtype)
        self.text = TextTower(config, self.dtype)
        self.logit_scale = Parameter((1,), self.dtype, fill=math.log(1 / 0.07))
        self.logit_bias = Parameter((1,), self.dtype, fill=-10.0) if config.logit_bias else None
        self.parameters: dict[str, Parameter] = {
            **dict(self.visual.named_parameters("visual.")),
            **dict(self.text.named_parameters()),
            "logit_scale": self.logit_scale,
        }
        if self.logit_bias is not None:
            self.parameters["logit_bias"] = self.logit_bias
        for name, parameter in self.parameters.items():
            parameter.name = name
            if seed is not None:
                parameter.initialise(seed)
        self._precision = "fp32"

    @property
    def precision(self) -> str:
        """ "fp32" or "bf16": of the products of linear layers, in calls, encoding and training.

        With "bf16" their operands are rounded to the nearest bfloat16 as they are read. Weights,
        activations and gradients are kept in float32, and so are all sums, norms, attention,
        convolutions and softmax. Where the processor has no products of bfloat16, a warning, once,
        says that it is no faster.
        """
        return self._precision

    @precision.setter
    def precision(self, name: str) -> None:
        state.check_writeable(self.parameters)
        self._precision = set_precision(self.parameters.values(), self.dtype, name)

    def __repr__(self) -> str:
        numbers = sum(parameter.data.size for parameter in self.parameters.values())
        return line(
            self, f"{self.config.image_size} px in {self.config.patches} patches",
            f"{self.config.context_length} tokens of {self.config.vocab_size:,}",
            f"width {self.config.shared_width}", f"{numbers:,} parameters", str(self.dtype),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        """A table of the parts: parameters and memory of each, and what is frozen."""
        return parts_table(self.parameters, self.dtype, repr(self.config))

    def __call__(
        self,
        image: np.ndarray,
        text: np.ndarray,
        text_mask: np.ndarray | None = None,
        tape: Tape | None = None,
    ) -> ModelOutput:
        """Both towers.

        Parameters
        ----------
        image : float [B,3,H,W]
            Normalised pictures of the configured size.
        text : int [B,L]
            Token ids, L up to the context length.
        text_mask : bool [B,L], optional
            True = valid. Default: every id but 0, the padding; of a model that pools at the end
            token all up to it, and at the last position all.
        tape : Tape, optional
            Records the pass for ``tape.backward``; None keeps nothing.
        """
        tape = Tape(record=False) if tape is None else tape
        images = check_images(image, self.config, self.dtype)
        ids = check_ids(text, self.config)
        if len(images) != len(ids):
            raise ValueError(
                f"text: expected one caption an image, found {len(ids)} for {len(images)} images"
            )
        patches, image_global = self.visual(tape, Tensor(images))
        tokens, text_global = self.text(tape, ids, self.valid_positions(text_mask, ids))
        return ModelOutput(patches, tokens, image_global, text_global)

    def image_features(self, image: np.ndarray, tape: Tape) -> tuple[Tensor, Tensor]:
        """Patches [B,P,D] and vectors [B,D] of pictures alone, as of a call."""
        return self.visual(tape, Tensor(check_images(image, self.config, self.dtype)))

    def text_features(
        self, text: np.ndarray, text_mask: np.ndarray | None, tape: Tape
    ) -> tuple[Tensor, Tensor]:
        """Tokens [B,L,D] and vectors [B,D] of captions alone, as of a call."""
        ids = check_ids(text, self.config)
        return self.text(tape, ids, self.valid_positions(text_mask, ids))

    def text_vectors(self, text: np.ndarray, text_mask: np.ndarray | None, tape: Tape) -> Tensor:
        """Vectors [N,D] of captions alone, on a tape: of captions without a picture, beside those
        of a call."""
        ids = check_ids(text, self.config)
        return self.text(tape, ids, self.valid_positions(text_mask, ids))[1]

    def encode_image(
        self, image: np.ndarray, normalize: bool = False, return_patches: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Image embeddings [B,D]; with ``return_patches`` also patch embeddings [B,P,D].

        ``normalize`` makes all of them unit vectors.
        """
        images = check_images(image, self.config, self.dtype)
        patches, pooled = self.visual(Tape(record=False), Tensor(images))
        return encoded(pooled, patches if return_patches else None, normalize)

    def encode_dense(self, image: np.ndarray, normalize: bool = False) -> np.ndarray:
        """Every patch on the global path, g_v(h_v(f_v(x))) [B,P,D], to compare with captions.

        The patches of ``encode_image`` bypass h_v: they are trained against tokens. These are the
        ones the paper segments with (D.7), though h_v itself only ever saw pooled images.
        """
        images = check_images(image, self.config, self.dtype)
        dense = self.visual.dense(Tape(record=False), Tensor(images))
        return encoded(dense, None, normalize)

    def encode_text(
        self,
        text: np.ndarray,
        normalize: bool = False,
        return_tokens: bool = False,
        text_mask: np.ndarray | None = None,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Caption embeddings [B,D]; with ``return_tokens`` also token embeddings [B,L,D].

        ``text_mask`` [B,L], True = valid; by default as in a call of the model.
        """
        ids = check_ids(text, self.config)
        tokens, pooled = self.text(Tape(record=False), ids, self.valid_positions(text_mask, ids))
        return encoded(pooled, tokens if return_tokens else None, normalize)

    get_image_features = encode_image
    get_text_features = encode_text

    def prepacked(self) -> AbstractContextManager[None]:
        """For encoding one batch after another: ``with model.prepacked(): ...``.

        Within, the weights of large linear layers are copied once, when they are first read, in the
        order and the precision that products read them in, and not in every call. The bits are the
        same. It saves most time for a few pictures or captions at a call, and in bfloat16
        (docs/speed.md); it takes the memory of those weights once more, half of it in bfloat16.

        All parameters are read-only within: writing to one, `load_state_dict` and setting
        ``precision`` are a ValueError. Slices and other views of them that were taken before are
        not, and what is written through them is not seen. The context may be entered within itself
        and in several threads, and lasts until all have left. Copies and pickles of the model that
        are made within are as of a model outside.
        """
        return prepacked(self.parameters.values())

    def get_logits(
        self, image: np.ndarray, text: np.ndarray, text_mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scaled cosines, plus the bias if there is one: images by captions [B,N], and its
        transpose [N,B]."""
        rows = self.encode_image(image, normalize=True)
        columns = self.encode_text(text, normalize=True, text_mask=text_mask)
        logits = np.exp(self.logit_scale.data) * (rows @ columns.T)
        if self.logit_bias is not None:
            logits += self.logit_bias.data
        return logits, logits.T

    def valid_positions(self, text_mask: np.ndarray | None, ids: np.ndarray) -> np.ndarray:
        """``text_mask`` of ids [B,L] as bool, and what a call of the model takes for None."""
        pool = self.config.text_pool
        if text_mask is None and pool == "last":
            return np.ones(ids.shape, np.bool_)
        if text_mask is None and pool != "mean":
            return np.arange(ids.shape[1]) <= end_positions(ids, self.config.eos_id)[:, None]
        return check_valid(text_mask, ids)

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def freeze(self, prefix: str = "", frozen: bool = True) -> list[str]:
        """Freeze (or thaw) the parameters whose names begin with ``prefix``; returns them.

        Frozen parameters cost no gradient work, and a tower frozen whole keeps no activations.
        """
        names = [name for name in self.parameters if name.startswith(prefix)]
        if not names:
            raise ValueError(f"prefix: no parameter's name begins with {prefix!r}")
        for name in names:
            self.parameters[name].requires_grad = not frozen
        return names

    def lock_image_tower(self, unlocked_groups: int = 0) -> None:
        """Freeze the image tower but for its last ``unlocked_groups`` groups, as open_clip does: 1
        is the projection, 2 the last block and its norm as well (`csparc.models.groups`)."""
        groups.lock(
            self.parameters, "image", whole_number(unlocked_groups, "unlocked_groups", low=0)
        )

    def lock_text_tower(self, unlocked_layers: int = 0) -> None:
        """The same of the text tower; open_clip, too, counts the projection as a layer here."""
        groups.lock(
            self.parameters, "text", whole_number(unlocked_layers, "unlocked_layers", low=0)
        )

    def state_dict(self) -> dict[str, np.ndarray]:
        """The parameters' arrays by name: the arrays themselves, not copies."""
        return {name: parameter.data for name, parameter in self.parameters.items()}

    def load_state_dict(self, values: Mapping[str, np.ndarray]) -> None:
        """Copy ``values`` into the parameters.

        Names, shapes and dtypes are all checked first: on a ValueError nothing has changed.
        """
        state.load(self.parameters, values)

    def resized(self, image_size: int) -> TwoTower:
        """A copy for images of another size: positions are interpolated, all else is the same."""
        from dataclasses import replace

        config = replace(self.config, image_size=image_size)
        model = TwoTower(config, seed=None, dtype=self.dtype)
        values = self.state_dict()
        name = "visual.positional_embedding"
        if name in values:
            table = np.split(values[name], [self.config.patches])  # patches, class token
            table[0] = resize_positions(table[0], self.config.grid, config.grid)
            values[name] = np.concatenate(table)
        model.load_state_dict(values)
        model.precision = self.precision
        return model
