"""Zero-shot classification: pictures told apart by the names of their classes."""

from csparc.evaluate.zeroshot.measures import evaluate_zero_shot
from csparc.evaluate.zeroshot.task import ZeroShot

__all__ = ["ZeroShot", "evaluate_zero_shot"]
