"""The fuzz: whatever comes in from outside, fcs reads it, refuses it or ignores it, and goes on."""
