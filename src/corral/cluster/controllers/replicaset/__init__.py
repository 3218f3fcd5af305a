"""ReplicaSet and ReplicationController: so many pods of one template, no matter which."""
