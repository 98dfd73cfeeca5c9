"""Measures of trained networks, one file each; they belong to the engine, not to a study."""
