"""Losses on arrays: values and gradients, no framework.

Every function reads its inputs by the rules of :mod:`csparc._arrays` (any layout; float64 computes
in float64; masks are True where valid) and writes to none of them. Every loss is a `Loss` too, an
object a trainer holds, which says all that is asked of an objective: docs/adding-a-loss.md.
"""

# The order of these imports is that in which the losses are listed everywhere.
# ruff: isort: off
from csparc.losses.sparc import SparcLoss, sparc_loss
from csparc.losses.clip import ClipLoss, clip_loss
from csparc.losses.siglip import SiglipLoss, siglip_loss
from csparc.losses.pacl import PaclLoss, pacl_loss
from csparc.losses.filip import FilipLoss, filip_loss
from csparc.losses.clip_filip import ClipFilipLoss, clip_filip_loss
from csparc.losses.gloria import GloriaLoss, gloria_loss
from csparc.losses.mgca import MgcaLoss, mgca_loss
from csparc.losses.word_contrast import word_contrast_loss
from csparc.losses.word_part import WordContrastLoss
from csparc.losses.with_words import ClipFilipWordsLoss, ClipWordsLoss, SparcWordsLoss

# ruff: isort: on
from csparc.losses.base import Loss, Part
from csparc.losses.costs import Sizes, Stage
from csparc.losses.explains import Alignment
from csparc.losses.foreign import as_loss
from csparc.losses.options import option
from csparc.losses.registry import LOSSES, make_loss, register
from csparc.losses.result import LossOutput
from csparc.losses.sparc_pieces import (
    group_patches,
    group_patches_backward,
    sparse_similarity,
    sparse_similarity_backward,
)

__all__ = [
    "LOSSES",
    "Alignment",
    "ClipFilipLoss",
    "ClipFilipWordsLoss",
    "ClipLoss",
    "ClipWordsLoss",
    "FilipLoss",
    "GloriaLoss",
    "Loss",
    "LossOutput",
    "MgcaLoss",
    "PaclLoss",
    "Part",
    "SiglipLoss",
    "Sizes",
    "SparcLoss",
    "SparcWordsLoss",
    "Stage",
    "WordContrastLoss",
    "as_loss",
    "clip_filip_loss",
    "clip_loss",
    "filip_loss",
    "gloria_loss",
    "group_patches",
    "group_patches_backward",
    "make_loss",
    "mgca_loss",
    "option",
    "pacl_loss",
    "register",
    "siglip_loss",
    "sparc_loss",
    "sparse_similarity",
    "sparse_similarity_backward",
    "word_contrast_loss",
]
