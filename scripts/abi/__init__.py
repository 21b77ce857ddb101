"""What scripts/abigen is made of: header (reads and judges), outputs (writes)."""
