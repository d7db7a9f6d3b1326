"""What is done and who may do it: talking, joining, logging in; both interfaces call it."""
