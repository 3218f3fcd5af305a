"""The roles and bindings that every cluster has from its first second, and how they are kept.

What is in them is the published contract of Kubernetes (its user-facing roles and those of its components), so that
charts, operators and components find the rights that they expect.
"""
