"""Resources of pods that run already: what was asked for is allotted where the node has it, and then put into force.

`plan.py` decides, `resizer.py` acts. Follows KEP-1287 and k8s.io/kubernetes/pkg/kubelet/allocation.
"""
