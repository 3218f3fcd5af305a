"""Names of containers: the DNS server at 127.0.0.11 that every container in a network of its own name has."""
