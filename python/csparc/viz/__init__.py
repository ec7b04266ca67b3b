"""Pictures of what a model learned: alignment, loss curves, the demo's page."""

from csparc.viz.alignment import plot_alignment, save
from csparc.viz.curves import plot_curves, read_log

__all__ = ["plot_alignment", "plot_curves", "read_log", "save"]
