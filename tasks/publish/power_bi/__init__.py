"""The refresh of a semantic model of Power BI."""
