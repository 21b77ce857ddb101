//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// Only Linux tells what is measured here.

func cpuTime() time.Duration                               { return 0 }
func forgetPeak() error                                    { return errors.ErrUnsupported }
func peakBytes() (int64, error)                            { return 0, errors.ErrUnsupported }
func residentBytes() int64                                 { return 0 }
func usageOf(int) (cpu time.Duration, resident int64)      { return 0, 0 }
func usageAfter(*exec.Cmd) (cpu time.Duration, peak int64) { return 0, 0 }
func askForStacks(process *os.Process)                     { _ = process.Kill() }
