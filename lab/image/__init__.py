"""The system image: a small Debian that boots systemd, with the roles' packages baked in."""
