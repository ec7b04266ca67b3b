"""Generated scenes: golden bits, determinism, labels, hold-out, disjoint splits, statistics."""

import hashlib
import itertools
import json

import numpy as np
import pytest
from scene_reference import BLACK, signed_distance
from tolerances import OUTLINE, SIGMAS

import csparc.data
from csparc import _core
from csparc.data.scenes import Scenes
from csparc.data.scenes import scene as scenery
from csparc.data.scenes.scene import COLOURS, PALETTE, SHAPES, SPLITS, TIERS, Scene
from csparc.errors import DataError


def _golden(tier, split):
    """SHA-256 of 64 scenes: pixels, instance ids, captions with their labels."""
    data, digest = Scenes(tier=tier, size=64, seed=20240115, split=split), hashlib.sha256()
    for index in range(64):
        scene = data.scene(index)
        digest.update(scene.pixels.tobytes())
        digest.update(scene.instance.tobytes())
        for caption in data.labelled_captions(index):
            phrases = [(part.start, part.stop, part.objects) for part in caption.phrases]
            labels = [caption.text, caption.pos, phrases, caption.form]
            digest.update(json.dumps(labels).encode())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("tier", "split", "expected"),
    [
        ("S", "train", "3646177758041a7c4c321a895b1ebc2e8fb336d6e64eb8e8b08d68e3b2d57500"),
        ("M", "train", "6a7fee2a2446da1c21d7f4ef576432d2ae6df5938e704ee7af17b769dc0241d1"),
        ("L", "train", "5c6396cd06966472a79e43af81ff55277f33cae85c76e714b54fc7de1cfdd5ca"),
        ("M", "zs_unseen", "082fa3509c438994e758a7ac50cfea3c20cb215db571fcce93fb734862461bd5"),
    ],
)
def test_golden_scenes(tier, split, expected):
    """The same bits on every machine, compiler and NumPy; a change alters everybody's data."""
    assert _golden(tier, split) == expected


def test_scenes_depend_on_nothing_but_their_number():
    data = Scenes(size=300)
    batch = data.load_batch(range(300))
    np.testing.assert_array_equal(batch[::-1], data.load_batch(range(299, -1, -1)))
    np.testing.assert_array_equal(batch[17], data.load(17))
    np.testing.assert_array_equal(batch[17], Scenes(size=18).load(17))
    assert data.captions(17) == Scenes(size=18).captions(17)
    threads = _core.get_num_threads()
    try:
        for count in (1, 2, 3, 7):
            _core.set_num_threads(count)
            np.testing.assert_array_equal(batch, data.load_batch(range(300)))
    finally:
        _core.set_num_threads(threads)


def test_seeds_splits_and_tiers_differ():
    first = Scenes(size=20).load_batch(range(20))
    for other in ({"seed": 1}, {"seed": 2**64 - 1}, {"split": "val"}):
        equal = np.all(first == Scenes(size=20, **other).load_batch(range(20)), axis=(1, 2, 3))
        assert not equal.any()
    assert Scenes(tier="S").load(0).shape == (32, 32, 3)
    assert Scenes(tier="M").load(0).dtype == np.uint8


@pytest.mark.parametrize("tier", TIERS)
def test_masks_agree_with_the_outlines(tier):
    """Instance ids against a floating-point renderer, wherever no outline is within a hair."""
    side, differ = TIERS[tier].side, 0
    data = Scenes(tier=tier, size=200)
    for index in range(200):
        scene = data.scene(index)
        expected, certain = np.zeros((side, side), int), np.ones((side, side), bool)
        for item in scene.objects:
            distance = signed_distance(item, side)
            expected[distance < 0] = item.number + 1
            certain &= np.abs(distance) > OUTLINE
        differ += np.sum((scene.instance != expected) & certain)
        assert certain.mean() > 0.9
    assert differ == 0


def test_opacity_falls_linearly_across_an_outline():
    white = [[SHAPES.index("bar"), COLOURS.index("white"), 1, 0, 0, 0, 600, 0, 256, *[0] * 5]]
    seen = []
    for shift in range(0, 65, 8):  # the bar's upper edge moves by one pixel in eighths
        record = np.array([white], np.int32)
        record[0, 0, 4:6] = 32 * 64, 32 * 64 + shift
        pixels, _ = scenery.render("M", record, BLACK[None])
        seen.append(int(pixels[0, :32, 32, 0].sum(dtype=int)))
    steps = -np.diff(seen)
    assert steps.min() > 0
    np.testing.assert_allclose(steps, 245 / 8, atol=4)


