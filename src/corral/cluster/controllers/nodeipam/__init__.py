"""Gives each node the addresses of its pods."""
