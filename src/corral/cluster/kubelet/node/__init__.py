"""The Node object: what this machine is and has, and that it is alive."""
