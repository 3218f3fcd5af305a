"""NetworkPolicies: who may speak to whose pods on this node."""
