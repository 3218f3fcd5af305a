"""The kubelet: the pods that are bound to this node, run on the engine.

`kubelet.py` puts the parts together. One worker per pod (`worker/`) compares what the pod asks for with what the engine
has and does the next steps; `lifecycle/` decides them, `status/` says how it stands, both pure. Containers are their
own record: their labels say whose they are, so a new daemon finds everything again.
"""
