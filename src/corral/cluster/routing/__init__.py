"""Routes between the pods of nodes: straight to the node where both are on one network."""
