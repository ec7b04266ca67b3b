"""MGCA: the function on arrays, and the object a trainer holds with what it learns."""

from csparc.losses.mgca.function import mgca_loss
from csparc.losses.mgca.loss import MgcaLoss

__all__ = ["MgcaLoss", "mgca_loss"]
