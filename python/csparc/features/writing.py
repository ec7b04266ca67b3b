"""What the towers of a model give of a data set, written once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from csparc._arrays import rounded
from csparc._scalars import choice, whole_number
from csparc.checkpoint import file_system
from csparc.checkpoint.checkpoint import Checkpoint
from csparc.checkpoint.folder import write_atomically
from csparc.checkpoint.trained import Trained
from csparc.data.dataset import Dataset
from csparc.data.loading.duplicates import picture_key
from csparc.data.loading.prefetch import decoding_threads, ordered_map
from csparc.data.report import BadItem, BadItems
from csparc.errors import DataError
from csparc.features.manifest import (
    DTYPES,
    MODEL,
    NAME,
    Manifest,
    ShardEntry,
    check_shard,
    read_manifest,
    towers_digest,
)
from csparc.features.shard import Picture, write_shard
from csparc.models import frozen

LOCK = ".lock"
SHARD_SIZE = 256
"""Pictures of a shard: 77 MB of 196 patches of width 768 in bfloat16."""


def write_features(
    trained: Trained,
    dataset: Dataset,
    folder: str | os.PathLike,
    *,
    dtype: str = "bfloat16",
    shard_size: int = SHARD_SIZE,
    batch_size: int = 64,
    source: str = "",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Manifest, BadItems]:
    """Write what the towers give of every picture, caption and hard negative, before any adapter,
    projection or pooling that is trained.

    A folder with unfinished features of the same towers and data is gone on with: its finished
    shards are kept where they are whole. Every file is written whole or not at all.

    Parameters
    ----------
    trained : Trained
        Of `csparc.load_checkpoint`, with a tokenizer.
    dataset : Dataset
    folder : path
        New, empty, or with features of the same.
    dtype : {"bfloat16", "float32"}
        Of the rows on the disk: 2 or 4 bytes a number.
    shard_size : int
        Pictures of the data set in a shard.
    batch_size : int
        Pictures, and texts, that the towers take at a time.
    source : str
        What the manifest calls the model.
    overwrite : bool
        Replace features of other towers or data instead of refusing.
    progress : callable, optional
        Called with (pictures done, pictures in all) after each shard.

    Returns
    -------
    (Manifest, BadItems)
        The pictures that were left out, of the shards that were made now.

    Raises
    ------
    DataError
        Other features are there, another process writes them, or too many pictures are bad.
    OSError
        The folder cannot be written to.
    """
    choice(dtype, "dtype", DTYPES)
    whole_number(shard_size, "shard_size", low=1)
    tokenizer = trained.with_tokenizer(source or "the model").tokenizer
    wanted = Manifest(
        towers=towers_digest(trained.model, tokenizer, trained.preprocess),
        model={"source": source, "config": trained.model.config.to_dict()},
        data={
            "spec": dataset.spec,
            "pictures": len(dataset),
            "fingerprint": dataset.fingerprint(),
        },
        rows=asdict(frozen.RowLayout.of(trained.model.config)),
        dtype=dtype,
        shard_size=shard_size,
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        kept = _kept(folder, wanted, overwrite)
        _write_model(folder, trained)
        towers = _Towers(trained, batch_size)
        with trained.model.prepacked():
            return _written(folder, wanted, kept, towers, dataset, progress)


def _written(
    folder: Path,
    manifest: Manifest,
    kept: dict[str, ShardEntry],
    towers: _Towers,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None,
) -> tuple[Manifest, BadItems]:
    """All shards, those in ``kept`` as they are; the manifest names each once it is whole."""
    report = BadItems(dataset.problems.max_bad)
    report.update(dataset.problems)
    left_out, bad = len(report), 0
    total = len(dataset) + left_out
    for number in range(manifest.shard_count):
        first = number * manifest.shard_size
        indices = range(first, min(first + manifest.shard_size, len(dataset)))
        name = f"shard-{number:05d}.safetensors"
        entry = kept.get(name)
        if entry is None:
            pictures, image, text = towers.rows(dataset, indices, report)
            if manifest.dtype == "bfloat16":
                image, text = rounded(image), rounded(text)
            entry = write_shard(folder / name, pictures, image, text, len(indices))
        bad += entry.pictures - entry.kept
        report.check(total, dataset.spec, left_out + bad)
        manifest = replace(manifest, shards=[*manifest.shards, entry])
        if name not in kept or manifest.complete:
            manifest.write(folder)
        if progress is not None:
            progress(indices.stop, len(dataset))
    return manifest, report


class _Towers:
    """The towers of a model at work on pictures and texts."""

    def __init__(self, trained: Trained, batch_size: int) -> None:
        self._model, self._transform = trained.model, trained.preprocess
        self._tokenizer, self._batch_size = trained.tokenizer, batch_size
        self._layout = frozen.RowLayout.of(trained.model.config)

    def rows(
        self, dataset: Dataset, indices: Sequence[int], report: BadItems
    ) -> tuple[list[Picture], np.ndarray, np.ndarray]:
        """The good pictures among ``indices``, their rows float32 [n,R,C] and those of their texts
        [T,C]; bad ones are reported."""
        pictures, images = [], []
        for batch in _in_batches(self._loaded(dataset, indices, report), self._batch_size):
            pixels = np.stack([found for _, found in batch])
            images.append(frozen.image_rows(self._model, self._transform.normalize(pixels)))
            for index, found in batch:
                pictures.append(
                    Picture(
                        index, dataset.name(index), picture_key(found).hex(),
                        dataset.captions(index), dataset.hard_negatives(index), [],
                    )
                )  # fmt: skip
        texts = [(one, text) for one in pictures for text in (*one.captions, *one.hard_negatives)]
        found = [self._of_texts(batch) for batch in _in_batches(texts, self._batch_size)]
        layout = self._layout
        none = np.zeros((0, layout.image + layout.image_whole, layout.image_width), np.float32)
        wide = [np.asarray(array, np.float32) for array in (none, *images)]
        words = [np.zeros((0, layout.text_width), np.float32), *found]
        return pictures, np.concatenate(wide), np.concatenate(words)

    def _of_texts(self, texts: list[tuple[Picture, str]]) -> np.ndarray:
        """Rows of texts one after the other; each picture is told how many its own have."""
        ids = self._tokenizer([text for _, text in texts])
        mask = self._tokenizer.valid_mask(ids)
        rows = frozen.text_rows(self._model, ids, mask)
        kept = np.ones(rows.shape[:2], bool)
        kept[:, : ids.shape[1]] = frozen.kept_positions(self._model, mask)
        for (picture, _), own in zip(texts, kept):
            picture.rows.append(int(own.sum()))
        return np.asarray(rows[kept], np.float32)

    def _loaded(
        self, dataset: Dataset, indices: Iterable[int], report: BadItems
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Good pictures with their numbers, decoded ahead in threads."""

        def load(index: int) -> np.ndarray | BadItem:
            try:
                return self._transform.augment(self._transform.fixed(dataset.load(index)))
            except BadItem as bad:
                return bad

        ahead = 2 * self._batch_size
        with closing(ordered_map(load, indices, decoding_threads(), ahead)) as found:
            for index, picture in zip(indices, found):
                if isinstance(picture, BadItem):
                    report.add(picture)
                else:
                    yield index, picture


