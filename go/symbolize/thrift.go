package symbolize

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// thrift is what is known of the runtime's own setting while indexes are made.
var thrift struct {
	sync.Mutex
	makers, percent int
}

const (
	thriftPercent = 10
	// thriftBytes is how large the heap of a process may be for its collector
	// to be set: what is left of a larger one does not depend on us.
	thriftBytes = 128 << 20
)

// beThrifty has garbage collected sooner while an index is made, in a process
// that does little else: tables grow, and what they grew out of would wait for
// as much again. The function that it returns ends it.
func beThrifty() (end func()) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.HeapAlloc > thriftBytes {
		return func() {}
	}
	thrift.Lock()
	defer thrift.Unlock()
	if thrift.makers == 0 {
		thrift.percent = debug.SetGCPercent(thriftPercent)
	}
	thrift.makers++
	return func() {
		thrift.Lock()
		defer thrift.Unlock()
		if thrift.makers--; thrift.makers == 0 {
			debug.SetGCPercent(thrift.percent)
		}
	}
}
