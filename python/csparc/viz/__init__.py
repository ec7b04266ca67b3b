"""Pictures of what a model learned: alignment, loss curves, the demo's page."""

from csparc.viz.alignment import plot_alignment, plot_explanation, save, sharp_view
from csparc.viz.curves import plot_curves, read_log

__all__ = ["plot_alignment", "plot_curves", "plot_explanation", "read_log", "save", "sharp_view"]
