"""One module for each group of verbs; `corral.cli.registry` says which verb lives where."""
