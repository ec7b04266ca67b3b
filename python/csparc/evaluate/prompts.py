"""The sentences that name a class: single prompts, ensembles of them, and files of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csparc._json import read_json
from csparc._text import show
from csparc.data.scenes import Scenes
from csparc.data.scenes.wording import PREFIXES, TAIL, article
from csparc.errors import DataError

OPENAI_TEMPLATES = (
    "a bad photo of a {}.", "a photo of many {}.", "a sculpture of a {}.",
    "a photo of the hard to see {}.", "a low resolution photo of the {}.", "a rendering of a {}.",
    "graffiti of a {}.", "a bad photo of the {}.", "a cropped photo of the {}.",
    "a tattoo of a {}.", "the embroidered {}.", "a photo of a hard to see {}.",
    "a bright photo of a {}.", "a photo of a clean {}.", "a photo of a dirty {}.",
    "a dark photo of the {}.", "a drawing of a {}.", "a photo of my {}.", "the plastic {}.",
    "a photo of the cool {}.", "a close-up photo of a {}.", "a black and white photo of the {}.",
    "a painting of the {}.", "a painting of a {}.", "a pixelated photo of the {}.",
    "a sculpture of the {}.", "a bright photo of the {}.", "a cropped photo of a {}.",
    "a plastic {}.", "a photo of the dirty {}.", "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.", "a photo of the {}.", "a good photo of the {}.",
    "a rendering of the {}.", "a {} in a video game.", "a photo of one {}.", "a doodle of a {}.",
    "a close-up photo of the {}.", "a photo of a {}.", "the origami {}.",
    "the {} in a video game.", "a sketch of a {}.", "a doodle of the {}.", "a origami {}.",
    "a low resolution photo of a {}.", "the toy {}.", "a rendition of the {}.",
    "a photo of the clean {}.", "a photo of a large {}.", "a rendition of a {}.",
    "a photo of a nice {}.", "a photo of a weird {}.", "a blurry photo of a {}.", "a cartoon {}.",
    "art of a {}.", "a sketch of the {}.", "a embroidered {}.", "a pixelated photo of a {}.",
    "itap of the {}.", "a jpeg corrupted photo of the {}.", "a good photo of a {}.",
    "a plushie {}.", "a photo of the nice {}.", "a photo of the small {}.",
    "a photo of the weird {}.", "the cartoon {}.", "art of the {}.", "a drawing of the {}.",
    "a photo of the large {}.", "a black and white photo of a {}.", "the plushie {}.",
    "a dark photo of a {}.", "itap of a {}.", "graffiti of the {}.", "a toy {}.",
    "itap of my {}.", "a photo of a cool {}.", "a photo of a small {}.", "a tattoo of the {}.",
)  # fmt: skip
"""The 80 templates of ImageNet in OpenAI's CLIP, as published."""
SIMPLE_TEMPLATES = (
    "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.",
    "a {} in a video game.", "art of the {}.", "a photo of the small {}.",
)  # fmt: skip
"""The seven of them that OpenAI's notebook found best."""
SUFFIXES = (
    "I like it.", "It's common in daily life.", "It's not common in daily life.", "It's ugly.",
    "It's cute.", "It's beautiful.",
)  # fmt: skip
"""Those of FILIP (arXiv 2111.07783, appendix), which the paper takes over."""
PROMPTS = ("name", "openai", "simple", "paper")
"""``name``: the bare name, the paper's single prompt. ``openai``: the 80 templates. ``simple``:
seven of them. ``paper``: each of the 80 before each of the six suffixes (its eq. 9)."""


def with_suffixes(templates: Sequence[str], suffixes: Sequence[str] = SUFFIXES) -> tuple[str, ...]:
    """``[prefix]{label}, [suffix]`` of each template and suffix: a final full stop of the template
    is left out, and what it says behind the label stays."""
    return tuple(f"{one.removesuffix('.')}, {end}" for one in templates for end in suffixes)


def templates_of(prompts: str) -> tuple[str, ...] | dict[str, tuple[str, ...]]:
    """The templates of one of `PROMPTS`; a text in which ``{}`` stands for the name of a class; or
    those of a JSON file: a list of such texts, or an object with a list for each class's name.

    Raises
    ------
    DataError
        Neither, or a file of another form.
    """
    if prompts in PROMPTS:
        known = (("{}",), OPENAI_TEMPLATES, SIMPLE_TEMPLATES, with_suffixes(OPENAI_TEMPLATES))
        return known[PROMPTS.index(prompts)]
    if "{}" in prompts:
        return (prompts,)
    if not prompts.lower().endswith(".json"):
        raise DataError(
            f"prompts: expected {', '.join(PROMPTS)}, a text with {{}} for the name or a file of "
            f"templates (.json), found {show(prompts, 60)}"
        )
    record = read_json(prompts, "templates", unique_keys=True)
    if isinstance(record, dict):
        return {name: _checked(entry, f"{prompts} {show(name, 40)}", False)
                for name, entry in record.items()}  # fmt: skip
    return _checked(record, prompts, True)


def _checked(record: object, where: str, marked: bool) -> tuple[str, ...]:
    if not isinstance(record, list) or not record:
        raise DataError(f"{where}: expected a list of templates, found {show(record, 40)}")
    for one in record:
        if not isinstance(one, str) or (marked and "{}" not in one):
            raise DataError(f"{where}: expected a text with {{}} for the name, found {show(one)}")
    return tuple(record)


def sentences(
    names: Sequence[str], templates: Sequence[str] | dict[str, tuple[str, ...]]
) -> list[list[str]]:
    """The sentences of each class; a list of a class of its own may name it without ``{}``.

    Raises
    ------
    DataError
        A class without templates.
    """
    if isinstance(templates, dict):
        missing = [name for name in names if name not in templates]
        if missing:
            raise DataError(f"prompts: expected templates for each class, none for {missing[0]!r}")
        return [[one.replace("{}", name) for one in templates[name]] for name in names]
    return [[one.replace("{}", name) for one in templates] for name in names]


def class_sentences(names: Sequence[str], prompts: str, data: Any) -> list[list[str]]:
    """The sentences of each class of ``data``, as `templates_of` reads ``prompts``.

    Of generated scenes ``paper`` are prefixes and suffixes of their own captions: those of other
    texts would be noise to a model that never read them.
    """
    if prompts != "paper" or not isinstance(data, Scenes):
        return sentences(names, templates_of(prompts))
    return [
        [
            " ".join([*_words(prefix), article(name), name, *_words(tail)]).replace(" ,", ",")
            for prefix in PREFIXES
            for tail in ((), TAIL)
        ]
        for name in names
    ]


def _words(tagged: Sequence[tuple[str, str]]) -> list[str]:
    return [word for word, _ in tagged]
