"""The parts of scripts/bench-symbolize."""
