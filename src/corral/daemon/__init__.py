"""The daemon's process: its settings, the assembly of all parts, its life, and what can be said of the host."""
