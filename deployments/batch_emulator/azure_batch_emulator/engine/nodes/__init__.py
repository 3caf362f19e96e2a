"""Nodes: their life, their start, and their faults, such as preemption."""
