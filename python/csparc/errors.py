"""Errors a person can act on: what was wrong, what was expected, what was found."""


class CsparcError(Exception):
    """Base of the package's own errors; the command line prints one line, exit code 2."""


class DataError(CsparcError, ValueError):
    """A data file, table, archive or picture that cannot be used."""


class CheckpointError(CsparcError, ValueError):
    """A checkpoint that is not whole, not ours, or does not fit the model."""


class TrainingError(CsparcError, RuntimeError):
    """Training cannot go on: a non-finite value, or data that ran out."""