@pytest.mark.parametrize("tier", TIERS)
def test_boxes_areas_and_visibility(tier):
    data = Scenes(tier=tier, size=500)
    for index in range(500):
        scene = data.scene(index)
        assert scene.masks.shape == (len(scene.objects), *scene.instance.shape)
        for item, mask, box in zip(scene.objects, scene.masks, scene.boxes):
            rows, columns = np.nonzero(mask)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == tight
            whole = np.sum(signed_distance(item, TIERS[tier].side) < -OUTLINE)
            least = 0.99 - TIERS[tier].hidden / 256
            assert item.area == mask.sum() >= max(12, least * whole)


def test_colours_in_pictures_are_those_named():
    palette = np.array(list(PALETTE.values()), float)
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(palette, 2)]
    assert min(gaps) > 100
    data = Scenes(size=300)
    for index in range(300):
        scene = data.scene(index)
        for item, mask in zip(scene.objects, scene.masks):
            if item.texture == "plain":
                colour = np.median(scene.pixels[mask], axis=0)
                nearest = np.argmin(np.linalg.norm(palette - colour, axis=1))
                assert COLOURS[nearest] == item.colour


def test_stripes_are_two_inks_and_plain_is_one():
    data = Scenes(size=300)
    for index in range(100):
        scene = data.scene(index)
        item, mask = scene.objects[-1], scene.masks[-1]  # the topmost: no other's edge on it
        inside = mask & (signed_distance(item, 64) < -0.6)
        inks = len(np.unique(scene.pixels[inside], axis=0))
        assert inks == (1 if item.texture == "plain" else 2)


def _counts(data, read):
    found = {}
    for index in range(len(data)):
        for value in read(data.scene(index)):
            found[value] = found.get(value, 0) + 1
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_everything_occurs_equally_often(tier):
    """Object counts, and over all objects shapes, colours, sizes and textures (train split)."""
    rules, data = TIERS[tier], Scenes(tier=tier, size=3000)
    objects = _counts(data, lambda scene: [len(scene.objects)])
    assert sorted(objects) == list(range(1, rules.max_objects + 1))
    # Crowded draws are rejected more often than single objects, the more so the less may be hidden.
    crowded = rules.hidden < 128
    assert max(objects.values()) / min(objects.values()) < (2.5 if crowded else 1.35)
    shapes = _counts(data, lambda scene: [item.shape for item in scene.objects])
    colours = _counts(data, lambda scene: [item.colour for item in scene.objects])
    assert set(shapes) == set(SHAPES[: rules.shapes])
    assert set(colours) == set(COLOURS[: rules.colours])
    pairs = len(rules.seen_pairs)
    for found, names, column in ((colours, COLOURS, 0), (shapes, SHAPES, 1)):
        for number, name in enumerate(names[: rules.shapes]):
            share = sum(pair[column] == number for pair in rules.seen_pairs) / pairs
            total = sum(found.values())
            spread = np.sqrt(total * share * (1 - share))
            assert abs(found[name] - total * share) < SIGMAS * spread + 0.03 * total * share
    sizes = _counts(data, lambda scene: [(item.size, item.texture) for item in scene.objects])
    assert len(sizes) == len(rules.radius) * rules.textures
    assert min(sizes.values()) > (0.6 if crowded else 0.85) * max(sizes.values())


def test_sizes_are_disjoint_ranges_and_places_cover_the_picture():
    radius, places = {"small": [], "large": []}, []
    for index in range(1000):
        for item in Scenes().scene(index).objects:
            radius[item.size].append(64 * item.radius)
            places.append((item.x, item.y))
            assert abs(item.angle) <= 0.3 + 1e-4
    assert 6.0 <= min(radius["small"]) < max(radius["small"]) <= 7.0
    assert 8.5 <= min(radius["large"]) < max(radius["large"]) <= 10.0
    cells = np.histogram2d(*np.transpose(places), bins=4, range=[(0, 1), (0, 1)])[0]
    assert cells.min() > 0.6 * cells.mean()


@pytest.mark.parametrize("tier", TIERS)
def test_held_out_pairs_are_only_where_they_belong(tier):
    rules = TIERS[tier]
    unseen = {(COLOURS[c], SHAPES[s]) for c, s in rules.unseen_pairs}
    assert len(unseen) == rules.held_out <= rules.colours * rules.shapes / 8
    assert len({colour for colour, _ in unseen}) == len({shape for _, shape in unseen})
    for split, stream in SPLITS.items():
        data = Scenes(tier=tier, size=400, split=split)
        pairs = set(_counts(data, lambda s: [(item.colour, item.shape) for item in s.objects]))
        assert pairs <= unseen if stream.unseen else not pairs & unseen
        assert len(pairs) >= (len(unseen) if stream.unseen else 0.7 * len(rules.seen_pairs))


