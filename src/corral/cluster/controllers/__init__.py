"""The controllers: each watches one kind and makes the world look like it, one folder each.

A controller is told of changes, puts the key of what they concern into its queue, and for each key reads the present,
decides (a pure function next door) and does what is missing. It can be killed at any line.
"""
