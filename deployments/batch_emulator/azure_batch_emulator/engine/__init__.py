"""What happens to pools, nodes, jobs and tasks over time."""
