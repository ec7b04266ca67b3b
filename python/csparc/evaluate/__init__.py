"""Evaluation: pure functions on arrays, and the tasks that run them on a model, one file a task."""

from csparc.evaluate.tasks import TASKS, Subject, Task, TaskResult, make_task, option, register

# The order of these imports is that in which the tasks are listed everywhere.
# ruff: isort: off
from csparc.evaluate.retrieval import evaluate_retrieval
from csparc.evaluate.grounding_task import Grounding
from csparc.evaluate.scenes import Meaning, semantic_recall
from csparc.evaluate.segmentation import Segmentation
from csparc.evaluate.zeroshot import ZeroShot, evaluate_zero_shot
from csparc.evaluate.hardneg import HardNegatives, evaluate_matching, evaluate_pairs
from csparc.evaluate.faithfulness import Faithfulness, evaluate_faithfulness, k_precision

# ruff: isort: on
from csparc.evaluate.class_vectors import build_zero_shot_classifier
from csparc.evaluate.controls import CONTROLS, run_with_controls
from csparc.evaluate.figure import Figure
from csparc.evaluate.grounding import evaluate_grounding
from csparc.evaluate.intervals import bootstrap
from csparc.evaluate.placement import Places, alignment_scores, place_scores
from csparc.evaluate.retrieval import Retrieval
from csparc.evaluate.variance import variance_explained

__all__ = [
    "CONTROLS",
    "TASKS",
    "Faithfulness",
    "Figure",
    "Grounding",
    "HardNegatives",
    "Meaning",
    "Places",
    "Retrieval",
    "Segmentation",
    "Subject",
    "Task",
    "TaskResult",
    "ZeroShot",
    "alignment_scores",
    "bootstrap",
    "build_zero_shot_classifier",
    "evaluate_faithfulness",
    "evaluate_grounding",
    "evaluate_matching",
    "evaluate_pairs",
    "evaluate_retrieval",
    "evaluate_zero_shot",
    "k_precision",
    "make_task",
    "option",
    "place_scores",
    "register",
    "run_with_controls",
    "semantic_recall",
    "variance_explained",
]
