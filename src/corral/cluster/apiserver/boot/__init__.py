"""What a cluster has from its first moment: namespaces, classes, flow schemas, default roles, its own Service."""
