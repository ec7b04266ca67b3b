"""Files that hold a trained model, and what else a run needs to go on: written, checked, read."""

from csparc.checkpoint.checkpoint import Checkpoint, load_checkpoint, load_trained
from csparc.checkpoint.trained import Trained

__all__ = ["Checkpoint", "Trained", "load_checkpoint", "load_trained"]
