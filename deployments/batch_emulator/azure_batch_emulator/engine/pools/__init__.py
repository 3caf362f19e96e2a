"""Pools: their life, their nodes' number, and automatic scaling."""
