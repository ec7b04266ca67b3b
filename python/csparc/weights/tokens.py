"""The tokenizer that belongs to weights, from the files beside them or one that is given.

open_clip and transformers clean and pad captions differently; whose configuration lies beside the
weights decides. `csparc.data.tokenizer.Tokenizer` has what both do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csparc._json import read_json
from csparc._text import show
from csparc.checkpoint.safetensors_file import refuse
from csparc.data.token_models import EOT, SOT, clip_bpe, find_special, stored
from csparc.errors import CheckpointError, DataError
from csparc.models import ModelConfig
from csparc.weights import open_clip

if TYPE_CHECKING:
    from csparc.data.tokenizer import Tokenizer

VOCAB, MERGES, TOKENIZER = "vocab.json", "merges.txt", "tokenizer.json"
CLIP_MERGES = ("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt")
SETTINGS = "tokenizer_config.json"
_CLEANED_BY = {"SiglipTokenizer": "no_punctuation", "Siglip2Tokenizer": "lower"}
"""By transformers' class of a tokenizer, which tokenizer_config.json names; others clean nothing
that tokenizer.json does not say."""
_PADS_WITH_END = "</s>"
"""The end token of SigLIP's first vocabulary, which is its padding, too."""


def beside(
    path: str, config: ModelConfig, given: str | os.PathLike | None = None
) -> Tokenizer | None:
    """The tokenizer of the weights in the file ``path``: that in ``given``, or what lies beside
    them; None where nothing does.

    Raises
    ------
    CheckpointError
        The tokenizer cannot be read, or does not fit the model.
    """
    folder = Path(path).parent
    if given is None:
        ours = folder / open_clip.CONFIG
        names = (*CLIP_MERGES, MERGES, TOKENIZER) if ours.is_file() else (TOKENIZER, MERGES)
        given = next((folder / name for name in names if _usable(folder / name)), None)
    return None if given is None else read(given, config)


def _usable(path: Path) -> bool:
    """Whether a file is there, and merges have their vocabulary beside them."""
    return path.is_file() and (path.name != MERGES or (path.parent / VOCAB).is_file())


def read(path: str | os.PathLike, config: ModelConfig) -> Tokenizer:
    """A tokenizer.json, a merges.txt or vocab.json (each beside the other), or CLIP's own merges,
    as the tokenizer of a model.

    Raises
    ------
    CheckpointError
        The tokenizer cannot be read, or does not fit the model.
    """
    path = Path(path)
    try:
        made = _read(path, config)
    except (DataError, ValueError, OSError) as error:
        found = show(str(error), 160)
        raise CheckpointError(f"{path}: expected a tokenizer, found: {found}") from error
    if made.vocab_size > config.vocab_size:
        expected = f"a tokenizer of at most {config.vocab_size} entries, the model's"
        refuse(path, expected, f"{made.vocab_size}")
    return made


def _read(path: Path, config: ModelConfig) -> Tokenizer:
    from csparc.data.tokenizer import Tokenizer

    folder, length = path.parent, config.context_length
    theirs = folder / open_clip.CONFIG
    settings = _record(folder / SETTINGS)
    if path.name in CLIP_MERGES:
        return Tokenizer(clip_bpe(os.fspath(path), None), length, html_unescape=True)
    as_open_clip = theirs.is_file()
    if path.name in (MERGES, VOCAB):
        backend = clip_bpe(os.fspath(folder / MERGES), os.fspath(folder / VOCAB))
    else:
        backend = stored(json.dumps(read_json(path, "a tokenizer.json")), os.fspath(path))
    if config.global_pool != "map":
        pad = 0 if as_open_clip else _pad(backend, settings, 0)
        begin = find_special(backend, os.fspath(path), "begin", None, "sot_token")
        end = EOT if begin == SOT else find_special(backend, os.fspath(path), "end", None, "eot")
        return Tokenizer(backend, length, begin, end, as_open_clip, pad)
    end = find_special(backend, os.fspath(path), "end", None, "eot_token")
    usual = end if end == _PADS_WITH_END else "<pad>"
    pad = _pad(backend, settings, backend.token_to_id(usual) or 0)
    clean = _CLEANED_BY.get(settings.get("tokenizer_class"), "none")
    if as_open_clip:
        clean = _open_clips_cleaning(theirs)
    return Tokenizer(backend, length, None, end, as_open_clip, pad, clean)


def _pad(backend: Any, settings: Mapping[str, Any], otherwise: int) -> int:
    """Id of the padding that tokenizer_config.json names."""
    token = settings.get("pad_token")
    if isinstance(token, dict):
        token = token.get("content")
    found = backend.token_to_id(token) if isinstance(token, str) else None
    return otherwise if found is None else found


def _record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    record = read_json(path, "a tokenizer's settings in JSON")
    if not isinstance(record, dict):
        raise DataError(f"{path}: expected an object, found {show(record)}")
    return record


def _open_clips_cleaning(path: Path) -> str:
    """``clean`` of the tokenizer in open_clip's configuration; its default trims blanks alone."""
    model = _record(path).get("model_cfg")
    text = model.get("text_cfg") if isinstance(model, dict) else None
    options = text.get("tokenizer_kwargs") if isinstance(text, dict) else None
    clean = options.get("clean", "whitespace") if isinstance(options, dict) else "whitespace"
    known = {"canonicalize": "canonicalize", "lower": "lower", "whitespace": "none"}
    if clean not in known:
        raise DataError(f"{path}: expected clean {' or '.join(known)}, found {show(clean)}")
    return known[clean]
