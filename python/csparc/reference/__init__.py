"""The objectives in plain float64 NumPy, forward and backward: slow, explicit, the yardstick.

Letters: B pairs, P patches, L tokens, D shared width. Names follow the SPARC paper
(arXiv 2401.09865, equations 1 to 7). Everything is computed in float64 and nothing here is shared
with the C core, which is tested against it. One file per objective.

A ``keep_mask`` gives :func:`sparc_loss` the threshold decisions of another implementation: a
float32 similarity that rounds across the threshold changes a gradient far more than rounding
does, so the decision has to be compared separately from the arithmetic.
"""

from csparc.reference.alignment import (
    EPS_RANGE,
    align,
    align_backward,
    group_patches,
    similarity_matrix,
    similarity_matrix_backward,
    sparse_similarity,
)
from csparc.reference.clip import clip_loss
from csparc.reference.cross_entropy import (
    live_cross_entropy,
    matching_cross_entropy,
    row_cross_entropy,
)
from csparc.reference.filip import clip_filip_loss, filip_loss
from csparc.reference.gloria import gloria_loss
from csparc.reference.groups import Groups, batch_groups
from csparc.reference.mgca import mgca_loss
from csparc.reference.pacl import pacl_loss
from csparc.reference.result import Result
from csparc.reference.siglip import siglip_loss
from csparc.reference.sparc import sparc_loss
from csparc.reference.unit import EPS_NORM, unit_vector, unit_vector_backward
from csparc.reference.word_contrast import word_contrast_loss

__all__ = [
    "EPS_NORM",
    "EPS_RANGE",
    "Groups",
    "Result",
    "align",
    "align_backward",
    "batch_groups",
    "clip_filip_loss",
    "clip_loss",
    "filip_loss",
    "gloria_loss",
    "group_patches",
    "live_cross_entropy",
    "matching_cross_entropy",
    "mgca_loss",
    "pacl_loss",
    "row_cross_entropy",
    "siglip_loss",
    "similarity_matrix",
    "similarity_matrix_backward",
    "sparc_loss",
    "sparse_similarity",
    "unit_vector",
    "unit_vector_backward",
    "word_contrast_loss",
]
