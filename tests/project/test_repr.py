"""Every public object prints as one short line, and its table for a notebook escapes all text."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loss_batches
import numpy as np
import pytest
import small_study
import small_training

import csparc
from csparc import _html, nn
from csparc._repr import LONGEST, fields_line, short
from csparc.checkpoint.checkpoint import load_trained, read_checkpoint
from csparc.cost.model import model_info
from csparc.data import BadItems, Mixed, MixedBatches, ShuffledPairs
from csparc.data.export import export
from csparc.data.loading.alternating import AlternatingLoader
from csparc.data.loading.disk_cache import DiskCache
from csparc.data.loading.loader import Loader
from csparc.data.loading.tally import Tallies
from csparc.data.mixed import Joined
from csparc.data.subset import Subset
from csparc.evaluate import TASKS
from csparc.evaluate.controls import Constant
from csparc.evaluate.diagnose import diagnose
from csparc.evaluate.encode import Pictures, encode_dataset, encode_late
from csparc.evaluate.explain import explain, local_features
from csparc.evaluate.figures import Figures, RetrievalFigures
from csparc.evaluate.placement import PlaceScores
from csparc.features import FrozenFeatures, write_features
from csparc.losses import LOSSES, Sizes, as_loss
from csparc.losses.registry import loss_class
from csparc.models.frozen import OnRows
from csparc.nn.parameter import Panels
from csparc.profile import Profile
from csparc.search import open_index, open_pictures, update_index
from csparc.search.browse import serve
from csparc.study import Results, read_study, report
from csparc.study.clock import Clock
from csparc.study.curves import ComparedCurves
from csparc.study.driver import Driver
from csparc.trainer.averages import Averages
from csparc.weights import write_weights
from csparc.weights.source import Source
from csparc.weights.statement import Tensors

ROOMS = (
    "csparc.cli", "csparc.demo", "csparc._core", "csparc.__main__", "csparc.jax", "csparc.torch",
)  # fmt: skip
"""What holds no objects of ours that a caller keeps."""


def public_classes() -> Iterator[tuple[str, type]]:
    """Every public class of the package that says itself how it prints, exceptions left out."""
    for module in pkgutil.walk_packages(csparc.__path__, "csparc."):
        if module.name.startswith(ROOMS):
            continue
        home = importlib.import_module(module.name)
        listed = getattr(home, "__all__", ())
        for name, found in vars(home).items():
            if not inspect.isclass(found) or issubclass(found, BaseException):
                continue
            own = found.__module__ == home.__name__ and not name.startswith("_")
            says = "__repr__" in vars(found) and not issubclass(found, tuple)
            if name in listed or (own and says):
                yield f"{found.__module__}.{name}", found


PUBLIC = sorted(dict(public_classes()).items())


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> list[Any]:
    """One object at least of each class that does not leave its line to its fields alone."""
    folder = tmp_path_factory.mktemp("run")
    trainer = small_training.trainer(folder, steps=6, save_frequency=3, val_frequency=3)
    result = trainer.run()
    scenes, words = trainer.data, trainer.tokenizer
    preprocess, model, loss = trainer.val_preprocess, trainer.model, trainer.loss
    checkpoint = read_checkpoint(folder / "checkpoints" / "last.safetensors")
    pictures = np.stack([preprocess(scenes.load(i)) for i in range(2)])
    captions = [scenes.captions(i)[0] for i in range(2)]
    ids = words(captions)
    explained = explain(model, words, pictures[0], captions[0], loss)
    local = local_features(model, words, pictures, captions)
    out = model(pictures, ids)
    late = encode_late(model, words, scenes, preprocess)[0]
    run = csparc.fit(scenes, steps=2, batch_size=8, progress="none")
    loader = Loader(scenes, words, preprocess, 8)
    tape, local_towers = nn.Tape(), csparc.create_model("nano-local", seed=None, vocab_size=9)
    clip = csparc.TwoTower(
        dataclasses.replace(
            model.config, global_pool="class", pre_norm=True, projection_bias=False,
            causal=True, text_pool="argmax",
        )
    )  # fmt: skip
    weights = Source(write_weights(clip, folder / "hf", "hf"))
    map_head = nn.MapHead(8, 2, 16, np.dtype("f4"), "gelu", 1e-6)
    made = [
        run, run.result, run.search("a circle")[0], run._search, run.result.counters, trainer,
        trainer.config, trainer.validation, result, scenes, ShuffledPairs(scenes),
        Subset(scenes, range(20)), words, preprocess, loader, loader._work,
        checkpoint, checkpoint.metadata, load_trained(folder),
        model, model.config, model.config.image, out, out.patches, tape, nn.Buffers(),
        model.logit_scale, model.visual, model.text, *_modules(model), explained, local,
        csparc.explain(run, scenes.load(0), captions[0]),
        *_modules(local_towers), map_head, weights, Panels(True),
        Tensors(weights.path, weights.layout, weights.shapes), local.alignment(loss), late,
        encode_dataset(model, words, scenes, preprocess), Pictures(scenes, preprocess, len),
        diagnose(model, words, scenes, preprocess, loss), RetrievalFigures(result.validation),
        Constant(model), PlaceScores(),
        *_several(folder, scenes, words, preprocess), OnRows(model),
        BadItems(), Sizes(1, 2, 3, 4), model_info("nano"), nn.Sequences.equal(1000, 9),
        scenes.scene(0), scenes.labelled_captions(0)[0], *_losses(), trainer._state.optimizer,
        Averages(model.parameters, 0.9),
        *(task() for task in TASKS.values()), *_study(folder), *_index(folder, scenes), Profile(),
        DiskCache(folder / "kept", scenes, preprocess),
    ]  # fmt: skip
    loader.close()
    return made


def _study(folder: Path) -> list[Any]:
    """A study of a long name, its folder, what works on it and what it found."""
    study = read_study(small_study.write(folder, {**small_study.STUDY, "name": "long " * 99}))
    results = Results(folder, study)
    clock = Clock(folder / "clock.json", "training")
    losses = np.ones((1, 2))
    curves = ComparedCurves("long " * 99, "short", (0,), 10, np.array([10, 20]), losses, losses)
    driver = Driver(results, lambda unit: [], 2, 1)
    return [study, results, report(study, []), driver, clock, curves]


def _index(folder: Path, scenes: Any) -> list[Any]:
    """An index of pictures, and its server."""
    spec = export(Subset(scenes, range(3)), "folder", folder / "photos")
    update_index(load_trained(folder), open_pictures(spec), folder / "index", checkpoint=folder)
    index = open_index(folder / "index")
    with serve(index) as server:
        return [index, server]


def _several(folder: Path, scenes: Any, words: Any, preprocess: Any) -> list[Any]:
    """Several data sets, what loads them, and features."""
    sets = [scenes, Subset(scenes, range(20))]
    both, turns = Mixed(sets), MixedBatches(sets)
    loader = AlternatingLoader(turns, words, preprocess, 8)
    tallies = Tallies(both)
    write_features(load_trained(folder), scenes, folder / "features")
    features = FrozenFeatures(folder / "features")
    shard = features._shards[0]
    return [both, turns, Joined(sets), loader, tallies, tallies.each[0], features, shard]


def _modules(model: csparc.TwoTower) -> list[nn.Module]:
    """One module of each kind."""
    found, waiting = [], [model.visual, model.text]
    while waiting:
        here = waiting.pop()
        found.append(here)
        for value in vars(here).values():
            waiting += [one for one in (value if isinstance(value, list) else [value])
                        if isinstance(one, nn.Module)]  # fmt: skip
    return found


class Talkative:
    """An objective of a caller's own, whose line is long."""

    inputs = ("image_global", "text_global")

    def __call__(self, image_global, text_global, *, logit_scale, grad=False):
        raise NotImplementedError

    def config(self) -> dict:
        return {}

    def __repr__(self) -> str:
        return "Talkative(" + "weight=0.123,\n" * 100


