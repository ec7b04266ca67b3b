"""Files that hold a trained model, and what else a run needs to go on: written, checked, read."""
