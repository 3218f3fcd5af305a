"""The engine: the only door to the containers of this machine.

`engine.py` puts the parts together; `containers.py` has the verbs. A verb is one file: `create.py`, `start.py`,
`stop.py`, `exit.py`, `remove.py`, `execs.py`, …; decisions are pure functions beside them.
"""
