"""Write the tables of options in the documentation from csparc.losses.options.

python docs/write_tables.py            write them
python docs/write_tables.py --check    change nothing; fail where a table is not what it would be
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from csparc.losses.options import Option, options_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "objectives").glob("*.md"))]
PLACE = re.compile(
    r"(?P<begin><!-- (?P<kind>options|questions) of (?P<loss>\S+), by docs/write_tables.py -->\n)"
    r"(?P<table>.*?)(?P<end><!-- end -->)",
    flags=re.DOTALL,
)


def with_tables(text: str) -> str:
    """``text`` with every table between its two comments written anew."""
    return PLACE.sub(lambda found: found["begin"] + table(found) + found["end"], text)


def table(place: re.Match) -> str:
    rows = {"options": option_rows, "questions": question_rows}[place["kind"]](place["loss"])
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def option_rows(loss: str) -> list[list[str]]:
    """What each option is; a source that says nothing about any of them has no column."""
    options = options_of(loss)
    rows = [["option, default first", "what it is", "the paper", f"its {options[0].code_is}"]]
    rows += [[spelled(o), o.entry.about, o.entry.paper, o.entry.code] for o in options]
    said = [i for i in range(4) if any(row[i] for row in rows[1:])]
    return [[row[i] for i in said] for row in rows]


def question_rows(loss: str) -> list[list[str]]:
    """The options that answer what the paper leaves open."""
    rows = [["question", "the text", "the listing", "option, default first"]]
    for option in options_of(loss):
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
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        written = with_tables(text)
        if check and written != text:
            wrong.append(page.name)
        elif not check:
            page.write_text(written, encoding="utf-8")
    if wrong:
        sys.exit(f"{', '.join(wrong)}: not what csparc.losses.options says; write_tables.py")


if __name__ == "__main__":
    main()
