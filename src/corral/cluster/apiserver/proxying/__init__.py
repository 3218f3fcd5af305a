"""HTTP through the API server to pods and services: which of them, over which connection, and back."""
