"""Asking containers whether they are well: how one is asked, and what is made of the answers (`judging.py`, pure)."""
