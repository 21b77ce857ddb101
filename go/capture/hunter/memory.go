package hunter

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/ffikit/ffikit/go/model"
)

// memory reads what the kernel says of a process's memory. Where there is no
// /proc it says nothing.
type memory struct {
	pid int
	// psDue is when PSS may be read again, which makes the kernel look at each page.
	pssDue time.Time
}

// pssFactor is how much longer than reading PSS takes is waited until it is
// read again.
const pssFactor = 200

// read adds RSS, and now and then PSS; false: the process is gone.
func (m *memory) read(moment *model.Moment) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	moment.RSSBytes = kilobytes(status, "VmRSS:")
	if before := time.Now(); !before.Before(m.pssDue) {
		if rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", m.pid)); err == nil {
			moment.PSSBytes = kilobytes(rollup, "Pss:")
		}
		m.pssDue = before.Add(pssFactor * time.Since(before))
	}
	return moment.RSSBytes > 0 // a process that nobody has waited for yet has none
}

// exists tells whether the process runs.
func (m *memory) exists() bool { return m.read(&model.Moment{}) }

// kilobytes is the value of a line "NAME   123 kB" in bytes; 0: there is none.
func kilobytes(text []byte, name string) uint64 {
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) == 0 {
			return 0
		}
		n, err := strconv.ParseUint(string(fields[0]), 10, 53)
		if err != nil {
			return 0
		}
		return n * 1024
	}
	return 0
}
