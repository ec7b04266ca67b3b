"""Experiments of settings x seeds: described in a file, run to lines of results, told in tables."""

from csparc.study.description import Figure, Study, Unit, read_study
from csparc.study.report import Report, report
from csparc.study.results import Results, read_results
from csparc.study.statistics import Paired, holm, paired, t_quantile

__all__ = [
    "Figure",
    "Paired",
    "Report",
    "Results",
    "Study",
    "Unit",
    "holm",
    "paired",
    "read_results",
    "read_study",
    "report",
    "t_quantile",
]
