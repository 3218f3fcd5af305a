"""Deployment: a fleet of pods of one template, and the orderly change to the next one."""
