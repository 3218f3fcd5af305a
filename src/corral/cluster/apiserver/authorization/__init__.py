"""May they? Rules by role (RBAC), what nodes need for their pods, and the questions that users may ask about it."""
