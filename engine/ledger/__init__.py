"""What Sluicegate writes down (`model`), as bytes (`codec`), and whether it adds up (`accounting`)."""
