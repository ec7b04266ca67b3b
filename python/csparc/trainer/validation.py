"""What is evaluated during training, on held-out data, and which figure decides the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from csparc._repr import fields_line
from csparc.data.shuffled import warn_if_shuffled
from csparc.errors import CsparcError
from csparc.evaluate import Retrieval, Subject, Task, make_task
from csparc.evaluate.figures import RetrievalFigures
from csparc.evaluate.tasks import run_task

if TYPE_CHECKING:
    from csparc.data import Dataset
    from csparc.data.tokenizer import Tokenizer
    from csparc.data.transforms import Preprocess
    from csparc.losses import Loss
    from csparc.models import TwoTower

_RETRIEVAL = Retrieval()


@dataclass(frozen=True)
class Validation:
    """Tasks on held-out data with the model as it is.

    Parameters
    ----------
    dataset, tokenizer, transform, loss, loss_specials, batch_size
        Of the run.
    tasks : tuple of str
        As `csparc.evaluate.make_task` takes them.
    best : str or None
        The figure that decides the best checkpoint, ``val/TASK/FIGURE`` of one of ``tasks``: the
        highest is the best. None: the mean of both R@1 of retrieval, which then runs in any case.

    Raises
    ------
    ValueError
        An unknown task, one that cannot run on this model, loss and data, or an unknown figure.
    """

    dataset: Dataset
    tokenizer: Tokenizer
    transform: Preprocess
    batch_size: int = 64
    loss: Loss | None = None
    loss_specials: bool = False
    tasks: tuple[str, ...] = ()
    best: str | None = None

    __repr__ = fields_line

    def __post_init__(self) -> None:
        warn_if_shuffled(self.dataset, "validated")
        named = self._named
        for text, task in named.items():
            asked = [f"{key}={v}" for key, v in task.reading().items() if v is not None]
            if asked:
                raise ValueError(
                    f"val_tasks: {text}: expected {', '.join(asked)} with the data, such as "
                    f"--val-data '{self.dataset.spec};{asked[0]}', found data that is open already"
                )
        known = [f"val/{text}/{key}" for text, task in named.items() for key in task.main]
        if self.best is not None and self.best not in known:
            listed = ", ".join(known) or "none without val_tasks"
            raise ValueError(f"val_best: expected one of {listed}, found {self.best!r}")

    @cached_property
    def _named(self) -> dict[str, Task]:
        """The task of each name."""
        return {text: make_task(text) for text in self.tasks}

    def check(self, model: TwoTower) -> None:
        """Refuse tasks that cannot run, before anything is trained."""
        for task in self._named.values():
            task.check(self._subject(model))

    def run(
        self, model: TwoTower, should_stop: Callable[[], bool] = lambda: False
    ) -> dict[str, Any] | None:
        """What `csparc.evaluate.evaluate_retrieval` returns, where retrieval runs, and the main
        figures of every task that was named as ``val/TASK/FIGURE``; None when asked to stop."""
        subject = self._subject(model, should_stop)
        tasks = [*self._named.values()]
        if self.best is None and _RETRIEVAL not in tasks:
            tasks.insert(0, _RETRIEVAL)
        figures: dict[Task, dict[str, Any]] = {}
        for task in dict.fromkeys(tasks):
            found = run_task(task, subject)
            if found is None:
                return None
            figures[task] = found.figures
        result = RetrievalFigures(figures.get(_RETRIEVAL, {}))
        for text, task in self._named.items():
            for key, value in task.main_figures(figures[task]).items():
                result[f"val/{text}/{key}"] = value
        return result

    def score(self, result: Mapping[str, Any]) -> float | None:
        """What "best" goes by, in the figures of `run`; None where its figure is over nothing."""
        if self.best is not None:
            return result.get(self.best)
        return (result["image_to_text_R@1"] + result["text_to_image_R@1"]) / 2

    def report(self, result: Mapping[str, Any]) -> list[str]:
        """The figures of `run` as lines of text."""
        lines = _RETRIEVAL.lines(result) if "n_images" in result else []
        return lines + [f"{key:48s}{value:10.4g}" for key, value in _named_figures(result)]

    def _subject(self, model: TwoTower, should_stop: Callable[[], bool] = lambda: False) -> Subject:
        return Subject(
            model, self.tokenizer, self.transform, self.dataset, self.loss, self.loss_specials,
            self.batch_size, should_stop=should_stop,
        )  # fmt: skip


def summary(step: int, result: Mapping[str, Any]) -> list[str]:
    """What a run says of a validation while it trains: a line of retrieval, a line of the rest."""
    lines = []
    if "n_images" in result:
        lines.append(
            f"step {step}: image to text R@1 {result['image_to_text_R@1']:.1f} %, "
            f"text to image R@1 {result['text_to_image_R@1']:.1f} % "
            f"(chance {result['chance']['text_to_image_R@1']:.1f} %)"
        )
    named = [f"{key} {value:.4g}" for key, value in _named_figures(result)]
    return [*lines, f"step {step}: {', '.join(named)}"] if named else lines


def failure(step: int, error: Exception) -> str:
    """What a run says of a validation that failed; of a mistake in a program its type, too."""
    reason = str(error) if isinstance(error, CsparcError) else f"{type(error).__name__}: {error}"
    return f"step {step}: validation failed: {reason}"


def _named_figures(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(key, value) for key, value in result.items() if key.startswith("val/")]
