package join

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
)

func leakOf(kind string, objects ...model.LeakedObject) model.Report {
	leaked := model.Leaked{Objects: objects}
	details := []string{"Objects leaked above:"}
	for _, object := range objects {
		leaked.SizeBytes += object.SizeBytes
		leaked.ObjectsCount++
		details = append(details, fmt.Sprintf("%s (%d bytes)", object.AbsAddr, object.SizeBytes))
	}
	word := map[string]string{"direct-leak": "Direct", "indirect-leak": "Indirect"}[kind]
	message := fmt.Sprintf("%s leak of %d byte(s) in %d object(s)", word, leaked.SizeBytes, leaked.ObjectsCount)
	stack := stackOf(model.RoleAllocation, runtime+0x30, store+0x200)
	stack.Name = message
	return model.Report{Tool: "LeakSanitizer", Kind: kind, Message: message, PID: 7, Count: 1, Leaked: &leaked, Details: details, Stacks: []model.Stack{stack}}
}

// leaked adds an object that a line of Python allocated, and gives it.
func leaked(f *tracefile.File, role uint32, addr, size uint64, line uint32) model.LeakedObject {
	site := f.Site("leak", "/app/keeper.py", line, 1)
	f.ReportStack(0, role, 7, f.Stack(0, agent+0x20, runtime+0x38, store+0x200, exe+0x500, site, exe+0x600), addr, 0, "")
	return model.LeakedObject{AbsAddr: model.AbsAddr(addr), SizeBytes: size}
}

func TestLeaks(t *testing.T) {
	f := newFile(7)
	first := leaked(f, 4, 0x1000, 10, 3)
	stack := uint32(0)
	f.ReportStack(0, 2, 7, stack, 0x2000, 0, "") // the same stack, as an allocation's
	second := leaked(f, 4, 0x3000, 30, 5)
	out := joined(t, f, leakOf("direct-leak", first, second, model.LeakedObject{AbsAddr: 0x2000, SizeBytes: 20}),
		leakOf("indirect-leak", second))
	require.Len(t, out, 3)
	for i, want := range []struct {
		kind, text string
		leaked     model.Leaked
		line       int
	}{
		{"direct-leak", "Direct leak of 30 byte(s) in 2 object(s)", model.Leaked{SizeBytes: 30, ObjectsCount: 2}, 3},
		{"direct-leak", "Direct leak of 30 byte(s) in 1 object(s)", model.Leaked{SizeBytes: 30, ObjectsCount: 1}, 5},
		{"indirect-leak", "Indirect leak of 30 byte(s) in 1 object(s)", model.Leaked{SizeBytes: 30, ObjectsCount: 1}, 5},
	} {
		r := out[i]
		assert.Equal(t, want.kind, r.Kind)
		assert.Equal(t, want.text, r.Message)
		assert.Equal(t, want.leaked, *r.Leaked)
		assert.Empty(t, r.Details)
		require.Len(t, r.Stacks, 1)
		assert.Equal(t, want.text, r.Stacks[0].Name)
		assert.Equal(t, "clang_rt.asan-x86_64.so+0x30 store.so+0x200 python3+0x500 leak python3+0x600", show(r.Stacks[0]))
		assert.Equal(t, want.line, r.Stacks[0].Frames[3].Line)
		assert.True(t, r.Stacks[0].Complete)
	}
}

