"""Shuffled pairs, the control: captions go to pictures that lack their words, seeded and hashed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

import csparc
from csparc import data
from csparc.data import BadItems, Dataset, ShuffledPairs
from csparc.data.scenes import Scenes
from csparc.data.scenes.forms import holds
from csparc.data.subset import Subset
from csparc.errors import DataError


class Told(Dataset):
    """Pictures of which nothing is known but their captions."""

    spec = "told"

    def __init__(self, captions: list[list[str]]) -> None:
        self.texts, self.problems = captions, BadItems()

    def __len__(self) -> int:
        return len(self.texts)

    def captions(self, index: int) -> list[str]:
        return self.texts[index]

    def name(self, index: int) -> str:
        return f"picture {index}"

    def load(self, index: int) -> np.ndarray:
        return np.full((4, 4, 3), index, np.uint8)


def drawn(seed: int, pictures: int, words: int, each: int) -> Told:
    rng = np.random.default_rng(seed)
    names = [f"w{n}" for n in range(words)]
    return Told([[f"the {' '.join(rng.choice(names, each))}"] for _ in range(pictures)])


@pytest.mark.parametrize("size", [2, 3, 40, 500])
def test_every_caption_set_goes_to_one_other_picture(size: int) -> None:
    shuffled = ShuffledPairs(drawn(0, size, 30, 4))
    assert sorted(shuffled.partner) == list(range(size))
    assert (shuffled.partner != np.arange(size)).all()
    assert shuffled.captions(0) == shuffled.dataset.captions(int(shuffled.partner[0]))
    assert sorted(shuffled.all_captions()) == sorted(shuffled.dataset.all_captions())
    assert shuffled.name(1) == "picture 1"
    assert (shuffled.load(1) == 1).all()


def test_false_captions_share_no_word_where_that_can_be() -> None:
    plain = drawn(1, 300, 60, 4)
    shuffled = ShuffledPairs(plain)
    assert shuffled.common == ["the"]
    own = [plain.said_words(index) - {"the"} for index in range(300)]
    false = [shuffled.said_words(index) - {"the"} for index in range(300)]
    assert not any(a & b for a, b in zip(own, false))
    assert shuffled.sharing == 0
    assert any(a & b for a, b in zip(own, np.roll(own, 1)))  # which neighbours do not see to


def test_what_still_shares_is_counted_and_least() -> None:
    """Against all permutations."""
    plain = Told([["a b"], ["a c"], ["b c"], ["d"], ["e f"], ["f g"]])
    words = [plain.said_words(index) for index in range(6)]
    least = min(
        sum(len(words[i] & words[j]) for i, j in enumerate(whose))
        for whose in itertools.permutations(range(6))
        if all(i != j for i, j in enumerate(whose))
    )
    for seed in range(10):
        found = ShuffledPairs(plain, seed)
        paid = [len(words[i] & words[j]) for i, j in enumerate(found.partner)]
        assert sum(paid) == least
        assert found.sharing == sum(count > 0 for count in paid)
    crowded = Told([["a b"], ["b a"], ["c"], ["c d"], ["e"]])
    assert "share a word" in ShuffledPairs(crowded).problems.notes()[0]


def test_scenes_show_nothing_that_their_false_captions_name() -> None:
    scenes = Scenes(tier="M", size=400, split="train")
    shuffled = ShuffledPairs(scenes, seed=1)
    assert shuffled.sharing == 0
    assert set(shuffled.common) == {"small", "large", "plain", "striped"}
    true = 0
    for item in range(100):
        false = scenes.labelled_captions(int(shuffled.partner[item]))
        shown = {word for o in scenes.scene(item).objects for word in (o.shape, o.colour)}
        named = {word for caption in false for word in caption.tokens}
        plurals = {"crosses" if word == "cross" else f"{word}s" for word in shown}
        assert not (shown | plurals) & named
        true += sum(holds(caption.form, scenes.scene(item)) for caption in false)
    assert true == 0


def test_captions_that_go_anywhere_share_words_as_often_as_any_do() -> None:
    scenes = Scenes(tier="M", size=600)
    found = data.open("scenes:size=600;pairs=random:3")
    assert found.spec.endswith("split=train;pairs=random:3")
    assert sorted(found.partner) == list(range(600))
    assert (found.partner != np.arange(600)).all()
    shown = [scenes.shown_words(index) - set(found.common) for index in range(600)]
    shared = [len(found.said_words(index) & shown[index]) for index in range(600)]
    assert found.sharing == np.count_nonzero(shared)
    said = [scenes.said_words(index) for index in range(600)]
    usual = [len(said[i] & shown[i - step]) for step in range(1, 40) for i in range(600)]
    assert np.mean(shared) == pytest.approx(np.mean(usual), rel=0.15)
    assert found.fingerprint() != ShuffledPairs(scenes, 3).fingerprint()
    with pytest.raises(ValueError, match="kind"):
        ShuffledPairs(scenes, 3, "mixed")


def test_a_part_of_scenes_knows_its_objects_too() -> None:
    scenes = Scenes(tier="M", size=420)
    part = Subset(scenes, range(20, 420))
    shuffled = ShuffledPairs(part)
    assert shuffled.shown_words(0) == scenes.shown_words(20) >= scenes.said_words(20)
    assert shuffled.sharing == 0


def test_the_seed_decides_and_the_fingerprint_tells() -> None:
    plain = drawn(2, 50, 40, 4)
    one, same, other = (ShuffledPairs(plain, seed) for seed in (1, 1, 2))
    assert (one.partner == same.partner).all()
    assert (one.partner != other.partner).any()
    prints = {plain.fingerprint(), one.fingerprint(), other.fingerprint()}
    assert len(prints) == 3
    assert one.fingerprint() == same.fingerprint()


def test_blocks_are_exchanged_within_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csparc.data.shuffled.BLOCK", 20)
    shuffled = ShuffledPairs(drawn(3, 130, 200, 4))
    assert sorted(shuffled.partner) == list(range(130))
    assert (shuffled.partner != np.arange(130)).all()


def test_the_specification_asks_for_it(tmp_path: Path) -> None:
    opened = data.open("scenes:tier=S;size=9;pairs=shuffled:4;seed=1")
    assert opened.spec == "scenes:tier=S;size=9;seed=1;split=train;pairs=shuffled:4"
    assert isinstance(opened, ShuffledPairs)
    again = data.open(opened.spec)
    assert again.fingerprint() == opened.fingerprint()
    assert opened.generated
    assert not opened.cacheable
    table = tmp_path / "t.csv"
    table.write_text("filepath,title\na.png,one\nb.png,two\n")
    opened = data.open(f"csv:{table};pairs=shuffled;max_captions=1")
    assert opened.spec == f"csv:{table};max_captions=1;pairs=shuffled:0"
    assert opened.captions(0) == ["two"]
    assert data.open(f"csv:{table}", pairs="shuffled:7").seed == 7


def test_hard_negatives_go_with_their_captions(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("filepath,title,hard_negative\na.png,one,no\nb.png,two,never\n")
    plain, opened = (data.open(f"csv:{table}{pairs}") for pairs in ("", ";pairs=shuffled"))
    assert opened.has_hard_negatives
    assert opened.hard_negatives(0) == plain.hard_negatives(1) == ["never"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("scenes:pairs=mixed", "pairs: expected shuffled or random, and :SEED"),
        ("scenes:pairs=shuffled:x", "found 'shuffled:x'"),
        ("scenes:pairs=shuffled:99999999999999999999", "a number of 64 bits"),
        ("scenes:pairs=shuffled;pairs=shuffled", "pairs is given twice"),
        ("scenes:size=1;pairs=shuffled", "at least 2 pictures that exchange captions, found 1"),
    ],
)
def test_what_it_cannot_be_is_said(spec: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        data.open(spec)


def test_evaluation_on_it_warns() -> None:
    pytest.importorskip("tokenizers")
    import small_training

    shuffled = ShuffledPairs(Scenes(tier="S", size=8))
    with pytest.warns(UserWarning, match="validated on captions of other pictures"):
        small_training.trainer(steps=1, val_data=shuffled)


def test_a_fit_holds_out_true_pairs() -> None:
    pytest.importorskip("tokenizers")
    scenes = Scenes(tier="S", size=24)
    run = csparc.fit(
        ShuffledPairs(scenes, 5), steps=1, batch_size=4, progress="none", val_share=0.25
    )
    assert not run.held_out.pairs_shuffled
    first = int(run.held_out.items[0])
    assert run.held_out.captions(0) == scenes.captions(first)
    assert run.data.pairs_shuffled


def test_a_run_on_it_resumes_with_the_same_pairs_alone(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pytest.importorskip("safetensors")
    import small_training

    def run(pairs: str, out: str, **settings):
        opened = data.open(f"scenes:tier=S;size=16{pairs}")
        settings = {"val_data": None, "data": opened, "resume": "latest", **settings}
        trainer = small_training.trainer(tmp_path / out, **settings)
        trainer.run()
        return small_training.weights(trainer)

    whole = run(";pairs=shuffled:1", "whole", steps=6)
    plain = run("", "plain", steps=6)
    assert any((whole[name] != plain[name]).any() for name in whole)
    again = run(";pairs=shuffled:1", "whole", steps=6)
    assert all((whole[name] == again[name]).all() for name in whole)
    for pairs in ("", ";pairs=shuffled:2"):
        with pytest.raises(csparc.errors.CheckpointError, match="with other names or captions"):
            run(pairs, "whole", steps=6)
