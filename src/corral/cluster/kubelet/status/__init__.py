"""How a pod stands, as its status says it. Pure."""
