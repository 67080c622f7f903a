"""Listing, deleting and checking run folders, and a report on the installation."""
