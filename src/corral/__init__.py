"""Corral: the whole container stack in one package."""

__version__ = "0.1.0"
