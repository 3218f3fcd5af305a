"""From requests to operations and back: each file is about one kind of path."""
