"""What every component of the cluster speaks: get, list, watch and change objects; and how to keep a copy of them."""
