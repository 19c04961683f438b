"""The long forms of faults that the tests play briefly: `make soak`."""
