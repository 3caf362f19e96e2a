"""The template language of Azure Resource Manager, as far as our template uses it: what Azure would be asked to make.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""
