"""What a run begins from instead of weights drawn by a seed: a checkpoint, or weights of others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csparc._repr import fields_line
from csparc.checkpoint.checkpoint import find_checkpoint
from csparc.errors import CheckpointError
from csparc.features.manifest import MODEL, NAME
from csparc.weights import is_foreign, read_own, read_weights, tokens
from csparc.weights.source import find_weights

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.losses import Loss
    from csparc.models import TwoTower


OPTIONS = ("activation", "image_size", "context_length")
"""Fields of the model's configuration that may differ from those of the weights."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Initial:
    """A model with its weights and all that belongs to it.

    Attributes
    ----------
    source : str
        Its path.
    model : TwoTower
    preprocess : Preprocess
        For evaluation.
    tokenizer : Tokenizer
    loss : Loss or None
        That it was trained with, with what it learned; of weights of others None.
    """

    source: str
    model: TwoTower
    preprocess: Preprocess
    tokenizer: Tokenizer
    loss: Loss | None

    __repr__ = fields_line

    def record(self) -> dict[str, str]:
        """What a run records of it: ``source``, and ``blake2b`` of the content of the file, 32
        hexadecimal digits (``b2sum -l 128``)."""
        find = find_weights if is_foreign(self.source) else find_checkpoint
        digest = hashlib.blake2b(digest_size=16)
        with open(find(self.source), "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return {"source": self.source, "blake2b": digest.hexdigest()}

    def owned(self) -> dict[str, np.ndarray]:
        """What the loss learned, by name, and the bias of logits that a model of SigLIP's form has
        instead."""
        values = {} if self.model.logit_bias is None else {"logit_bias": self.model.logit_bias.data}
        return values | ({} if self.loss is None else self.loss.state_dict())

    def begin(self, loss: Loss, given: Collection[str] = ()) -> list[str]:
        """Let ``loss`` begin where the weights are: every parameter it owns takes the value of the
        same name and shape, but for those that its options, ``given``, say.

        Returns
        -------
        list of str
            The names of those that did.
        """
        loss.prepare(self.model.config.shared_width)
        found, taken = self.owned(), []
        for name, parameter in loss.parameters.items():
            if name in given or name not in found or found[name].shape != parameter.shape:
                continue
            np.copyto(parameter.data, found[name], casting="same_kind")
            taken.append(name)
        return taken


def read_initial(
    path: str | os.PathLike,
    *,
    model: str | None = None,
    tokenizer: str | os.PathLike | None = None,
    options: Mapping[str, Any] | None = None,
) -> Initial:
    """Read what a run begins from.

    Parameters
    ----------
    path : path
        As `csparc.load_checkpoint` takes it: a checkpoint of csparc's, or a file or folder of
        open_clip's or Hugging Face's.
    model : str, optional
        The name of a model, whose sizes must be those of the weights.
    tokenizer : path, optional
        Where none belongs to the weights; where one does, it must be the same.
    options : mapping, optional
        Fields of the model's configuration that may differ: ``image_size`` and ``context_length``
        resize positions, ``activation`` is for weights of others that do not say it.

    Raises
    ------
    CheckpointError
        Something cannot be read, or does not fit.
    ValueError
        Naming the argument that contradicts the weights.
    """
    given = dict(options or {})
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise ValueError(
            f"{unknown[0]}: expected only {', '.join(OPTIONS)} to differ from the weights in "
            f"{os.fspath(path)}, which decide the others"
        )
    _check_no_features(path)
    if is_foreign(path):
        found = read_weights(path, name=model, **given)
    elif given.pop("activation", None) is not None:
        raise ValueError(
            f"activation: expected none beside {os.fspath(path)}, a checkpoint of csparc's, which "
            "says it"
        )
    else:
        found = read_own(path, name=model, vocabulary=False, **given)
    words = _tokenizer(os.fspath(path), found.tokenizer, tokenizer, found.model)
    return Initial(os.fspath(path), found.model, found.preprocess, words, found.loss)


def _check_no_features(path: str | os.PathLike) -> None:
    folder = Path(path)
    if (folder / NAME).is_file() and (folder / MODEL).is_file():
        raise CheckpointError(
            f"{folder}: expected weights, found features that csparc encode --patches wrote: "
            f"--features {folder} trains heads on them, {folder / MODEL} is the model to begin from"
        )


def _tokenizer(
    source: str, own: Tokenizer | None, given: str | os.PathLike | None, model: TwoTower
) -> Tokenizer:
    """The tokenizer of the weights, or one that is given."""
    if given is None:
        if own is None:
            raise ValueError(
                f"tokenizer: expected the file of a tokenizer (--tokenizer), found none beside "
                f"{source}"
            )
        return own
    other = tokens.read(given, model.config)
    if own is not None and own.to_json() != other.to_json():
        raise ValueError(
            f"tokenizer: expected that of {source}, or none given, found another one in "
            f"{os.fspath(given)}: ids of its words would mean others to the model"
        )
    return other
