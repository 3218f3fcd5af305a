"""Load balancers: the nodes themselves. What makes the traffic arrive is the proxy's."""
