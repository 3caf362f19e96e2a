"""What differs from one SQL store to the next: one folder per store, behind `dialect.Dialect`."""
