"""Static pods: those whose manifests lie in a folder of the node. The API only shows them, as mirror pods.

::

    folder ──inotify──> manifest.parse_manifest ──> worker (as any pod's)
                                                       └── status ──> mirror pod in the API

Follows k8s.io/kubernetes/pkg/kubelet/config and pkg/kubelet/pod/mirror_client.
"""
