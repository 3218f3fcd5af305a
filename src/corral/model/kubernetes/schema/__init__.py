"""The shape of every kind: which fields there are, of what type, and how lists and maps are merged."""
