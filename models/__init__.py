"""How the models that Sluicegate ships are made. None of this is in the wheel."""
