"""Tokens by which machines join: they go when their time is over."""