def _kept(folder: Path, wanted: Manifest, overwrite: bool) -> dict[str, ShardEntry]:
    """The whole shards that are there already, of the same towers and data.

    Raises
    ------
    DataError
        Others are there.
    """
    if not (folder / NAME).exists():
        if (others := [path.name for path in folder.iterdir() if path.name != LOCK]) and not (
            set(others) <= {MODEL, f"{MODEL}.tmp", f"{NAME}.tmp"}
        ):
            raise DataError(
                f"{folder}: expected a new or empty folder, or features, found {min(others)}"
            )
        return {}
    try:
        found = read_manifest(folder)
        differs = found.same_work(wanted)
    except DataError:
        if not overwrite:
            raise
        return {}
    if differs is not None:
        if not overwrite:
            raise DataError(
                f"{folder}: expected features of this model and data, or none, found {differs} "
                "asked for where others are; give another folder, or --overwrite (overwrite=True)"
            )
        return {}
    kept = {}
    for entry in found.shards:
        try:
            check_shard(folder, entry)
        except DataError:
            continue
        kept[entry.file] = entry
    return kept


def _write_model(folder: Path, trained: Trained) -> None:
    """The model beside its features: a checkpoint without an optimiser."""
    metadata = replace(trained.metadata, cursor={})
    owned = {} if trained.loss is None else trained.loss.parameters
    loss = {name: parameter.data for name, parameter in owned.items()}
    checkpoint = Checkpoint(metadata, trained.model.state_dict(), loss)
    write_atomically(folder / MODEL, checkpoint.write)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second process from writing to the folder."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        file_system.lock(handle)
        yield
    except BlockingIOError as error:
        raise DataError(
            f"{folder}: expected a folder no one writes to, found another process at it"
        ) from error
    finally:
        os.close(handle)


def _in_batches(items: Iterable, size: int) -> Iterator[list]:
    batch: list = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
