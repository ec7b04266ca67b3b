"""SPARC, sparse fine-grained contrastive alignment of images and text, for NumPy."""

from csparc._version import __version__

__all__ = ["__version__"]
