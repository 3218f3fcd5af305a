"""Garbage collector: what nobody owns any more goes; what waits for what it owns is let go in order."""
