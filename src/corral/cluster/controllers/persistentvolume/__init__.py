"""Volumes and claims: found for each other, bound, provisioned, resized, reclaimed."""
