"""metrics.k8s.io: what pods and nodes use. Nothing of it is stored."""
