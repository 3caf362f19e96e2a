"""The Batch service: client, retry, identifiers, diagnosis. Knows no flow run."""
