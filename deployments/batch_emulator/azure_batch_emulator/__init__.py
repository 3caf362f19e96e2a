"""An emulator of the Azure Batch data plane, API version 2025-06-01."""
