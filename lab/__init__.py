"""What turns one machine into the lab; nothing here reaches production."""
