"""The control of pairs that do not belong together: every picture has another one's captions.

What a model learns from them owes nothing to the pictures, so what its words select then is what
the objective, the encoder and the habits of the data give by themselves. A false caption that is
true by chance would give more: captions go to pictures that lack what they speak of.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence

import numpy as np

from csparc import _random
from csparc._scalars import choice, whole_number
from csparc.data.dataset import Dataset
from csparc.data.report import BadItems
from csparc.data.source import Source
from csparc.errors import DataError

SHUFFLED, RANDOM = KINDS = ("shuffled", "random")
"""Values of the option ``pairs`` of a specification: captions of a picture that lacks their words,
or of any other."""
BLOCK = 1024
"""Pictures that exchange captions among each other: between this many and twice as many."""
COMMON = 0.5
"""Share of the pictures above which a word tells nothing of them."""
ROUNDS = 8
_STREAM = int.from_bytes(b"shuffle", "big")
_OWN = np.float32(1 << 20)


class ShuffledPairs(Dataset):
    """The pictures of ``dataset``, each with the captions of another one.

    Every caption set goes to one picture, which by its own captions (of generated scenes: by its
    objects) has none of the words of the set, as far as possible: pictures exchange their captions
    as long as that leaves fewer shared words in all. Words of more than half of the pictures are
    not counted. Who exchanges with whom depends on ``seed``, words and order alone.

    A contrast of words then meets a word's false picture without the word, the others with it now
    and then: it learns away from objects. With ``kind="random"`` captions go anywhere else, so that
    false pictures hold a word as often as the others do, and nothing is to be learned.

    Parameters
    ----------
    dataset : Dataset
    seed : int
        Any 64-bit number.
    kind : {"shuffled", "random"}
        To a picture that lacks the words of the captions, or to any other one.

    Attributes
    ----------
    partner : int64 array [N]
        The picture whose captions each picture has.
    sharing : int
        How many pictures still share a word with their false captions.
    common : list of str
        The words that were not counted, as more than half of the pictures have them.

    Raises
    ------
    DataError
        Fewer than two pictures.

    Notes
    -----
    A control of csparc's own, not the SPARC paper's; it is no data to evaluate a model on. Making
    it reads all captions and multiplies matrices of B pictures by the W words of a block: 2 N B W
    operations, and a few passes over B x B counts; B is 1,024 to 2,047.
    """

    def __init__(self, dataset: Dataset, seed: int = 0, kind: str = SHUFFLED) -> None:
        choice(kind, "kind", KINDS)
        self.dataset, self.kind = dataset, kind
        self.seed = whole_number(seed, "seed", low=-(1 << 63), high=(1 << 64) - 1)
        self.spec = re.sub(r";pairs=[^;]*", "", dataset.spec) + f";pairs={kind}:{self.seed}"
        if len(dataset) < 2:
            raise DataError(
                f"{self.spec}: expected at least 2 pictures that exchange captions, found "
                f"{len(dataset)}"
            )
        self.partner, self.sharing, self.common = _exchanged(dataset, self.seed, kind == SHUFFLED)
        self.problems = BadItems(dataset.problems.max_bad)
        self.problems.update(dataset.problems)
        self.problems.note(f"{self.spec}: {self.told}")

    @property
    def told(self) -> str:
        """What these pairs are, in a line."""
        left = f": {listed(self.common)}" if self.common else ""
        return (
            f"every picture has another one's captions (a control); {self.sharing:,} of "
            f"{len(self):,} still share a word with theirs, words of more than half of the "
            f"pictures left out{left}"
        )

    @property
    def pairs_shuffled(self) -> bool:
        """True: no caption is of its picture."""
        return True

    @property
    def generated(self) -> bool:
        """As of the data set behind it."""
        return self.dataset.generated

    @property
    def cacheable(self) -> bool:
        """As of the data set behind it."""
        return self.dataset.cacheable

    def __len__(self) -> int:
        return len(self.dataset)

    def captions(self, index: int) -> list[str]:
        return self.dataset.captions(int(self.partner[index]))

    @property
    def has_hard_negatives(self) -> bool:
        """As of the data set behind it."""
        return self.dataset.has_hard_negatives

    def hard_negatives(self, index: int) -> list[str]:
        return self.dataset.hard_negatives(int(self.partner[index]))

    def name(self, index: int) -> str:
        return self.dataset.name(index)

    @property
    def max_pixels(self) -> int:
        """As of the data set behind it."""
        return self.dataset.max_pixels

    def source(self, index: int) -> Source | None:
        return self.dataset.source(index)

    def load(self, index: int) -> np.ndarray:
        return self.dataset.load(index)

    def said_words(self, index: int) -> frozenset[str]:
        return self.dataset.said_words(int(self.partner[index]))

    def shown_words(self, index: int) -> frozenset[str]:
        return self.dataset.shown_words(index)

    def fingerprint(self) -> str:
        """Of the data set behind it, and of who has whose captions."""
        digest = hashlib.blake2b(self.dataset.fingerprint().encode(), digest_size=16)
        digest.update(self.partner.astype("<i8").tobytes())
        return digest.hexdigest()


def warn_if_shuffled(dataset: Dataset, use: str) -> None:
    """Warn where pairs that do not belong together are to be evaluated on."""
    if dataset.pairs_shuffled:
        warnings.warn(
            f"{dataset.spec}: {use} on captions of other pictures: its figures say nothing of how "
            "good a model is; leave out the option pairs for that",
            stacklevel=3,
        )


def listed(words: Sequence[str], most: int = 8) -> str:
    """The first of some words, and how many more there are."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _exchanged(dataset: Dataset, seed: int, lacking: bool) -> tuple[np.ndarray, int, list[str]]:
    """(whose captions each picture has [N], how many share a word with them, words left out)."""
    count = len(dataset)
    said = [dataset.said_words(index) for index in range(count)]
    shown = [dataset.shown_words(index) for index in range(count)]
    places, common = _places(shown)
    order = _random.permutation(seed, _STREAM, count)
    if not lacking:
        partner = np.empty(count, np.int64)
        partner[order] = np.roll(order, -1)
        sharing = sum(
            any(word in places for word in said[j] & shown[i]) for i, j in enumerate(partner)
        )
        return partner, sharing, common
    partner, sharing = np.empty(count, np.int64), 0
    for block in np.array_split(order, max(1, count // BLOCK)):
        shared = _shared(
            [said[index] for index in block], [shown[index] for index in block], places
        )
        whose = _assigned(shared)
        partner[block] = block[whose]
        sharing += int((shared[np.arange(len(block)), whose] > 0).sum())
    return partner, sharing, common


def _places(shown: Sequence[frozenset[str]]) -> tuple[dict[str, int], list[str]]:
    """A number for every word that some pictures show, and at most half of them; the others."""
    counts: dict[str, int] = {}
    for words in shown:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    words, limit = sorted(counts), COMMON * len(shown)
    kept = [word for word in words if counts[word] <= limit]
    return {w: n for n, w in enumerate(kept)}, [w for w in words if counts[w] > limit]


def _shared(
    said: Sequence[frozenset[str]], shown: Sequence[frozenset[str]], places: dict[str, int]
) -> np.ndarray:
    """How many words picture i shows of those that captions j say: float32 [B, B], counts.

    A picture's own captions share more than any others may.
    """
    used = sorted({places[word] for words in said for word in words if word in places})
    column = {place: n for n, place in enumerate(used)}

    def marked(sets: Sequence[frozenset[str]]) -> np.ndarray:
        rows = np.zeros((len(sets), len(used)), np.float32)
        for row, words in zip(rows, sets):
            row[[column[places[w]] for w in words if places.get(w) in column]] = 1
        return rows

    counts = marked(shown) @ marked(said).T  # whole numbers: exact in any order of summation
    np.fill_diagonal(counts, _OWN)
    return counts


def _assigned(shared: np.ndarray) -> np.ndarray:
    """A permutation [B] without a fixed point whose sum of ``shared`` no exchange of two lowers.

    Each begins with the captions of the next; then, one after another, a picture that shares a word
    exchanges with whoever lowers the sum of both the most, until a round changes nothing.
    """
    count = len(shared)
    whose = np.roll(np.arange(count), -1)
    paid = shared[np.arange(count), whose]
    for _ in range(ROUNDS):
        changed = False
        for i in np.flatnonzero(paid > 0):
            if paid[i] == 0:  # an exchange of this round helped it
                continue
            gain = paid[i] + paid - shared[i, whose] - shared[:, whose[i]]
            gain[i] = 0
            j = int(gain.argmax())
            if gain[j] > 0:
                whose[[i, j]] = whose[[j, i]]
                paid[[i, j]] = shared[[i, j], whose[[i, j]]]
                changed = True
        if not changed:
            break
    return whose
