"""The `corral` command: a client of the public HTTP API, and the door to the daemon's roles.

It must feel instant, so it imports sockets and json, one verb's module, and nothing else.
"""
