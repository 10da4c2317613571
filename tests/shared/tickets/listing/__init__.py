"""Tests of lists of tickets."""
