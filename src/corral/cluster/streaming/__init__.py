"""Streams between clients and the processes of pods: logs, commands, consoles, forwarded ports.

A client's protocol (web socket with channels, SPDY with streams) becomes a `Console` or a `Connection`; what is at the
other end comes from `NodeAccess` (corral.cluster.client.nodes).
"""
