"""Images that pods have used and that nobody uses any more: they go before the disk is full, or when they are old.

::

    a container is made ──> record: since when an image is here, when it was used last
    every five minutes: how full is the disk? ──> policy.plan_room ──> records.plan_order ──> unused.remove

Follows k8s.io/kubernetes/pkg/kubelet/images (image_gc_manager.go). People share the engine with the node: the record
says which images are the node's, so that what somebody has fetched by `docker pull` only goes under pressure.
"""
