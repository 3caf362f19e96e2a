"""What a Batch task starts with, in any image: it imports neither Prefect nor Azure to start."""
