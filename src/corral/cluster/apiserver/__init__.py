"""The Kubernetes API: the one door to the cluster's objects, for kubectl, Helm, controllers and kubelets alike."""
