// Command gothreads has Go's runtime start threads, from goroutines, from its scheduler and from threads that
// have nothing else to do. It has no C code of its own, so Go's linker makes it, and keeps no CFI of runtime/cgo's.
package main

import (
	"runtime"
	_ "runtime/cgo"
	"sync"
	"time"
)

func main() {
	var all sync.WaitGroup
	for range make([]struct{}, 20) {
		all.Add(1)
		go func() {
			runtime.LockOSThread()
			time.Sleep(5 * time.Millisecond)
			all.Done()
		}()
	}
	all.Wait()
}
