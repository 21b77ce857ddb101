"""The parts of scripts/bench-hunt."""
