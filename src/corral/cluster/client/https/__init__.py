"""The API server over HTTPS: what components speak that run elsewhere (a node, a command)."""
