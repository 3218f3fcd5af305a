"""The kinds of the group apps: workloads that run for ever."""
