"""What is kept: the store, and people, rooms, messages, files and settings in it."""
