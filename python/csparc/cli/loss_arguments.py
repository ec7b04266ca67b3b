"""The arguments that choose a loss, the same wherever a command trains."""

from __future__ import annotations

import textwrap

from csparc.losses.registry import DEFAULT, LOSSES


def add_loss(group, default: str | None = DEFAULT) -> None:
    """``--loss`` and ``--loss-opt``, for `csparc.losses.registry.make_loss`."""
    usual = f" (default {default})" if default else ""
    group.add_argument(
        "--loss", default=default, metavar="NAME", help=f"{', '.join(LOSSES)}{usual}"
    )
    group.add_argument(
        "--loss-opt",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the loss, such as local_weight=5; may be repeated; listed below",
    )


def loss_options() -> str:
    """The keys of ``--loss-opt``, a paragraph a loss: the end of a command's help."""
    lines = ["options of the losses (csparc info --loss NAME explains them):"]
    for name, made in LOSSES.items():
        keys = ", ".join(option.name for option in made.options()) or "none"
        lines += textwrap.wrap(
            f"{name:12s}{keys}", 80, initial_indent="  ", subsequent_indent=" " * 14
        )
    return "\n".join(lines)