// Objects without a recorded stack stay together and say so.
func TestLeaksWithoutStacks(t *testing.T) {
	f := newFile(7)
	known := leaked(f, 4, 0x1000, 10, 3)
	// Its address was another block's before: the recorded caller is not the log's.
	f.ReportStack(0, 4, 7, f.Stack(0, agent+0x20, runtime+0x38, store+0x999, exe+0x600), 0x4000, 0, "")
	r := leakOf("direct-leak", known, model.LeakedObject{AbsAddr: 0x2000, SizeBytes: 7}, model.LeakedObject{AbsAddr: 0x4000, SizeBytes: 9})
	// One more was not listed.
	r.Leaked.SizeBytes, r.Leaked.ObjectsCount = r.Leaked.SizeBytes+100, r.Leaked.ObjectsCount+1
	out := joined(t, f, r)
	require.Len(t, out, 2)
	assert.Equal(t, model.Leaked{SizeBytes: 116, ObjectsCount: 3}, *out[1].Leaked)
	assert.Equal(t, "Direct leak of 116 byte(s) in 3 object(s)", out[1].Message)
	assert.Equal(t, notRecorded, out[1].Stacks[0].Truncated)
	assert.Len(t, out[1].Stacks[0].Frames, 2)

	// None at all: the report is as it was, with its reason.
	out = joined(t, newFile(7), r)
	require.Len(t, out, 1)
	assert.Equal(t, notRecorded, out[0].Stacks[0].Truncated)
	assert.Equal(t, r.Leaked, out[0].Leaked)
	assert.Empty(t, r.Stacks[0].Truncated, "the caller's report is left alone")
}

// A list that is more than the leak is not believed.
func TestLeaksThatDoNotAddUp(t *testing.T) {
	for name, spoil := range map[string]func(*model.Leaked){
		"bytes":   func(l *model.Leaked) { l.SizeBytes-- },
		"objects": func(l *model.Leaked) { l.ObjectsCount-- },
		"huge":    func(l *model.Leaked) { l.Objects[0].SizeBytes = 1<<64 - 1 },
	} {
		f := newFile(7)
		r := leakOf("direct-leak", leaked(f, 4, 0x1000, 10, 3), leaked(f, 4, 0x2000, 10, 4))
		spoil(r.Leaked)
		out := joined(t, f, r)
		require.Len(t, out, 1, name)
		assert.Equal(t, r.Leaked.SizeBytes, out[0].Leaked.SizeBytes)
		assert.Len(t, out[0].Stacks[0].Frames, 2)
	}
}

// No leak vanishes and none appears, whatever is recorded.
func TestLeaksKeepTheirTotals(t *testing.T) {
	random := rand.New(rand.NewSource(9))
	for range 200 {
		f := newFile(7)
		var before, after model.Leaked
		var reports []model.Report
		for range random.Intn(4) {
			var objects []model.LeakedObject
			for range random.Intn(20) {
				addr, size := uint64(0x1000+random.Intn(40)), uint64(random.Intn(100))
				switch random.Intn(3) {
				case 0:
					objects = append(objects, model.LeakedObject{AbsAddr: model.AbsAddr(addr), SizeBytes: size})
				case 1:
					objects = append(objects, leaked(f, 4, addr, size, uint32(random.Intn(3))))
				default:
					f.ReportStack(0, 4, 7, f.Stack(0, agent+0x20, store+0x1+uint64(random.Intn(3)), exe+0x1), addr, 0, "")
				}
			}
			r := leakOf("direct-leak", objects...)
			r.Leaked.SizeBytes += uint64(random.Intn(2))
			r.Leaked.ObjectsCount += uint64(random.Intn(2))
			before.SizeBytes, before.ObjectsCount = before.SizeBytes+r.Leaked.SizeBytes, before.ObjectsCount+r.Leaked.ObjectsCount
			reports = append(reports, r)
		}
		for _, r := range joined(t, f, reports...) {
			after.SizeBytes, after.ObjectsCount = after.SizeBytes+r.Leaked.SizeBytes, after.ObjectsCount+r.Leaked.ObjectsCount
		}
		require.Equal(t, before, after)
	}
}

func TestEmitFails(t *testing.T) {
	f := newFile(7)
	stop := errors.New("enough")
	r := leakOf("direct-leak", leaked(f, 4, 0x1000, 10, 3), leaked(f, 4, 0x2000, 10, 4), model.LeakedObject{AbsAddr: 0x9000, SizeBytes: 1})
	for after := range 3 {
		calls := 0
		err := New(evidenceOf(t, f)).Report(r, func(model.Report) error {
			if calls++; calls > after {
				return stop
			}
			return nil
		})
		require.ErrorIs(t, err, stop)
		assert.Equal(t, after+1, calls)
	}
}
