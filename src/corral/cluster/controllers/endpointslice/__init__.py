"""EndpointSlices: for each Service with a selector, where its pods are and whether they serve."""
