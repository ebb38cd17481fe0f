"""What happens inside a service, turned into facts; one outside library or protocol to a module."""
