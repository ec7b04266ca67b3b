"""Write the tables of the documentation: options from the classes of the losses, cost by formula.

python docs/write_tables.py            write them
python docs/write_tables.py --check    change nothing; fail where a table is not what it would be

Memory in docs/cost.md is that of this processor's kernels on two threads, so tests leave it out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import csparc
from csparc.cost.tables import own_tables, paper_tables
from csparc.losses.options import Option
from csparc.losses.registry import LOSSES, loss_class
from csparc.models.presets import preset

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "objectives").glob("*.md"))]
COST = ROOT / "docs" / "cost.md"
BATCHES = (2048, 4096, 8192, 16384)
PLACE = re.compile(
    r"(?P<begin><!-- (?P<kind>\w+) of (?P<of>\S+), by docs/write_tables.py -->\n)"
    r"(?P<table>.*?)(?P<end><!-- end -->)",
    flags=re.DOTALL,
)


def with_tables(text: str) -> str:
    """``text`` with every table between its two comments written anew."""
    return PLACE.sub(lambda found: found["begin"] + table(found) + found["end"], text)


def table(place: re.Match) -> str:
    return KINDS[place["kind"]](place["of"])


def options(loss: str) -> str:
    return markdown(option_rows(loss))


def questions(loss: str) -> str:
    return markdown(question_rows(loss))


def cost(model: str) -> str:
    csparc.set_num_threads(2)
    return "\n\n".join(own_tables(preset(model), list(LOSSES), BATCHES)) + "\n"


def paper_cost(model: str) -> str:
    return "\n\n".join(paper_tables(preset(model), list(LOSSES), BATCHES, True)) + "\n"


KINDS = {"options": options, "questions": questions, "cost": cost, "paper_cost": paper_cost}


def markdown(rows: list[list[str]]) -> str:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def option_rows(loss: str) -> list[list[str]]:
    """What each option is; a source that says nothing about any of them has no column."""
    options = loss_class(loss).options()
    rows = [["option, default first", "what it is", "the paper", f"its {options[0].code_is}"]]
    rows += [[spelled(o), o.entry.about, o.entry.paper, o.entry.code] for o in options]
    said = [i for i in range(4) if any(row[i] for row in rows[1:])]
    return [[row[i] for i in said] for row in rows]


def question_rows(loss: str) -> list[list[str]]:
    """The options that answer what the paper leaves open."""
    rows = [["question", "the text", "the listing", "option, default first"]]
    for option in loss_class(loss).options():
        entry = option.entry
        if entry.question:
            rows.append([entry.question, entry.paper, entry.code, spelled(option)])
    return rows


def spelled(option: Option) -> str:
    """The option as Python takes it, then what else it may be."""
    first, *others = option.values()
    texts = option.entry.choices
    first = f'"{first}"' if texts else repr(option.default)
    if isinstance(option.default, float):
        first = f"{option.default:g}"
    others = [f'`"{other}"`' if texts else other for other in others]
    return ", ".join([f"`{option.name}={first}`", *others])


def main() -> None:
    check, wrong = "--check" in sys.argv[1:], []
    for page in [*PAGES, COST]:
        text = page.read_text(encoding="utf-8")
        written = with_tables(text)
        if check and written != text:
            wrong.append(page.name)
        elif not check:
            page.write_text(written, encoding="utf-8")
    if wrong:
        sys.exit(f"{', '.join(wrong)}: not as docs/write_tables.py writes it")


if __name__ == "__main__":
    main()
