"""Experiments on advice: two ways of answering, assigned at random, compared at any time."""
