package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// cpuTime is what this process used so far, all threads, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// forgetPeak makes the peak of memory start anew (proc(5), clear_refs).
func forgetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakBytes is the most memory that was resident since then.
func peakBytes() (int64, error) { return statusBytes("VmHWM:") }

func residentBytes() int64 {
	size, err := statusBytes("VmRSS:")
	if err != nil {
		return 0
	}
	return size
}

func statusBytes(key string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == key {
			kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", key)
}

// usageOf tells what another process used so far: its CPU time, and the memory
// that is resident now. It is zero for one that has ended.
func usageOf(pid int) (cpu time.Duration, resident int64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// Fields count from the state, after the name in brackets: proc(5).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return 0, 0
	}
	number := func(i int) int64 {
		value, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return value
	}
	const ticksPerSecond = 100
	return time.Duration(number(11)+number(12)) * (time.Second / ticksPerSecond), number(21) * int64(os.Getpagesize())
}

// usageAfter tells what a process used that has ended.
func usageAfter(command *exec.Cmd) (cpu time.Duration, peak int64) {
	state := command.ProcessState
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		peak = int64(usage.Maxrss) << 10
	}
	return state.UserTime() + state.SystemTime(), peak
}

// askForStacks makes a Go process print its goroutines and end.
func askForStacks(process *os.Process) { _ = process.Signal(syscall.SIGQUIT) }
