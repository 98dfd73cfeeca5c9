"""Pruning: one file an idea; all rank with `selection`."""
