"""Deletes pods that nobody else will: of nodes that are gone, and the oldest of too many that have ended."""
