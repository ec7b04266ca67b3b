"""The demo's page: one HTML file, complete in itself."""
