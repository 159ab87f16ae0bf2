"""From a spec and a decoded dataset to a trained network. Knows tensors; knows no database."""
