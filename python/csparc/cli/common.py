"""Arguments and small services that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csparc._precision import PRECISIONS
from csparc._scalars import number, whole_number
from csparc.cli import output
from csparc.losses.explains import RULES


def positive_int(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    return _checked(text, int, whole_number, low=1)


def two_or_more(text: str) -> int:
    """An argparse type: a whole number of at least 2."""
    return _checked(text, int, whole_number, low=2)


def positive_float(text: str) -> float:
    """An argparse type: a number above 0."""
    return _checked(text, float, number, above=0)


def port(text: str) -> int:
    """An argparse type: the number of a port; 0 is any that is free."""
    return _checked(text, int, whole_number, low=0, high=65535)


def share(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    return _checked(text, float, number, low=0, high=1)


def _checked(text: str, kind: type, check: Callable[..., Any], **limits: float) -> Any:
    """``text`` as a number that `csparc._scalars` takes; argparse names the argument itself."""
    try:
        value = kind(text)
    except ValueError:
        value = text
    try:
        return check(value, "", **limits)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix(": ")) from None


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=positive_int,
        metavar="N",
        help="threads of the C core (default: CSPARC_NUM_THREADS, "
        "OMP_NUM_THREADS, or one for every processor it may use)",
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="PATH",
        help="a checkpoint, or the folder of a run (its last checkpoint)",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """How a model that encodes multiplies, for every command with one."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="of the products of the model's linear layers, whose sums and weights stay as they "
        f"are (default {PRECISIONS[0]}); bf16 is faster where csparc info says avx512bf16",
    )


def add_data(parser: argparse.ArgumentParser, flag: str = "--data", **options: Any) -> None:
    parser.add_argument(
        flag,
        metavar="SPEC",
        **{
            "required": True,
            "help": "folder:DIR, csv:FILE, tsv:FILE, coco:IMAGES,JSON, "
            "karpathy:IMAGES,JSON,SPLIT, webdataset:FILES or scenes:; options follow as "
            "KEY=VALUE;KEY=VALUE, such as 'scenes:tier=M;size=5000'",
        }
        | options,
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How tables are read and what is forgiven; the spellings are open_clip's where it has them."""
    add_columns(parser)
    parser.add_argument(
        "--max-bad",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="share of bad items that is still accepted (default 0.1)",
    )
    add_outside(parser)
    add_max_pixels(parser)


def add_columns(parser: argparse.ArgumentParser) -> None:
    """How tables are read."""
    parser.add_argument("--csv-img-key", metavar="NAME", help="column of the picture's path")
    parser.add_argument("--csv-caption-key", metavar="NAME", help="column of the caption")
    parser.add_argument("--csv-separator", metavar="C", help="separator of a table")


def columns(arguments: argparse.Namespace) -> dict[str, str | None]:
    """What was asked for by `add_columns`, as the options of `csparc.data.open`."""
    return {
        "img_key": arguments.csv_img_key,
        "caption_key": arguments.csv_caption_key,
        "separator": arguments.csv_separator,
    }


def add_outside(parser: argparse.ArgumentParser) -> None:
    """Whether paths are trusted."""
    parser.add_argument(
        "--allow-outside", action="store_true", help="follow paths that leave the data folder"
    )


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """The limit of a picture's size, for every command that reads pictures."""
    parser.add_argument(
        "--max-pixels",
        type=positive_int,
        metavar="N",
        help="largest picture that is read, width times height (default 89478485)",
    )


def max_pixels(arguments: argparse.Namespace) -> int:
    """The limit that was asked for, or the default."""
    from csparc.data import images

    return images.MAX_PIXELS if arguments.max_pixels is None else arguments.max_pixels


def open_data(spec: str, arguments: argparse.Namespace, **options: Any) -> Any:
    """Open ``spec`` with the options of `add_reading`, and say what its notes tell."""
    data = open_silently(spec, arguments, **options)
    for note in data.problems.notes(warn=False):
        say(note)
    return data


def open_silently(
    spec: str,
    arguments: argparse.Namespace,
    beside: Iterable[str | None] = (),
    **options: Any,
) -> Any:
    """Open ``spec`` with the options of `add_reading`, for a caller that says the notes itself.

    An option that this data set does not take is meant for one of ``beside``, the others of the
    same command, where any of them takes it; else it is an error.
    """
    import csparc.data
    from csparc.data.spec import takes

    others = [other for other in beside if other is not None]
    asked = {
        key: value if takes(spec, key) or not any(takes(other, key) for other in others) else None
        for key, value in columns(arguments).items()
    }
    return csparc.data.open(
        spec,
        allow_outside=arguments.allow_outside,
        max_bad=arguments.max_bad,
        max_pixels=max_pixels(arguments),
        **asked,
        **options,
    )


def say(text: str) -> None:
    """A line on standard error, which holds what is said beside a command's result."""
    output.tell(f"csparc: {text}")


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Whose alignment weights are drawn or measured: `csparc.losses.explains.RULES`."""
    parser.add_argument(
        "--weights",
        choices=RULES,
        default=RULES[0],
        help="the weights of the loss the model was trained with (default), or SPARC's",
    )


def use_threads(count: int | None) -> int:
    """Set the number of threads where one was asked for; return the number in use."""
    import csparc

    if count is not None:
        csparc.set_num_threads(count)
    return csparc.get_num_threads()


def check_writable(path: str | os.PathLike) -> Path:
    """The path of a file to write, after checking that its folder exists and can be written to.

    Raises
    ------
    OSError
        Before any work is done, rather than after it.
    """
    path = Path(path)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected an existing folder for {path.name}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, found a folder")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder}: cannot be written to")
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around the writing of a file: an error names it, and no half of it is left."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; what is no regular file, such as a pipe, as it comes."""
    from csparc.checkpoint.folder import write_text_atomically

    with writing(path):
        if path.exists() and not path.is_file():
            path.write_bytes(text.encode())
        else:
            write_text_atomically(path, text)
