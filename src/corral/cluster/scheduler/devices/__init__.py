"""Devices: which of those that drivers offer a pod's claims get. Follows k8s.io/dynamic-resource-allocation."""