def _key(tier, scene):
    """The objects with their places to 1/16 of the side, computed apart from the C core."""
    return frozenset(
        (item.shape, item.colour, item.size, item.texture, int(16 * item.x), int(16 * item.y))
        for item in scene.objects
    )


@pytest.mark.parametrize(("tier", "size"), [("S", 2000), ("M", 2000), ("L", 400)])
def test_no_scene_occurs_in_two_splits(tier, size):
    keys = {}
    for split in SPLITS:
        for seed in (0, 1):
            data = Scenes(tier=tier, size=size, seed=seed, split=split)
            found = {_key(tier, data.scene(index)) for index in range(size)}
            keys[split] = keys.get(split, set()) | found
    for first, second in itertools.combinations(SPLITS, 2):
        assert not keys[first] & keys[second], (first, second)
    assert all(len(found) >= 20 for found in keys.values())


def test_textures_darken_a_part_of_an_object():
    """Scenes of tier L in even light without noise: two inks, except where nothing is darkened."""
    dark = {"striped": (0.3, 0.7), "dotted": (0.1, 0.45), "checked": (0.3, 0.7)}
    record, ground = scenery.draw("L", "train", 0, np.arange(60))
    ground[:, 4:] = 256, 0, 0
    for row, bottom in zip(record, ground):
        scene = Scene("L", row, bottom)
        item, mask = scene.objects[-1], scene.masks[-1]
        inside = mask & (signed_distance(item, 128) < -0.6)
        inks, counts = np.unique(scene.pixels[inside], axis=0, return_counts=True)
        assert len(inks) == (1 if item.texture == "plain" else 2), item
        if item.texture != "plain" and item.size == "large":
            low, high = dark[item.texture]
            assert low < counts[np.argmin(inks.sum(axis=1))] / counts.sum() < high, item


def test_grounds_are_two_bands_in_varying_light():
    data = Scenes(tier="L", size=400)
    scenes = [data.scene(index) for index in range(400)]
    met = {scene.bands for scene in scenes}
    assert len(met) == 30
    assert all(above != below for above, below in met)
    assert {scene.horizon for scene in scenes} == set(range(48, 81))
    lights, noise = np.array([scene.ground[4:6] for scene in scenes]).T
    assert 218 <= lights.min() < 230 < 280 < lights.max() <= 294
    assert set(noise) == {6}
    for scene in scenes[:20]:
        for item in scene.objects:
            assert scene.stands_on(item) == scene.bands[item.y * 128 >= scene.horizon]
        even = scene.ground.copy()
        even[4:6] = 256, 0
        plain = Scene("L", scene.record, even).pixels.astype(int)
        lit = np.minimum(plain * scene.ground[4] // 256, 255)
        difference = scene.pixels.astype(int) - lit
        kept = (lit > 8) & (lit < 247)
        assert np.abs(difference[kept]).max() <= 7
        assert abs(difference[kept].mean()) < 0.5
    assert Scenes().scene(0).bands is None
    assert Scenes().scene(0).stands_on(Scenes().scene(0).objects[0]) is None


def test_splits_for_single_objects_and_segmentation():
    for split in ("zs_seen", "zs_unseen"):
        data = Scenes(size=200, split=split)
        assert all(len(data.scene(index).objects) == 1 for index in range(200))
    data = Scenes(size=200, split="seg_test")
    for index in range(200):
        assert len({item.shape for item in data.scene(index).objects}) >= 2


def test_specification_round_trip_and_defaults():
    data = csparc.data.open("scenes:tier=S;size=7;seed=3;split=val")
    assert (data.tier, len(data), data.seed, data.split) == ("S", 7, 3, "val")
    assert data.spec == "scenes:tier=S;size=7;seed=3;split=val"
    assert Scenes.from_spec("").spec == "scenes:tier=M;size=20000;seed=0;split=train"
    assert data.name(6) == "val/6"
    with pytest.raises(IndexError, match="scene 7 of 7"):
        data.load(7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tier=X", "tier: expected 'S', 'M' or 'L', found 'X'"),
        ("split=dev", "split: expected 'train', 'val', .*found 'dev'"),
        ("size=0", "size: expected a whole number from 1 to"),
        ("size=many", "size: expected a whole number, found 'many'"),
        ("seed=", "seed: expected a whole number, found ''"),
        ("seed=18446744073709551616", "seed: expected a whole number from .*, found 1844"),
        ("colour=red", "expected the options tier, size, seed, split as .*, found 'colour=red'"),
        ("tier=M,size=8", "KEY=VALUE;KEY=VALUE, found 'tier=M,size=8'"),
    ],
)
def test_wrong_specifications_are_named(text, message):
    with pytest.raises(DataError, match=message):
        Scenes.from_spec(text)
