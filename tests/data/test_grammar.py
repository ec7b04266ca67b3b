"""Captions say what is true, in many ways; changed ones are false; labels fit the words."""

import collections
import itertools
import json
import re

import numpy as np
import pytest
from tolerances import SIGMAS

from csparc.data.scenes import Scenes, grammar
from csparc.data.scenes.forms import fits, holds, tupled
from csparc.data.scenes.scene import COLOURS, GROUNDS, SHAPES, SPLITS, TEXTURES, THREE_SIZES, TIERS
from csparc.data.scenes.wording import NUMBERS, RELATIONS, noun_phrase

SIZE = 600
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
SENTENCE = re.compile(
    r"(there (is one|are (two|three|four|five|six)) \w+"
    r"|(a picture of |there is |an image showing )?"
    r"NP((, i like it)?| (left of|right of|above|below|next to) NP|(, NP)* and NP"
    rf"| on ({'|'.join(GROUNDS)})))"
)
NOUN_PHRASE = re.compile(
    rf"an? (({'|'.join(THREE_SIZES)}) )?(({'|'.join(COLOURS)}) )?(({'|'.join(TEXTURES)}) )?"
    rf"({'|'.join(SHAPES)})\b"
)


@pytest.fixture(
    scope="module", params=[("S", "train"), ("M", "train"), ("M", "seg_test"), ("L", "train")]
)
def told(request):
    """[(scene, its captions)]."""
    tier, split = request.param
    data = Scenes(tier=tier, size=SIZE, split=split)
    return [(data.scene(index), data.labelled_captions(index)) for index in range(SIZE)]


def test_captions_hold_and_differ(told):
    for scene, captions in told:
        assert len({caption.text for caption in captions}) == 5
        for caption in captions:
            assert holds(caption.form, scene), caption.text


def test_captions_are_sentences_of_the_grammar(told):
    for _, captions in told:
        for caption in captions:
            assert SENTENCE.fullmatch(NOUN_PHRASE.sub("NP", caption.text)), caption.text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption.text)


def _false_versions(form, scene):
    """Forms that a change of one part makes false of the scene."""
    kind, *rest = form
    if kind == "count":
        yield (kind, rest[0] + 1, rest[1])
        yield (kind, rest[0] - 1, rest[1])
        return
    if kind == "relation" and rest[0] in INVERSE:
        first, second = rest[1:]
        fit = [[item for item in scene.objects if fits(item, part)] for part in rest[1:]]
        if len(fit[0]) == len(fit[1]) == 1:
            yield (kind, INVERSE[rest[0]], first, second)
            yield (kind, rest[0], second, first)
    absent = {
        "shape": set(SHAPES) - {item.shape for item in scene.objects},
        "colour": set(COLOURS) - {item.colour for item in scene.objects},
    }
    for place, part in enumerate(rest):
        if isinstance(part, tuple):
            for column, name in enumerate(absent):
                for value in absent[name]:
                    changed = (*part[:column], value, *part[column + 1 :])
                    yield (kind, *rest[:place], changed, *rest[place + 1 :])


def test_changed_captions_do_not_hold(told):
    tried = collections.Counter()
    for scene, captions in told:
        for caption in captions:
            for form in _false_versions(caption.form, scene):
                tried[form[0]] += 1
                assert not holds(form, scene), (caption.text, form)
    assert min(tried[kind] for kind in ("exists", "relation", "count")) > 500


def test_captions_of_other_scenes_mostly_do_not_hold(told):
    scenes = [scene for scene, _ in told]
    true = [holds(captions[0].form, other)
            for (_, captions), other in zip(told, scenes[1:])]  # fmt: skip
    assert np.mean(true) < 0.35


def test_labels_fit_the_words(told):
    for scene, captions in told:
        for caption in captions:
            assert len(caption.tokens) == len(caption.pos) == len(caption.offsets)
            for token, (first, last) in zip(caption.tokens, caption.offsets):
                assert caption.text[first:last] == token
            nouns = {part.stop - 1 for part in caption.phrases}
            assert nouns == {
                place
                for place, (token, pos) in enumerate(zip(caption.tokens, caption.pos))
                if pos == "NOUN" and token not in ("picture", "image", *GROUNDS)
            }
            for part in caption.phrases:
                words = caption.tokens[part.start : part.stop]
                for number in part.objects:
                    item = scene.objects[number]
                    assert words[-1].startswith(item.shape)
                    for word in words[1:-1]:
                        assert word in (item.size, item.colour, item.texture, *NUMBERS)


