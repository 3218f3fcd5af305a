"""Aggregation: groups of the API that other servers answer for, behind this one."""
