"""Eviction: a pod that uses more of the node's disk than it may is ended, and so are some when the node runs short.

::

    reading.observe ──> pressure.plan_pressure ──> node conditions ──> taints (nodelifecycle controller)
                               └──> images that can be fetched again go ──> ranking.plan_ranking ──> one pod goes

Follows k8s.io/kubernetes/pkg/kubelet/eviction.
"""
