"""Devices that pods have by ResourceClaims: their drivers' plugins on this node, and what containers get of them.

::

    plugins_registry/*.sock ──> registry ──> plugins by driver
    pod ──> manager ──NodePrepareResources──> plugin ──> CDI ids ──> cdi ──> the container's spec
"""
