"""From a container of a pod to one of the engine: environment, user, limits, names. Pure, but for `start.py`."""
