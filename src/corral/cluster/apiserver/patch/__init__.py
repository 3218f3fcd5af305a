"""Patches: JSON patch, merge patch and strategic merge patch. Each takes an object and gives a new one.

Server-side apply, the fourth kind, is in `apply`. `content_types.py` tells them apart.
"""
