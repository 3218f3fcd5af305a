"""Finished Jobs go when their time is over."""
