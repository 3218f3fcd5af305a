"""Volumes, as far as they decide on nodes."""
