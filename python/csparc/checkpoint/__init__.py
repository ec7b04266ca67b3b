"""Files that hold a trained model, and what else a run needs to go on: written, checked, read."""

from csparc.checkpoint.checkpoint import Checkpoint, Trained, load_checkpoint, load_trained

__all__ = ["Checkpoint", "Trained", "load_checkpoint", "load_trained"]
