"""Scenes as benchmarks of choice: which class, which of two captions, which picture for which."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from csparc.data.export.corruptions import CORRUPTIONS, corrupted
from csparc.data.export.pictures import PICTURES, Job, Written, lines_of, png
from csparc.data.readers.labelled import SEVERITIES
from csparc.data.scenes.changes import CHANGES, changed, evened, exchanged
from csparc.data.scenes.dataset import Scenes
from csparc.errors import DataError


def _scenes(job: Job, kind: str) -> Scenes:
    if not isinstance(job.dataset, Scenes):
        raise DataError(
            f"export: expected generated scenes (scenes:...) for {kind}, found {job.dataset.spec}"
        )
    return job.dataset


def imagenet(job: Job) -> Written:
    """A folder a class, ``classnames.json`` from its name to the class's: scenes of one object, by
    colour and shape."""
    for _, name, folder, pixels in _classified(job, "imagenet"):
        _save(job, f"{folder}/{name}.png", pixels)
    return Written("imagenet", ("",))


def imagenet_c(job: Job) -> Written:
    """The same under each of `CORRUPTIONS` in each severity, as ImageNet-C has them:
    ``CORRUPTION/SEVERITY/CLASS/NAME.png``."""
    for index, name, folder, pixels in _classified(job, "imagenet-c"):
        for kind in CORRUPTIONS:
            for severity in SEVERITIES:
                found = corrupted(pixels, kind, int(severity), index)
                _save(job, f"{kind}/{severity}/{folder}/{name}.png", found)
    return Written("imagenet", ("",))


def _classified(job: Job, kind: str) -> Iterator[tuple[int, str, str, np.ndarray]]:
    """Number, name, folder of the class and pixels of each scene; ``classnames.json`` follows the
    last."""
    scenes, folders = _scenes(job, kind), {}
    classes = [f"{c} {s}" for c in scenes.label_names("colour") for s in scenes.label_names()]
    for index, name, pixels in job.loaded():
        objects = scenes.scene(index).objects
        if len(objects) != 1:
            raise DataError(
                f"export: expected scenes of one object for {kind}, such as split=zs_seen, found "
                f"{len(objects)} in {scenes.name(index)}"
            )
        own = classes.index(f"{objects[0].colour} {objects[0].shape}")
        folder = f"n{own:08d}"
        folders[folder] = classes[own]
        yield index, name, folder, pixels
    job.write_json("classnames.json", dict(sorted(folders.items())))


def _save(job: Job, name: str, pixels: np.ndarray) -> None:
    path = job.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(pixels))


def sugarcrepe(job: Job) -> Written:
    """SugarCrepe: for each kind of change a file of pictures with a true caption, and the same
    changed so that it is false. Numbers are evened out, since one is true more often than two."""
    scenes = _scenes(job, "sugarcrepe")
    records: dict[str, list[dict[str, str]]] = {kind: [] for kind in CHANGES}
    for index, file, _ in job.pictures():
        captions = scenes.labelled_captions(index)
        # The highest number first, as there are too few captions of several.
        by_number = sorted(captions, key=lambda one: -_number(one.form))
        for kind, of_kind in records.items():
            for caption in by_number if kind == "replace_count" else captions:
                false = changed(scenes.scene(index), caption, kind, turn=index)
                if false is not None:
                    of_kind.append(
                        {"filename": file, "caption": caption.text, "negative_caption": false}
                    )
                    break
    records["replace_count"] = evened(_both_ways(records["replace_count"]))
    for kind, of_kind in records.items():
        if of_kind:
            job.write_json(f"{kind}.json", {str(n): one for n, one in enumerate(of_kind)})
    return Written("sugarcrepe", (PICTURES, ""))


def _number(form: tuple) -> int:
    return form[1] if form[0] == "count" else 0


def _both_ways(records: list[dict[str, str]]) -> list[tuple[list, list]]:
    """Those in which one text is true and another false, and those in which it is the reverse."""
    found: dict[frozenset, tuple[list, list]] = {}
    for one in records:
        true, false = one["caption"], one["negative_caption"]
        found.setdefault(frozenset((true, false)), ([], []))[true < false].append(one)
    return list(found.values())


def winoground(job: Job) -> Written:
    """Winoground: ``examples.jsonl`` with pairs of scenes in which two objects exchange their
    colours, and a caption of each; scenes without two such objects have none."""
    scenes, lines = _scenes(job, "winoground"), []
    folder = job.root / PICTURES
    folder.mkdir()
    for index, _, pixels in job.loaded():
        found = exchanged(scenes.scene(index))
        if found is None:
            continue
        other, captions = found
        number = len(lines)
        names = [f"ex_{number}_img_{side}" for side in (0, 1)]
        for name, side in zip(names, (np.asarray(pixels), other.pixels)):
            (folder / f"{name}.png").write_bytes(png(side))
        record = {"id": number, "image_0": names[0], "image_1": names[1]}
        record |= {"caption_0": captions[0], "caption_1": captions[1]}
        lines.append(json.dumps(record | {"tag": "Adjective-Color", "collapsed_tag": "Object"}))
    if not lines:
        raise DataError(
            "export: expected a scene of two objects of other colours and shapes for winoground, "
            f"found none in {scenes.spec}"
        )
    job.write_text("examples.jsonl", lines_of(lines))
    return Written("winoground", ("",))
