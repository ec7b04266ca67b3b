"""The choices that a search leaves, by name."""

EXACT = "numpy"
BACKENDS = (EXACT, "faiss")
"""Who looks for the nearest vectors; both are exact."""
FORMS = ("parquet", "npy")
"""In what an index can be exported."""
