"""StatefulSet: pods with names and claims of their own, which come and go in order."""
