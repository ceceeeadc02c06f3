"""What run.py and plot.py share. Standard library only."""
