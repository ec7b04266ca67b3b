"""Faithfulness: how much of the caption found for a picture its own captions say, too."""

from csparc.evaluate.faithfulness.precision import k_precision, k_precision_of_words
from csparc.evaluate.faithfulness.taggers import TAGGERS, register_tagger
from csparc.evaluate.faithfulness.task import Faithfulness, evaluate_faithfulness

__all__ = [
    "TAGGERS",
    "Faithfulness",
    "evaluate_faithfulness",
    "k_precision",
    "k_precision_of_words",
    "register_tagger",
]
