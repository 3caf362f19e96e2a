"""What runs the flows: the work pool for Azure Batch, the cloud resources, and the same production on one machine."""
