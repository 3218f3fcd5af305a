"""A cluster whose nodes are hollow: kubelets that say that pods run, and run none."""
