"""What is to be done next for a pod. Pure."""
