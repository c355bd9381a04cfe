"""What `fcs bench` measures: the raw limit, draining, enqueueing, latency; each in one run."""
