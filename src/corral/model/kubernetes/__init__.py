"""What Kubernetes objects are: their names, schemas, defaults and rules. Pure: nothing here knows of a server."""
