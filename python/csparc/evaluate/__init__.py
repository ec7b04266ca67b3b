"""Evaluation: pure functions on arrays, one file a task."""

from csparc.evaluate.grounding import alignment_scores, evaluate_grounding
from csparc.evaluate.retrieval import evaluate_retrieval

__all__ = ["alignment_scores", "evaluate_grounding", "evaluate_retrieval"]
