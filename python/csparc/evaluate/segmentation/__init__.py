"""Zero-shot segmentation: pure functions on arrays, and the task."""

from csparc.evaluate.segmentation.names import names_of
from csparc.evaluate.segmentation.overlap import (
    CONVENTIONS,
    Convention,
    areas,
    class_overlaps,
    mean_of_classes,
    mean_of_images,
)
from csparc.evaluate.segmentation.task import Segmentation
from csparc.evaluate.segmentation.upsampling import majority, pixel_labels, pixel_scores

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Segmentation",
    "areas",
    "class_overlaps",
    "majority",
    "mean_of_classes",
    "mean_of_images",
    "names_of",
    "pixel_labels",
    "pixel_scores",
]
