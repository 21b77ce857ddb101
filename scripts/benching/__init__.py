"""What several benches share: steps of builds that run once, and runs whose cost the kernel counts."""
