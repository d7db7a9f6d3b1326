"""Small scripts that the Makefile, the pipelines and the hooks call."""
