"""Bytes to objects and back: what a client accepts, what it sent, and how answers look."""
