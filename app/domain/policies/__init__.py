"""Pure decisions: values in, a decision with its reason out. No I/O, no clock, no randomness of their own."""
