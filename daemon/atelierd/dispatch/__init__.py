"""What next, when, where: choosing renders and having workers do their segments."""
