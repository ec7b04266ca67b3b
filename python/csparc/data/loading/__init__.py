"""From a data set to batches: order, decoding ahead, duplicates, a place to go on from."""
