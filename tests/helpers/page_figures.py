"""Figures of a run, as the page shows them and its verdicts judge them."""

GROUNDING = {
    "weights": {
        "rule": "sparc",
        "title": "SPARC: the patches each word keeps",
        "notes": [],
        "of": "words",
        "trained": True,
    },
    "matched": {
        "local_loss": 0.01,
        "token_accuracy": 99.5,
        "zeroed": 3.0,
        "effective_patches": 50.0,
    },
    "swapped": {
        "local_loss": 0.011,
        "token_accuracy": 99.4,
        "zeroed": 3.0,
        "effective_patches": 50.0,
    },
    "gap": 0.001,
    "gap_standard_error": 0.002,
    "chance_token_accuracy": 12.0,
    "chance_local_loss": 2.0,
    "patches": 16,
    "place_correlation": 0.8,
    "n": 500,
}
PLACEMENT = {
    "NOUN": {
        "auc": 51.0,
        "auc_named": 50.5,
        "auc_all": 42.0,
        "auc_chance": 50.0,
        "n": 80,
        "n_pointing": 90,
        "pointing": 20.0,
        "pointing_chance": 15.0,
    }
}
