"""One page that lays runs side by side: what they found, how they were trained, and pictures."""
