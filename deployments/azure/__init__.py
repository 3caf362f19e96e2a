"""The cloud resources as a template, and the command that puts a version of the project onto them."""