def _losses() -> list[Any]:
    """Every loss with its options away from their defaults, and what one returns."""
    losses = [loss_class(name)() for name in LOSSES]
    sparc = csparc.SparcLoss(
        sigma=0.123456789, local_weight=0.3333333333, global_weight=1 / 7, detach_weights=True,
        normalizer="minmax", local_logit_scale=12.3456789,
    )  # fmt: skip
    batch = loss_batches.draw(np.random.default_rng(0))
    return [*losses, as_loss(Talkative()), sparc, sparc(**batch, grad=True, return_weights=True)]


def _is_line(text: str) -> bool:
    return "\n" not in text and len(text) <= LONGEST and "object at 0x" not in text


@pytest.mark.parametrize(("name", "kind"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_every_public_class_prints_as_one_short_line(objects, name, kind):
    assert kind.__repr__ is not object.__repr__, f"{name}: expected a __repr__ of its own"
    if kind.__repr__ is fields_line:
        one = object.__new__(kind)
        for field in dataclasses.fields(kind):
            object.__setattr__(one, field.name, [np.zeros((30, 40))] * 99)
        assert _is_line(repr(one)), repr(one)
        return
    found = [one for one in objects if isinstance(one, kind)]
    assert found, f"{name}: expected one of it among the objects of this test"
    assert [text for text in map(repr, found) if not _is_line(text)] == []


def test_values_are_cut_to_their_size():
    assert short(np.zeros((3, 4), np.float32)) == "float32 [3, 4]"
    assert short(1 / 3) == "0.333333"
    assert short({"a": 1}) == "1 entry"
    assert short([1] * 1000) == "1000 entries"
    assert short(("a", 2.0)) == "('a', 2)"
    assert short("long " * 1000).endswith("...")
    assert short("two\nlines") == r"'two\nlines'"
    assert short(np.float64(2.5)) == "2.5"


def test_a_line_says_that_it_is_cut():
    loss = csparc.SparcLoss(sigma=0.25)
    assert repr(loss) == "SparcLoss(sigma=0.25)"
    config = csparc.TrainConfig(steps=3, out="x" * 300)
    assert repr(config).startswith("TrainConfig(steps=3, out='xxxx")
    assert "..." in repr(config)


def test_tables_for_a_notebook(objects):
    by_type = {type(one).__name__: one for one in objects}
    for name, told in {
        "Fitted": ("held out", "TwoTower(", "R@1"),
        "TwoTower": ("image blocks", "temperature"),
        "LossOutput": ("local_loss", "gradient of patches", "float64 [4, 17, 13]"),
        "RetrievalFigures": ("R@1", "chance", "pictures"),
        "GroundingFigures": ("placement: NOUN: auc", "place correlation"),
        "Explanation": ("<svg", "aria-label=", "SPARC"),
        "PictureExplanation": ("<img", "alt=", "Word contrast"),
    }.items():
        html = by_type[name]._repr_html_()
        assert [word for word in told if word not in html] == [], name
        assert len(html) < 100_000, name


def test_text_in_tables_is_escaped():
    hostile = "<script>alert('&')</script>"
    table = _html.table([[hostile, hostile]], [hostile], hostile)
    drawn = _html.heat_map(np.array([0.0, 1.0]), (1, 2), hostile)
    figures = Figures({hostile: {hostile: hostile}})._repr_html_()
    for html in (table, drawn, figures, _html.paragraph(hostile)):
        assert "<script>" not in html
        assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in html


def test_a_heat_map_has_a_cell_for_each_patch_that_is_seen():
    values = np.array([0.5, 0.0, 1.0, 0.001, 0.0, 0.25])
    drawn = _html.heat_map(values, (2, 3), "word")
    assert drawn.count("<rect") == 3
    assert 'x="2" y="0"' in drawn
    assert 'x="2" y="1" width="1" height="1" fill-opacity="0.25"' in drawn
    assert "<rect" not in _html.heat_map(np.zeros(6), (2, 3), "word")


def test_figures_are_a_dict():
    found = RetrievalFigures({"n_images": 3, "image_to_text_R@1": 100 / 3, "chance": {}})
    assert found == {"n_images": 3, "image_to_text_R@1": 100 / 3, "chance": {}}
    assert json.loads(json.dumps(found)) == found
    assert repr(found) == "RetrievalFigures(n_images=3, image_to_text_R@1=33.3333)"
