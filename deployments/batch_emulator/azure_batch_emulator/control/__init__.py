"""What a tester sets: the clock, faults, quotas, and how long the service takes."""
