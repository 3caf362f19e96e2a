"""What no worker cares for: orphans are adopted, what is left over is removed."""
