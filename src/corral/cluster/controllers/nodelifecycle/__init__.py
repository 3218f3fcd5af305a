"""Nodes: one that is not heard of any more is said to be Unknown, and is tainted."""
