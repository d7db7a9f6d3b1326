"""Servers that speak a product's documented interface, for when the product cannot be had."""
