"""Reasons to refuse or to prefer a node, one file each; `registry.py` lists them all."""
