"""``csparc search``: the pictures of an index that fit a sentence or a picture."""

from __future__ import annotations

import argparse
import json
from typing import Any

from csparc._scalars import sentence
from csparc.cli import common
from csparc.search.options import BACKENDS, EXACT


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "search",
        parents=[shared],
        help="find pictures with a sentence or a picture",
        description="Print the pictures of an index (csparc index) that are nearest to a sentence, "
        "to a picture, or to the middle between the two.",
    )
    add_index(parser)
    parser.add_argument("sentence", nargs="?", metavar="SENTENCE", help="what to look for")
    parser.add_argument("--image", metavar="FILE", help="a picture to look for the like of")
    parser.add_argument("--k", type=common.positive_int, default=9, metavar="N", help="default 9")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="print JSON")
    kinds.add_argument(
        "--html", metavar="FILE", help="write a page with the pictures that loads nothing"
    )
    common.add_threads(parser)
    parser.set_defaults(run=run)


def add_index(parser: argparse.ArgumentParser) -> None:
    """Which index, with which model, where its pictures are."""
    parser.add_argument("index", metavar="DIR", help="an index, as csparc index wrote it")
    parser.add_argument(
        "--checkpoint", metavar="PATH", help="where its model is, if not where the index says"
    )
    parser.add_argument(
        "--root", metavar="DIR", help="where its pictures are, if they were moved since"
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default=EXACT,
        help="who looks for the nearest: NumPy (default), or faiss (csparc[faiss]); the answers "
        "are equal",
    )
    common.add_precision(parser)


def open_asked(arguments: argparse.Namespace) -> Any:
    """The index that the arguments of `add_index` name."""
    from csparc.search import open_index

    index = open_index(
        arguments.index,
        model=arguments.checkpoint,
        root=arguments.root,
        backend=arguments.backend,
    )
    index.model.model.precision = arguments.precision
    return index


def run(arguments: argparse.Namespace) -> int:
    if arguments.sentence is None and arguments.image is None:
        raise ValueError("sentence: expected a sentence, --image or both, found neither")
    if arguments.sentence is not None:
        sentence(arguments.sentence, "sentence")
    out = None if arguments.html is None else common.check_writable(arguments.html)
    from csparc.data import images

    common.use_threads(arguments.threads)
    image = None if arguments.image is None else images.read(arguments.image, arguments.image)
    index = open_asked(arguments)
    if out is not None or arguments.root is not None:
        index.check_root()
    hits = index.search(arguments.sentence, arguments.k, image=image)
    if arguments.json:
        print(json.dumps(_record(arguments, index, hits), indent=1))
    elif out is not None:
        from csparc.checkpoint.folder import write_text_atomically
        from csparc.search.results_page import results_page

        told = " + ".join(filter(None, (arguments.sentence, arguments.image)))
        write_text_atomically(out, results_page(index, hits, told))
        print(out)
    else:
        for rank, hit in enumerate(hits, 1):
            caption = f"  {hit.captions[0]}" if hit.captions else ""
            print(f"{rank:>{len(str(len(hits)))}}  {hit.score:6.3f}  {hit.name}{caption}")
    return 0


def _record(arguments: argparse.Namespace, index: Any, hits: list) -> dict[str, Any]:
    found = [
        {
            "rank": rank,
            "index": hit.index,
            "score": hit.score,
            "path": hit.name,
            "captions": hit.captions,
        }
        for rank, hit in enumerate(hits, 1)
    ]
    return {
        "sentence": arguments.sentence,
        "image": arguments.image,
        "pictures": len(index),
        "root": index.root,
        "hits": found,
    }
