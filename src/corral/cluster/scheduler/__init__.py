"""Which node does a pod run on?

::

    informers ──> Snapshot (columns over nodes) ──┐
        └──> Queue ──> next pod ──> cycle.decide ─┴─> assume ──> bind ──> API
                                        └─ fits nowhere ──> preemption.plan, condition, event ──> Queue

`cycle.py` decides, and `preemption.py` whom a more important pod drives out: both pure. `plugins/` has a file for each
reason to take or to prefer a node, `plugins/registry.py` lists them. NumPy is loaded with the first pod (`engine.py`).
"""
