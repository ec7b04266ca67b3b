"""Pictures with captions: readers, tokenizers, transforms and the loader."""

from csparc.data.dataset import Dataset
from csparc.data.mixed import Mixed, MixedBatches
from csparc.data.report import BadItem, BadItems
from csparc.data.shuffled import ShuffledPairs
from csparc.data.spec import open

__all__ = ["BadItem", "BadItems", "Dataset", "Mixed", "MixedBatches", "ShuffledPairs", "open"]
