package merge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"path"

	"github.com/ffikit/ffikit/go/model"
)

// fingerprintVersion stands before every fingerprint: one that was stored
// under another version is not comparable.
const fingerprintVersion = "1"

// fingerprintBytes is how much of the SHA-256 is kept: enough that nobody
// makes two faults collide, so that one hides the other.
const fingerprintBytes = 16

// Fingerprint is the stable hash of a normalized report: "1:" and 32
// hexadecimal digits. It is made of
//
//   - tool, kind, and whether memory was read or written;
//   - of each stack, in the order fault, free, allocation, thread, others: its
//     role and frames, machinery left out unless the stack has nothing else;
//   - of a frame: its function (normalized, so without hashes and clone
//     suffixes), language, the base name of its file, and its line counted
//     from the line that declares the function.
//
// So it holds no address, process, folder, column or size, and does not ask
// whether a call was inlined: it is the same in another run, for a build in
// another folder, after lines were inserted above the function, and for
// another optimization level as far as the levels differ in inlining only.
// The relative line tells two faults of one function apart. Logs that another
// tool symbolized do not say where a function starts; there the names alone
// count, and two faults of one kind in one function have one fingerprint.
//
// A frame without a name is the base name of its file and its line; without
// those its module's base name, build ID and file-virtual address: stable
// over runs of one build, but not over builds. Rust's two manglings may read differently and so give two fingerprints.
func Fingerprint(r *model.Report) string {
	h := fingerprintHash{sha256.New()}
	h.text("ffikit.fingerprint/" + fingerprintVersion)
	h.text(r.Tool)
	h.text(r.Kind)
	access := ""
	if r.Access != nil {
		access = r.Access.Type
	}
	h.text(access)

	order := stackOrder(r.Stacks)
	h.number(len(order))
	for _, i := range order {
		h.stack(&r.Stacks[i])
	}
	return fingerprintVersion + ":" + hex.EncodeToString(h.Sum(nil)[:fingerprintBytes])
}

// roleOrder is the order of roles in a fingerprint; unknown roles come last.
var roleOrder = []model.Role{model.RoleFault, model.RoleFree, model.RoleAllocation, model.RoleThread}

// stackOrder lists the stacks by role, equal roles as they come.
func stackOrder(stacks []model.Stack) []int {
	order := make([]int, 0, len(stacks))
	for _, role := range roleOrder {
		for i := range stacks {
			if stacks[i].Role == role {
				order = append(order, i)
			}
		}
	}
	for i := range stacks {
		if !isOrderedRole(stacks[i].Role) {
			order = append(order, i)
		}
	}
	return order
}

func isOrderedRole(role model.Role) bool {
	for _, known := range roleOrder {
		if role == known {
			return true
		}
	}
	return false
}

// fingerprintHash encodes values so that different sequences never give the
// same bytes: each is preceded by its length.
type fingerprintHash struct{ hash.Hash }

func (h fingerprintHash) number(n int) {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], uint64(n))
	h.Write(buf[:])
}

func (h fingerprintHash) text(s string) {
	h.number(len(s))
	h.Write([]byte(s))
}

func (h fingerprintHash) stack(s *model.Stack) {
	h.text(string(s.Role))
	frames := make([]*model.Frame, 0, len(s.Frames))
	for i := range s.Frames {
		if !s.Frames[i].Runtime {
			frames = append(frames, &s.Frames[i])
		}
	}
	if len(frames) == 0 {
		for i := range s.Frames {
			frames = append(frames, &s.Frames[i])
		}
	}
	h.number(len(frames))
	for _, f := range frames {
		h.frame(f)
	}
}

func (h fingerprintHash) frame(f *model.Frame) {
	switch {
	case f.Function == "" && f.File != "":
		// UBSan's header names a place only.
		h.text("place")
		h.text(base(f.File))
		h.number(f.Line)
		return
	case f.Function == "":
		h.text("address")
		h.text(base(f.Module))
		h.text(f.BuildID)
		h.number(int(f.VirtAddr))
		return
	}
	h.text("function")
	h.text(f.Function)
	h.text(string(f.Language))
	h.text(base(f.File))
	if f.Line > 0 && f.FunctionLine > 0 {
		h.number(1)
		h.number(f.Line - f.FunctionLine)
	} else {
		h.number(0)
	}
}

func base(p string) string {
	if p == "" {
		return ""
	}
	return path.Base(p)
}
