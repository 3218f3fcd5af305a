"""OpenAPI documents, v2 and v3, made of resources and schemas: what `kubectl explain`, `apply` and `diff` read."""
