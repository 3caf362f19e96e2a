"""What differs from one SQL store to the next: one module per store, behind `dialect.Dialect`."""
