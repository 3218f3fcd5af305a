"""The kinds of the group batch: work that ends, and when it begins."""
