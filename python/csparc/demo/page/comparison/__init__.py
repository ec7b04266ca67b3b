"""The demo's page of two settings side by side."""
