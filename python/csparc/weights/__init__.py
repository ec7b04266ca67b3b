"""Weights of CLIP and SigLIP in and out, as open_clip and Hugging Face lay them out."""

from csparc.weights.pretrained import create
from csparc.weights.reading import Pretrained, load_trained, read_own, read_weights
from csparc.weights.source import is_foreign
from csparc.weights.writing import write_checkpoint, write_weights

__all__ = [
    "Pretrained",
    "create",
    "is_foreign",
    "load_trained",
    "read_own",
    "read_weights",
    "write_checkpoint",
    "write_weights",
]
