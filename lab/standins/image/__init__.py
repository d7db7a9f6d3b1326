"""The image that stand-ins run in: a small Debian, Python, the packages they use, their code."""
