"""Whole-program tests against servers of object stores on this machine."""
