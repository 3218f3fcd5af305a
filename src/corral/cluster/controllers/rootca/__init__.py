"""The authority's certificate, in each namespace, for the pods in it."""
