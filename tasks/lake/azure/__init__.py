"""A lake in Azure Blob Storage."""
