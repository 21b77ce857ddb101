package symbolize

import "time"

// What tests of the policy and the cache look at.
type Usage = usage

var WorthIndexing = worthIndexing

const (
	TempLifetime = tempLifetime
	SeenLifetime = seenLifetime
	MaxSeen      = maxSeen
	TouchAfter   = touchAfter
	IndexAddrs   = indexAddrs
	IndexCalls   = indexCalls

	ClaimLifetime  = claimLifetime
	FailedLifetime = failedLifetime
)

// NewUsage describes a module in the order of usage's fields.
func NewUsage(earlier, calls, addrs int, debugBytes int64) Usage {
	return usage{earlier, calls, addrs, debugBytes}
}

// Sweep sweeps now.
func (c *Cache) Sweep() { c.sweep() }

// Settled is how old a file with a build ID must be to be indexed.
const Settled = time.Duration(tick)
