"""Figures as people write them, and what the page's verdicts claim."""

import pytest
from page_figures import GROUNDING, PLACEMENT

from csparc._text import duration
from csparc.viz.wording import (
    figure,
    grounding_verdict,
    per_cent,
    placement_verdict,
    places_verdict,
    sentence_verdict,
)


def test_verdict_without_a_gap_claims_no_grounding():
    text = grounding_verdict(GROUNDING)
    assert "without looking" in text
    assert "depends on the picture" not in text


def test_verdict_with_a_gap_still_names_what_is_solved_blind():
    found = GROUNDING | {"gap": 0.5}
    assert "much of the loss is solved without the picture" in grounding_verdict(found)
    seeing = found | {"swapped": GROUNDING["swapped"] | {"token_accuracy": 13.0}}
    assert "solved without" not in grounding_verdict(seeing)


def test_verdict_on_a_gap_of_nan_claims_nothing():
    text = grounding_verdict(GROUNDING | {"gap": 0.5, "gap_standard_error": float("nan")})
    assert "depends on the picture" not in text


@pytest.mark.parametrize("auc", [51.0, 20.0, float("nan")])
def test_placement_near_chance_claims_nothing(auc):
    found = {"NOUN": PLACEMENT["NOUN"] | {"auc": auc}}
    assert "do not pick out" in placement_verdict(found)


def test_placement_of_the_better_part_of_speech_is_named():
    found = PLACEMENT | {"ADJ": PLACEMENT["NOUN"] | {"auc": 80.0}}
    assert "the adjectives weigh" in placement_verdict(found)


def test_sentences_near_chance_claim_nothing():
    found = PLACEMENT["NOUN"]
    assert "do not lie" in sentence_verdict(found)
    assert "62.0" in sentence_verdict(found | {"auc": 62.0})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (34.25, "34.2 %"),
        (100.0, "100.0 %"),
        (0.2, "0.2 %"),
        (0.0, "0.0 %"),
        (0.99999, "1.0 %"),
    ],
)
def test_per_cent(value, text):
    assert per_cent(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2345, "1.23"),
        (0.01234, "0.012"),
        (50.24, "50.2"),
        (0.0, "0"),
        (0.00001, "1e-05"),
    ],
)
def test_figure(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (58.2, "58 s"),
        (59.7, "1 min 00 s"),
        (292, "4 min 52 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_places_that_do_not_follow_the_picture_are_called_that():
    assert "its own places" in places_verdict(0.8)
    assert "its own places" not in places_verdict(0.3)
