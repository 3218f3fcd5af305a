"""What containers wrote: conmon's files read back, followed and rotated.

The monitor of a container appends its output to a file, whether the daemon lives or not; reading, rotating and
limiting are this package's. Nothing here writes a log line.
"""
