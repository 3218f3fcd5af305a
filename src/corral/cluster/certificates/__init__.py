"""What certificates say: read without a library, by all who are shown some."""
