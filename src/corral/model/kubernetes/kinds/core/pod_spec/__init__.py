"""The pod's spec, which pods and all workloads' templates share: defaults, rules, warnings."""
