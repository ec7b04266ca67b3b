"""SPARC, sparse fine-grained contrastive alignment of images and text, for NumPy."""

from csparc._version import __version__
from csparc.config import get_num_threads, set_num_threads, show_config

__all__ = ["__version__", "get_num_threads", "set_num_threads", "show_config"]
