"""What pods and the node use: measured when somebody asks, and never otherwise."""
