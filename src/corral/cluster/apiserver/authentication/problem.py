"""Credentials that do not hold."""

from __future__ import annotations


class BadCredentials(Exception):
    """They were meant for us, and they are wrong; the text is for the log and for TokenReviews, not for the client."""
