"""Pictures of what a model learned: alignment, loss curves, the demo's page."""

from csparc.viz.alignment import plot_alignment, save, sharp_view
from csparc.viz.curves import plot_curves, read_log
from csparc.viz.explanation import PictureExplanation, explain

__all__ = [
    "PictureExplanation",
    "explain",
    "plot_alignment",
    "plot_curves",
    "read_log",
    "save",
    "sharp_view",
]
