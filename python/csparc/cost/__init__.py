"""What losses and models cost: FLOP and memory by formula, measured, and the paper's table."""

from csparc.cost.measured import Measured, measure_loss
from csparc.cost.memory import estimate_memory
from csparc.cost.model import ModelInfo, model_info

__all__ = ["Measured", "ModelInfo", "estimate_memory", "measure_loss", "model_info"]
