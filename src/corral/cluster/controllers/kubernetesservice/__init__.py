"""The Service `kubernetes`: how pods find the API server."""
