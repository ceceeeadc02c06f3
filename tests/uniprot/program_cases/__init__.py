"""The cases of program_test.py by topic; each takes a support.Checks."""
