"""Enlarges photographs, folders of them and videos."""
