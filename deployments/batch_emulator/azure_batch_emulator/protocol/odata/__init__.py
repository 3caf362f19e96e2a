"""OData's query options: `$filter`, `$select`, `$expand` and pages."""
