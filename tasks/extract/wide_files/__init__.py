"""Wide vendor files: CSV and Excel with a column per date."""
