"""Simulated instruments and their history."""
