package ffikit

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/suppress"
	"github.com/ffikit/ffikit/go/symbolize"
)

// bare options open no debug files of this machine and leave out no leak.
func bare() Options {
	return Options{Symbolize: symbolize.Options{DebugDirs: []string{"/nowhere"}}, Suppressions: &suppress.List{}}
}

// FuzzReadWithEvidence: whatever a log and its evidence hold, no report of the
// log vanishes, none appears, and as much has leaked as the log says.
func FuzzReadWithEvidence(f *testing.F) {
	for role, name := range map[uint32]string{0: "use_after_free.clang.raw", 4: "leak.clang.raw"} {
		log, err := os.ReadFile("report/testdata/" + name + ".txt")
		require.NoError(f, err)
		// Modules that are nowhere: the readers of object files have targets of their own.
		log = bytes.ReplaceAll(log, []byte("  (/"), []byte("  (/nowhere/"))
		set, err := Read(bare(), Log{Name: "log", Reader: bytes.NewReader(log)})
		require.NoError(f, err)
		file := tracefile.New(uint32(set.Reports[0].PID))
		file.Module(0x400000, 1<<47, 0x400000, "\x01", "/nowhere/src/clang")
		site := file.Site("run", "/app/main.py", 3, 1)
		for i, r := range set.Reports {
			for j, s := range r.Stacks {
				var frames []uint64
				for _, frame := range s.Frames {
					frames = append(frames, uint64(frame.AbsAddr)+1, site)
				}
				file.ReportStack(uint32(i), max(role, uint32(j)), 1, file.Stack(uint32(i), frames...), 0x50b000000040, 0, r.Kind)
			}
		}
		f.Add(log, file.Bytes)
	}
	f.Fuzz(func(t *testing.T, log, evidence []byte) {
		count := func(files ...Evidence) (reports int, leaked model.Leaked) {
			set, err := Read(bare(), Log{Name: "log", Reader: bytes.NewReader(log), Evidence: files})
			require.NoError(t, err)
			for _, r := range set.Reports {
				if r.Leaked == nil {
					reports += r.Count
					continue
				}
				leaked.SizeBytes += r.Leaked.SizeBytes
				leaked.ObjectsCount += r.Leaked.ObjectsCount
			}
			return reports, leaked
		}
		reports, leaked := count()
		withEvidence, withStacks := count(Evidence{Name: "stacks", Reader: bytes.NewReader(evidence)})
		require.Equal(t, reports, withEvidence)
		require.Equal(t, leaked, withStacks)
	})
}
