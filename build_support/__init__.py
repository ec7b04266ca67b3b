"""What setup.py needs to build the core."""
