"""Production on one machine: the stack, and an emulator of the Azure Batch service."""
