"""What action a record is: profiles read it, rules judge it, literals tell the gate what cannot matter."""
