"""The cluster in columns: one row for each node, one array for each thing that is asked of all nodes at once."""