def test_forms_survive_json(told):
    for _, captions in told:
        for caption in captions:
            assert tupled(json.loads(json.dumps(caption.form))) == caption.form


def test_attributes_are_named_as_often_as_promised():
    named, total = collections.Counter(), 0
    for index in range(SIZE):
        for caption in Scenes(split="seg_test").labelled_captions(index):
            phrases = [part for part in caption.form[1:] if isinstance(part, tuple)]
            # Bare noun phrases collide more often, so single ones are redrawn more often.
            if len(phrases) > 1:
                total += len(phrases)
                named.update(("colour", "size", "texture")[place - 1] for part in phrases
                             for place in (1, 2, 3) if part[place])  # fmt: skip
    for name, keep in grammar.KEEP.items():
        spread = np.sqrt(keep * (1 - keep) / total)
        assert abs(named[name] / total - keep) < SIGMAS * spread, name


def test_templates_and_frames_are_mixed_within_a_picture():
    frames, shared = collections.Counter(), 0
    for index in range(SIZE):
        captions = Scenes(split="seg_test").captions(index)
        seen = [NOUN_PHRASE.sub("NP", text) for text in captions]
        shared += len(set(seen)) == 1
        frames.update(seen)
    assert shared < 0.02 * SIZE
    assert max(frames.values()) < 0.15 * 5 * SIZE
    for words in ("like it", *RELATIONS, "and", "are two", "is one", "picture", "showing"):
        assert any(words in frame for frame in frames), words


def test_captions_of_training_never_name_a_held_out_pair():
    for tier, rules in TIERS.items():
        unseen = {(SHAPES[shape], COLOURS[colour]) for colour, shape in rules.unseen_pairs}
        for split in SPLITS:
            data = Scenes(tier=tier, size=200, split=split)
            told = {
                part[:2]
                for index in range(200)
                for caption in data.labelled_captions(index)
                for part in caption.form[1:]
                if isinstance(part, tuple)
            }
            assert bool(told & unseen) == SPLITS[split].unseen


def test_relations_need_their_margins():
    scene = Scenes(split="seg_test").scene(0)
    a, b = scene.objects[0], scene.objects[1]
    phrases = [(item.shape, item.colour, item.size, item.texture) for item in (a, b)]

    def stands(name, dx, dy):
        moved = _Scene([_at(a, 0.5, 0.5), _at(b, 0.5 + dx, 0.5 + dy)])
        return holds(("relation", name, *phrases), moved)

    assert stands("left of", 0.13, 0.0)
    assert not stands("left of", 0.11, 0.0)
    assert stands("left of", 0.2, 0.15)
    assert not stands("left of", 0.2, 0.16)
    assert not stands("left of", -0.2, 0.0)
    assert stands("right of", -0.2, 0.0)
    assert stands("above", 0.1, 0.2)
    assert not stands("above", 0.0, -0.2)
    assert stands("below", 0.0, -0.2)
    assert stands("next to", 0.2, 0.2)
    assert not stands("next to", 0.3, 0.2)


def _at(item, x, y):
    return item.__class__(**{**item.__dict__, "x": x, "y": y})


_Scene = collections.namedtuple("_Scene", "objects")


def test_several_noun_phrases_need_several_objects():
    for index in range(100):
        scene = Scenes().scene(index)
        for item in scene.objects:
            phrase = (item.shape, None, None, None)
            count = sum(other.shape == item.shape for other in scene.objects)
            assert holds(("exists", *[phrase] * count), scene)
            assert not holds(("exists", *[phrase] * (count + 1)), scene)
            assert not holds(("relation", "next to", phrase, phrase), _Scene([item]))


@pytest.mark.parametrize("form", [("absent", 1), ("relation", "inside", (), ())])
def test_unknown_forms_are_refused(form):
    with pytest.raises(ValueError, match="expected exists, relation, count or on"):
        holds(form, Scenes().scene(0))


def test_every_noun_phrase_of_the_vocabulary_is_read_back():
    for shape, colour, size, texture in itertools.product(
        SHAPES, (None, *COLOURS), (None, *THREE_SIZES), (None, *TEXTURES)
    ):
        words = [word for word, _ in noun_phrase(shape, colour, size, texture)]
        assert NOUN_PHRASE.fullmatch(" ".join(words))
