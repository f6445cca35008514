"""Tests of the page: a folder of their own, since one browser serves them all."""
