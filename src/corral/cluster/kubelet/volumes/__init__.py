"""A pod's volumes: directories of the node that its containers are shown.

What comes from the API (ConfigMaps, Secrets, tokens, the pod's own fields) lies in the volatile directory, so that no
secret is written to a disk, and is exchanged as a whole by one link (`atomic.py`).
"""
