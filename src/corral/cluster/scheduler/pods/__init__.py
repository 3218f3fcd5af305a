"""A pod as the scheduler sees it: read once from its JSON, pure."""
