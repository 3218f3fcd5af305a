"""Namespaces: one that is deleted is emptied, then let go."""
