"""One file a format: each reads pictures and captions as others lay them out on disk."""
