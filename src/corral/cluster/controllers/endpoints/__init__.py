"""Endpoints: what EndpointSlices replaced, for clients that still read it."""
