"""The demo's page: complete in itself, well formed, escaped, and honest about what it shows."""

import dataclasses

import numpy as np
import pytest
from page_figures import GROUNDING, PLACEMENT
from page_outline import Outline, assert_loads_nothing

pytest.importorskip("PIL")

from csparc.demo.page.page import render, write_page
from csparc.demo.page.result import Alignment, DemoResult, Hit, ImageSearch, TextSearch
from csparc.demo.page.svg import line_chart

NASTY = "<script>alert(\"x\")</script> & 'quoted'"
RETRIEVAL = {
    f"{direction}_{name}": value
    for direction in ("image_to_text", "text_to_image")
    for name, value in (
        ("R@1", 12.5),
        ("R@5", 40.0),
        ("R@10", 61.0),
        ("median_rank", 7.0),
        ("tie_share", 0.0),
    )
}
RETRIEVAL |= {"chance": dict(RETRIEVAL), "n_images": 500, "n_texts": 2500}
SEMANTIC = {"image_to_text": 70.0, "text_to_image": 66.0, "chance": 12.0}


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def result(**changes):
    weights = np.random.default_rng(1).random((2, 16))
    base = DemoResult(
        title="A run",
        conditions="On generated scenes, one seed.",
        model="nano",
        parameters=290_000,
        data="scenes:",
        steps=60,
        pairs=3840,
        seconds=61.0,
        threads=2,
        log=[
            {"step": i, "global_loss": 4 / i, "local_loss": 1 / i, "logit_scale": 14 + i}
            for i in range(1, 61)
        ],
        retrieval=RETRIEVAL,
        untrained_retrieval=RETRIEVAL,
        grounding=GROUNDING,
        placement=PLACEMENT,
        untrained_placement=PLACEMENT,
        semantic=SEMANTIC,
        untrained_semantic=SEMANTIC,
        text_searches=[
            TextSearch(
                NASTY, [Hit(1, 0.9, False, image=picture()), Hit(23, 0.1, True, image=picture(1))]
            )
        ],
        image_searches=[
            ImageSearch(
                picture(2), [Hit(1, 0.9, True, text=NASTY), Hit(2, 0.8, False, True, text="also")]
            )
        ],
        alignments=[Alignment(picture(3), NASTY, [NASTY, "dog"], weights, (4, 4))],
        configuration={"Model": {"preset": NASTY}},
        command="csparc demo --seed 0",
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def page():
    return render(result())


def test_loads_nothing(page):
    assert_loads_nothing(page)


def test_captions_are_escaped_everywhere(page):
    assert NASTY not in page
    assert "".join(Outline(page).text).count(NASTY) >= 4
    for tag, attributes in Outline(page).tags:
        assert tag != "script", attributes


def test_every_picture_has_a_text(page):
    images = [attributes for tag, attributes in Outline(page).tags if tag == "img"]
    assert len(images) == 6
    assert all(attributes["alt"].strip() for attributes in images)
    charts = [attributes for tag, attributes in Outline(page).tags if tag == "svg"]
    assert len(charts) == 3
    assert all(a["role"] == "img" and "from" in a["aria-label"] for a in charts)


def test_links_inside_the_page_have_their_targets(page):
    tags = Outline(page).tags
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))
    for tag, attributes in tags:
        if tag == "a":
            assert attributes["href"][1:] in names


def test_light_and_dark_and_narrow_are_styled(page):
    assert "prefers-color-scheme: dark" in page
    assert "max-width: 640px" in page
    assert 'name="viewport"' in page


def test_a_right_answer_out_of_sight_is_shown_with_its_place(page):
    text = "".join(Outline(page).text)
    assert "23 ✓ own" in text
    assert "also true" in text


def test_says_what_is_not_shown(page):
    text = "".join(Outline(page).text)
    assert "What is not shown" in text
    assert "paper’s scale" in text


def test_parts_that_a_run_lacks_leave_a_whole_page():
    bare = result(
        placement=None,
        semantic=None,
        text_searches=(),
        image_searches=(),
        alignments=(),
        log=[],
        configuration={},
    )
    Outline(render(bare))


def test_written_whole_at_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_page(result(), "page.html")
    assert path.is_absolute()
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_run_that_selects_places_says_so_above_its_alignments():
    unknown = result(grounding=GROUNDING | {"place_correlation": float("nan")})
    assert "correlate" not in render(unknown)
    assert "compare a word from row to row" in render(result())
    assert "compare a word from row to row" not in render(unknown)


def test_a_sentence_panel_is_drawn_from_similarities_of_any_range():
    item = result().alignments[0]
    shown = dataclasses.replace(item, sentence=np.linspace(-0.9, -0.2, 16))
    page = render(result(alignments=[shown], sentence_placement=PLACEMENT["NOUN"]))
    assert "whole sentence: nearest patch in the bottom right" in page
    assert "whole sentences about one object (90)" in page


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [2.0, 2.0],
        [0.0, 0.0, 0.0],
        [1e-9, 1.0, 1e9],
        [-3.0, 5.0],
        list(range(1000)),
    ],
)
def test_chart_stays_inside_its_frame(values):
    steps = list(range(1, len(values) + 1))
    chart = line_chart("Loss & more", steps, values, values, reference=("chance", 1.0))
    outline = Outline(chart)
    for tag, attributes in outline.tags:
        if tag == "polyline":
            for point in attributes["points"].split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= 340
                assert 0 <= y <= 190
