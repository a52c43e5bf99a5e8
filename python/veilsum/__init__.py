"""Fast, safe private sums for federated learning."""
