"""Where the time of training steps goes: every op of the core by shape, against the machine."""

from csparc.profile.recorder import Profile

__all__ = ["Profile"]
