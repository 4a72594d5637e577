"""What every package uses: errors, comparison of numbers, findings that travel, files, progress."""
