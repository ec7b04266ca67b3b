"""Hard negatives: captions against others that are nearly the same, and wrong."""

from csparc.evaluate.hardneg.measures import blind_accuracy, evaluate_matching, evaluate_pairs
from csparc.evaluate.hardneg.scenes import scene_negatives
from csparc.evaluate.hardneg.task import HardNegatives

__all__ = [
    "HardNegatives",
    "blind_accuracy",
    "evaluate_matching",
    "evaluate_pairs",
    "scene_negatives",
]
