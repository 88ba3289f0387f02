"""Images on disk, or embedded, become arrays; arrays become batches."""
