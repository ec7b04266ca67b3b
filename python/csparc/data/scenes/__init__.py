"""Generated scenes: a data set whose every object, place and caption is known."""

from csparc.data.scenes.dataset import Scenes

__all__ = ["Scenes"]
