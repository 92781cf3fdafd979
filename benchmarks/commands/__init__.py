"""The subcommands of ``sluicegate bench``, a module each."""
