"""The values of wide vendor files: curated, and measured."""
