"""Training: settings, the loop, checkpoints, logs."""

from csparc.trainer.checkpoint import load_checkpoint
from csparc.trainer.config import TrainConfig
from csparc.trainer.loss_table import make_loss
from csparc.trainer.trainer import Trainer, TrainResult

__all__ = ["TrainConfig", "TrainResult", "Trainer", "load_checkpoint", "make_loss"]
