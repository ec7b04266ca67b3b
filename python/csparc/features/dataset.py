"""Features on the disk as a data set to train and validate on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from csparc._repr import line
from csparc._text import show
from csparc.checkpoint.checkpoint import load_trained
from csparc.checkpoint.trained import Trained
from csparc.data.dataset import Dataset
from csparc.data.report import BadItems
from csparc.data.rows import PairRows
from csparc.errors import DataError
from csparc.features.manifest import MODEL, check_shard, read_manifest, towers_digest
from csparc.features.shard import Shard


class FrozenFeatures(Dataset):
    """What the towers gave of every picture and caption of a data set (`write_features`).

    Rows are mapped into memory and read as batches need them. Captions and names are those of the
    data set, which need not be there any more. There are no pictures, so nothing is augmented.

    Parameters
    ----------
    folder : path
    verify : bool
        Read every shard once and compare its checksum before anything else; False looks at sizes
        and headers alone.

    Attributes
    ----------
    manifest : Manifest

    Raises
    ------
    DataError
        No finished features, of another version, or a shard that is missing or damaged.
    """

    cacheable = False

    def __init__(self, folder: str | os.PathLike, verify: bool = True) -> None:
        self.folder = Path(folder)
        self.spec = f"features of {os.fspath(folder)}"
        self.problems = BadItems(1.0)
        self.manifest = manifest = read_manifest(self.folder)
        if not manifest.complete:
            raise DataError(
                f"{self.folder}: expected finished features, found {len(manifest.shards)} of "
                f"{manifest.shard_count} shards; run csparc encode --patches again, which goes on"
            )
        if verify:
            for entry in manifest.shards:
                check_shard(self.folder, entry)
        self._shards = [self._opened(entry.file) for entry in manifest.shards]
        self._places = [
            (shard, place) for shard in self._shards for place in range(len(shard.pictures))
        ]
        texts = (one.hard_negatives for shard in self._shards for one in shard.pictures)
        self._has_hard_negatives = any(texts)

    def __repr__(self) -> str:
        told = f"{len(self):,} pictures", self.manifest.dtype
        return line(self, repr(os.fspath(self.folder)), *told)

    def _opened(self, file: str) -> Shard:
        try:
            return Shard(self.folder / file)
        except (OSError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            found = show(str(error))
            raise DataError(f"{self.folder / file}: expected a shard, found {found}") from error

    def __len__(self) -> int:
        return len(self._places)

    def captions(self, index: int) -> list[str]:
        shard, place = self._places[index]
        return shard.pictures[place].captions

    @property
    def has_hard_negatives(self) -> bool:
        return self._has_hard_negatives

    def hard_negatives(self, index: int) -> list[str]:
        shard, place = self._places[index]
        return shard.pictures[place].hard_negatives

    def name(self, index: int) -> str:
        shard, place = self._places[index]
        return shard.pictures[place].name

    def load(self, index: int) -> np.ndarray:
        raise DataError(f"{self.spec}: expected pictures, found features, which have none")

    @property
    def has_rows(self) -> bool:
        """True: features in place of pictures."""
        return True

    def rows(self, index: int) -> PairRows:
        shard, place = self._places[index]
        return shard.rows(place, self.manifest.rows["text_whole"])

    def load_model(self) -> Trained:
        """The model whose towers gave these features, with tokenizer, transform and loss.

        Raises
        ------
        CheckpointError
            Its file is missing or damaged.
        DataError
            The manifest is of another model.
        """
        trained = load_trained(self.folder / MODEL)
        self.check_model(trained)
        return trained

    def check_model(self, trained: Trained) -> None:
        """Refuse a model whose towers, tokenizer or transform are not those that gave these
        features; its heads may be any.

        Raises
        ------
        DataError
        """
        tokenizer = trained.with_tokenizer(str(self.folder)).tokenizer
        self.check_towers(towers_digest(trained.model, tokenizer, trained.preprocess))

    def check_towers(self, digest: str) -> None:
        """The same, of `csparc.features.manifest.towers_digest`."""
        if digest != self.manifest.towers:
            raise DataError(
                f"{self.folder}: expected features of this model's towers, {digest}, found those "
                f"of others, {self.manifest.towers}: towers, tokenizer and preprocessing must be "
                "the same"
            )

    def fingerprint(self) -> str:
        """Of names and texts, of the towers, and of how their rows are kept."""
        told = [super().fingerprint(), self.manifest.towers, self.manifest.dtype]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()
