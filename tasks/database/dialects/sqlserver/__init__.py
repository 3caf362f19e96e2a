"""What is special about SQL Server and Azure SQL."""
