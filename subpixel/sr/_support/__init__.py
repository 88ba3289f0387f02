"""What every room of the application uses: errors, files, console, threads, caches."""
