"""Losses on arrays: values and gradients, no framework.

Every function reads its inputs by the rules of :mod:`csparc._arrays` (any layout; float64 computes
in float64; masks are True where valid) and writes to none of them.
"""

from csparc.losses.clip import ClipLoss, clip_loss
from csparc.losses.clip_filip import ClipFilipLoss, clip_filip_loss
from csparc.losses.filip import FilipLoss, filip_loss
from csparc.losses.gloria import GloriaLoss, gloria_loss
from csparc.losses.mgca import mgca_loss
from csparc.losses.mgca_learned import MgcaLoss
from csparc.losses.pacl import PaclLoss, pacl_loss
from csparc.losses.result import LossOutput
from csparc.losses.siglip import SiglipLoss, siglip_loss
from csparc.losses.sparc import SparcLoss, sparc_loss
from csparc.losses.sparc_pieces import (
    group_patches,
    group_patches_backward,
    sparse_similarity,
    sparse_similarity_backward,
)

__all__ = [
    "ClipFilipLoss",
    "ClipLoss",
    "FilipLoss",
    "GloriaLoss",
    "LossOutput",
    "MgcaLoss",
    "PaclLoss",
    "SiglipLoss",
    "SparcLoss",
    "clip_filip_loss",
    "clip_loss",
    "filip_loss",
    "gloria_loss",
    "group_patches",
    "group_patches_backward",
    "mgca_loss",
    "pacl_loss",
    "siglip_loss",
    "sparc_loss",
    "sparse_similarity",
    "sparse_similarity_backward",
]
