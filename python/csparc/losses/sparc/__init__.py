"""SPARC: the function on arrays, and the object a trainer holds."""

from csparc.losses.sparc.function import sparc_loss
from csparc.losses.sparc.loss import SparcLoss

__all__ = ["SparcLoss", "sparc_loss"]
