"""The heavy things a lab needs, fetched or built once and kept outside the checkout."""
