"""The demonstration run behind ``csparc demo``: from data to the result its page shows."""
