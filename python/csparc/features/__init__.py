"""Frozen features: what towers gave of a data set, kept on the disk, to train heads on."""

from csparc.features.dataset import FrozenFeatures
from csparc.features.writing import write_features

__all__ = ["FrozenFeatures", "write_features"]
