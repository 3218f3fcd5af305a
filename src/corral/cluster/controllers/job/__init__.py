"""Job: pods that run to their end, so many times, and what becomes of it."""
