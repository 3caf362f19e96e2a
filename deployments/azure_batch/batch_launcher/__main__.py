"""`python -m batch_launcher`, for nodes on which `batch-launcher` is not on PATH."""

from batch_launcher.launcher import main

main()
