package join

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// share is what one recorded stack allocated of a leak.
type share struct {
	stack  uint32
	leaked model.Leaked
}

// leak takes a leak apart by who allocated its objects: under the companion
// LeakSanitizer tells apart only who called malloc.
func (p *process) leak(r model.Report, emit func(model.Report) error) error {
	var logged model.Stack
	if len(r.Stacks) > 0 {
		logged = r.Stacks[0]
	}
	shares, rest := p.shares(r.Leaked, logged.Frames)
	if len(shares) == 0 {
		noteShort(&logged)
		r.Stacks = slices.Clone(r.Stacks)
		if len(r.Stacks) > 0 {
			r.Stacks[0] = logged
		}
		return emit(r)
	}
	details := slices.DeleteFunc(slices.Clone(r.Details), isObjectLine)
	for _, share := range shares {
		stack := logged
		frames, truncated, _ := p.evidence.Frames(share.stack) // now: all of them together may be large
		stack.Frames, stack.Truncated, stack.Complete = join(logged.Frames, frames), truncated, truncated == ""
		if err := emit(part(r, stack, details, share.leaked)); err != nil {
			return err
		}
	}
	if rest.ObjectsCount == 0 && rest.SizeBytes == 0 {
		return nil
	}
	logged.Truncated = notRecorded
	return emit(part(r, logged, details, rest))
}

// part is r for some of its objects.
func part(r model.Report, stack model.Stack, details []string, leaked model.Leaked) model.Report {
	word, _, _ := strings.Cut(r.Message, " ")
	text := fmt.Sprintf("%s leak of %d byte(s) in %d object(s)", word, leaked.SizeBytes, leaked.ObjectsCount)
	if stack.Name == r.Message {
		stack.Name = text
	}
	r.Message, r.Leaked, r.Stacks, r.Details = text, &leaked, []model.Stack{stack}, slices.Clone(details)
	return r
}

// shares divides a leak by the stacks that its objects were allocated by, in
// the order of the objects. rest is what has no recorded stack. Nothing is
// divided where the objects are more than the leak: the log is damaged.
func (p *process) shares(leaked *model.Leaked, logged []model.Frame) (shares []share, rest model.Leaked) {
	rest = model.Leaked{SizeBytes: leaked.SizeBytes, ObjectsCount: leaked.ObjectsCount}
	places := map[uint32]int{}
	for _, object := range leaked.Objects {
		id, ok := p.allocationOf(object.AbsAddr)
		if !ok {
			continue
		}
		place, met := places[id]
		if !met {
			place = -1
			if frames, _, _ := p.evidence.Frames(id); join(logged, frames) != nil {
				place = len(shares)
				shares = append(shares, share{stack: id})
			}
			places[id] = place
		}
		if place < 0 {
			continue // the address was used before, and the newer stack is not recorded
		}
		size, borrow := bits.Sub64(rest.SizeBytes, object.SizeBytes, 0)
		if borrow != 0 || rest.ObjectsCount == 0 {
			return nil, model.Leaked{}
		}
		rest.SizeBytes, rest.ObjectsCount = size, rest.ObjectsCount-1
		shares[place].leaked.SizeBytes += object.SizeBytes
		shares[place].leaked.ObjectsCount++
	}
	return shares, rest
}

// allocationOf gives the stack that allocated what lies at an address.
func (p *process) allocationOf(addr model.AbsAddr) (stack uint32, ok bool) {
	behind := sort.Search(len(p.leaks), func(i int) bool { return p.leaks[i].addr > addr })
	if behind == 0 || p.leaks[behind-1].addr != addr {
		return 0, false
	}
	return p.leaks[behind-1].stack, true
}

// isObjectLine tells the lines of LSAN_OPTIONS=report_objects=1, which were
// asked for to find stacks by.
func isObjectLine(detail string) bool {
	return detail == "Objects leaked above:" || strings.HasPrefix(detail, "0x") && strings.HasSuffix(detail, " bytes)") ||
		strings.HasPrefix(detail, "(") && strings.HasSuffix(detail, " more lines)")
}
