"""Claims and volumes that are in use do not go."""
