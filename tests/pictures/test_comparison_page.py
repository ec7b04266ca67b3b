"""The page of two settings side by side: complete, well formed, and honest about whose is which."""

import dataclasses
import re

import numpy as np
import pytest
from comparison_figures import CEILING, compared_picture, comparison, unknown
from page_outline import Outline, assert_loads_nothing
from test_page import NASTY

pytest.importorskip("PIL")

from csparc.demo.page.comparison.page import render_comparison
from csparc.demo.page.page import write_page


@pytest.fixture(scope="module")
def page():
    return render_comparison(comparison())


def text_of(page):
    body = re.sub("<style>.*?</style>", "", page, flags=re.S)
    return "".join(Outline(body).text).replace("\N{NO-BREAK SPACE}", " ")


def blind(**changes):
    """A comparison on pictures nobody knows the objects of."""
    base = comparison(generated=False, data="80 pictures of your own", held_out=8)
    picture = compared_picture()
    words = [dataclasses.replace(word, inside=None) for word in picture.words]
    return dataclasses.replace(
        base,
        contenders=[unknown(one) for one in base.contenders],
        pictures=[dataclasses.replace(picture, words=words)],
        **changes,
    )


def test_loads_nothing_and_escapes_every_caption(page):
    assert_loads_nothing(page)
    assert NASTY not in page
    assert text_of(page).count(NASTY) >= 4


def test_pictures_stand_before_the_figures_and_figures_before_the_rest(page):
    names = [attributes["id"] for tag, attributes in Outline(page).tags if tag == "section"]
    assert names[:3] == ["alignment", "figures", "retrieval"]
    assert len(names) == len(set(names))


def test_every_picture_has_a_text_that_says_whose_it_is_and_where_it_lies(page):
    images = [attributes["alt"] for tag, attributes in Outline(page).tags if tag == "img"]
    assert all(text.strip() for text in images)
    assert "dog, SPARC: heaviest patch in the bottom right, not on its object" in images
    assert f"{NASTY}, Grounded: heaviest patch in the top left, on its object" in images
    assert "the, SPARC: heaviest patch in the top left" in images, "no object, no claim"


def test_rows_of_a_word_stand_one_above_the_other_sparc_first(page):
    figures = re.findall(r"<figure><figcaption>.*?</figure>", page)
    columns = [figure for figure in figures if "<svg" not in figure]
    assert len(columns) == 3
    for column in columns:
        assert re.findall(">(SPARC|Grounded)", column) == ["SPARC", "Grounded"]


def test_words_of_content_stand_first_and_the_others_behind_a_summary(page):
    before, after = page.split("<details>", 1)
    assert "<figcaption>dog</figcaption>" in before
    assert "<figcaption>the</figcaption>" in after
    assert "<summary>" in after


def test_where_no_word_has_content_all_stand_first():
    picture = compared_picture()
    words = [dataclasses.replace(word, content=False) for word in picture.words]
    plain = dataclasses.replace(picture, words=words)
    assert plain.shown_first() == words
    assert plain.shown_later() == []


def test_every_figure_stands_beside_its_control_chance_and_ceiling(page):
    text = text_of(page)
    for value in ("50.1 %", "50.2 %", "41.3 %", "19.4 %", "81.1 %", "80.2 %", "96.3 %", "78.4 %"):
        assert text.count(value) == 2, "of nouns and of colours"
    assert text.count("control 49") == 4, "an area against two kinds of objects, two groups"
    assert text.count("control 43") == 2
    rows = re.findall(r"its heaviest patch lies on its object</th>.*?</tr>", page)
    assert [re.findall(r"<td>(\d+)</td>", row) for row in rows] == [["6", "87"]] * 2
    assert CEILING["source"] in text


def test_what_is_seen_is_the_figures_in_one_line(page):
    lead = text_of(page).split("Which patches each word selects")[1].split("above SPARC")[0]
    assert "for nouns 19 % with SPARC, 78 % with Grounded" in lead
    assert "at random 6 %" in lead


def test_whose_is_which_is_said_in_the_head_the_legend_and_every_table(page):
    text = text_of(page)
    assert "Grounded is ours, not the paper’s." in text.split("Which patches")[0]
    assert "above SPARC, the paper’s; below Grounded, ours" in text
    for table in re.findall(r"<table.*?</thead>", page):
        assert "SPARC <small>the paper’s</small>" in table
        assert "Grounded <small>ours, not the paper’s</small>" in table


def test_equal_time_is_said_where_it_was_equal():
    base = comparison()
    assert "equal processor time" in text_of(render_comparison(base))
    longer = dataclasses.replace(base.contenders[1], processor_seconds=150.0)
    uneven = dataclasses.replace(base, contenders=[base.contenders[0], longer])
    head = text_of(render_comparison(uneven)).split("Which patches")[0]
    assert "equal processor time" not in head


def test_steps_seconds_and_parameters_of_both_are_told(page):
    table = text_of(page).split("What each is, and what it took")[1].split("How they got there")[0]
    assert table.count("120 of 64 pairs") == 2
    assert table.count("290,000") == 2
    assert table.count("1 min 01 s") == 2
    assert "clip+words" in table


def test_no_area_is_claimed_where_no_object_is_known():
    page = render_comparison(blind())
    text = text_of(page)
    assert 'id="figures"' not in page
    assert "no figure says whether a word found its object" in text
    for words in ("✓ the", "✗", "on their object", "on its object", "right by meaning", "ceiling"):
        assert words not in text, words
    assert "moves a figure by 12 points" in text


def test_a_figure_over_no_word_is_a_dash():
    base = comparison()
    one = base.contenders[0]
    placement = {
        group: found | {"auc_named": float("nan")}
        for group, found in one.grounding["placement"].items()
    }
    changed = dataclasses.replace(one, grounding=one.grounding | {"placement": placement})
    page = render_comparison(dataclasses.replace(base, contenders=[changed, base.contenders[1]]))
    assert not re.search(r"\bnan\b", text_of(page))
    assert "<td>–" in page


def test_styled_for_light_dark_and_narrow_and_for_the_keyboard(page):
    assert page.count("prefers-color-scheme: dark") >= 2
    assert page.count("max-width: 640px") >= 2
    assert "summary:focus-visible" in page


def test_written_whole(tmp_path):
    path = write_page(comparison(), tmp_path / "page.html")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_an_odd_control_is_not_hidden():
    base = comparison()
    strange = dataclasses.replace(
        base.contenders[1],
        grounding=base.contenders[1].grounding | {"place_correlation": 0.91},
    )
    page = render_comparison(dataclasses.replace(base, contenders=[base.contenders[0], strange]))
    assert np.count_nonzero([text == "0.91" for text in Outline(page).text]) == 1
