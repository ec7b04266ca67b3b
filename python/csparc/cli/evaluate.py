"""``csparc eval``, and of its tasks ``retrieval``: recall, ranks and ties on a data set."""

from __future__ import annotations

import argparse
import json
from typing import Any

from csparc.cli import common, grounding
from csparc.losses.registry import late_losses

SCORES = ("global", "own")


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "eval",
        parents=[shared],
        help="evaluate a checkpoint",
        description="Evaluate a checkpoint on a data set.",
    )
    parser.set_defaults(parser=parser)
    tasks = parser.add_subparsers(title="tasks", metavar="TASK")
    task = tasks.add_parser(
        "retrieval",
        parents=[shared],
        help="find pictures by sentences and sentences by pictures",
        description="Image-text retrieval in both directions, beside what chance would give.",
    )
    common.add_checkpoint(task)
    common.add_data(task)
    common.add_reading(task)
    task.add_argument(
        "--max-captions",
        type=common.positive_int,
        metavar="N",
        help="use the first N captions of each picture (5 in the usual protocol)",
    )
    task.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    task.add_argument(
        "--score",
        choices=SCORES,
        default="global",
        help="rank by the cosine of whole vectors (default), or by the score that the checkpoint's "
        f"own loss compares patches with captions by ({', '.join(late_losses())})",
    )
    task.add_argument("--json", metavar="FILE", help="write the figures here too")
    common.add_threads(task)
    task.set_defaults(run=run)
    grounding.register(tasks, shared)


def run(arguments: argparse.Namespace) -> int:
    out = common.check_writable(arguments.json) if arguments.json else None
    from csparc.cli.session import load_session

    common.use_threads(arguments.threads)
    session = load_session(arguments.checkpoint)
    data = common.open_data(arguments.data, arguments, max_captions=arguments.max_captions)
    rank = _by_own_score if arguments.score == "own" else _by_vectors
    figures, problems = rank(session, data, arguments)
    if out is not None:
        record = figures | {
            "config": {
                "checkpoint": str(arguments.checkpoint),
                "data": data.spec,
                "max_captions": arguments.max_captions,
                "score": arguments.score,
            },
            "bad_items": len(problems),
        }
        with common.writing(out), open(out, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2)
            file.write("\n")
    for line in table(figures):
        print(line)
    if len(problems):
        print(problems.summary())
    return 0


def _by_vectors(session: Any, data: Any, arguments: argparse.Namespace) -> tuple[dict, Any]:
    """The figures by the cosine of whole vectors, and the bad items."""
    from csparc.cli.progress import Progress
    from csparc.evaluate import evaluate_retrieval
    from csparc.evaluate.encode import encode_dataset

    with Progress("encoding", len(data), "picture") as progress:
        features = encode_dataset(
            session.model, session.tokenizer, data, session.preprocess,
            batch_size=arguments.batch_size, progress=progress.to,
        )  # fmt: skip
    figures = evaluate_retrieval(
        features.image_features, features.text_features, features.image_index
    )
    return figures, features.problems


def _by_own_score(session: Any, data: Any, arguments: argparse.Namespace) -> tuple[dict, Any]:
    """The same by the score that the loss of the checkpoint trained."""
    from csparc.cli.progress import Progress
    from csparc.evaluate.encode import encode_late
    from csparc.evaluate.late_interaction import evaluate_late_retrieval

    if session.loss is None or not session.loss.overrides("pair_scores"):
        name = session.metadata.loss_config.get("loss")
        raise ValueError(
            f"--score own: expected a checkpoint trained with {' or '.join(late_losses())}, found "
            f"{name}, which trains vectors of the whole: use --score global"
        )
    with Progress("encoding", len(data), "picture") as progress:
        features, index, problems = encode_late(
            session.model, session.tokenizer, data, session.preprocess,
            specials=session.loss_specials,
            batch_size=arguments.batch_size, progress=progress.to,
        )  # fmt: skip
    return evaluate_late_retrieval(features, index, session.loss), problems


def table(figures: dict) -> list[str]:
    """The figures of `evaluate_retrieval` as lines of text, each beside chance."""
    from csparc.evaluate.retrieval import RECALL_AT

    lines = [
        f"{figures['n_images']} pictures, {figures['n_texts']} captions",
        f"{'':28s}{'found':>10s}{'chance':>10s}",
    ]
    for direction in ("image_to_text", "text_to_image"):
        names = [f"{direction}_R@{k}" for k in RECALL_AT]
        names += [f"{direction}_mean_rank", f"{direction}_median_rank"]
        for name in names:
            unit = " %" if "_R@" in name else "  "
            lines.append(
                f"{name:28s}{figures[name]:8.2f}{unit}{figures['chance'][name]:8.2f}{unit}"
            )
        name = f"{direction}_tie_share"
        lines.append(f"{name:28s}{figures[name]:8.2f} %")
    return lines
