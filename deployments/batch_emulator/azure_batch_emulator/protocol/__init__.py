"""The REST protocol of the service: routes, authentication, OData, errors, answers."""
