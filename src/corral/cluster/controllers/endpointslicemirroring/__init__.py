"""EndpointSlices for Endpoints that somebody writes by hand, for a Service without a selector."""
