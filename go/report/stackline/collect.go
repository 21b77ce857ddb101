package stackline

import (
	"fmt"

	"github.com/ffikit/ffikit/go/model"
)

// Bounds of one report. The runtimes keep at most 256 frames a stack (inlined
// calls come on top) and print some tens of stacks at most.
const (
	maxFramesPerStack  = 2048
	maxFramesPerReport = 8192
	maxStacks          = 128
	maxDetails         = 256
	maxDetailBytes     = 1024
)

// Fit says how well a line continues a report; the report with the highest
// fit gets the line. 0 is "not at all".
type Fit int

// The steps of Fit. Certain lines name the report (its process, its address).
const (
	FitNone    Fit = 0
	FitWeak    Fit = 2
	FitGood    Fit = 6
	FitCertain Fit = 12
)

// addressFit is what a frame's address adds to or takes from its fit.
const addressFit Fit = 3

// Collector gathers the stacks and details of one report within the bounds.
// The zero value is ready.
type Collector struct {
	Strings Strings

	stacks  []model.Stack
	details []string
	dropped int // details

	role    model.Role // of the stack to come
	name    string
	heading bool

	next    int // the index that continues the last stack; 0: none is open
	closed  bool
	skipped int // frames of the last stack beyond the bound
	frames  int

	broken int // stack lines that cannot be read

	biases  map[string]uint64 // load bias by module
	windows map[uint64]bool   // upper halves of the addresses seen
}

// Heading announces the next stack.
func (c *Collector) Heading(role model.Role, name []byte) {
	c.finish()
	c.role, c.name, c.heading = role, c.Strings.String(clip(name)), true
}

// Announced says that a heading waits for its stack.
func (c *Collector) Announced() bool { return c.heading }

// Open says that a stack is being read and its end has not been seen.
func (c *Collector) Open() bool { return c.next > 0 && !c.closed }

// Stacks says how many stacks there are.
func (c *Collector) Stacks() int { return len(c.stacks) }

// Count says how many stacks have the role.
func (c *Collector) Count(role model.Role) int {
	count := 0
	for i := range c.stacks {
		if c.stacks[i].Role == role {
			count++
		}
	}
	return count
}

// Leaf is the first frame of the first stack.
func (c *Collector) Leaf() (model.Frame, bool) {
	if len(c.stacks) == 0 || len(c.stacks[0].Frames) == 0 {
		return model.Frame{}, false
	}
	return c.stacks[0].Frames[0], true
}

// Fit says how well a frame continues this report.
func (c *Collector) Fit(mark Mark) Fit {
	fit := FitNone
	switch {
	case mark.Index == 0 && (c.heading || len(c.stacks) == 0):
		fit = FitGood
	case mark.Index == 0:
		fit = FitWeak
	case c.next == mark.Index && c.Open():
		fit = FitGood
	case c.next > 0 && c.next <= mark.Index:
		fit = FitWeak
	default:
		return FitNone
	}
	if module, offset, ok := mark.Module(); ok {
		if bias, known := c.biases[string(module)]; known {
			if bias == mark.AbsAddr-offset {
				return fit + addressFit
			}
			return max(fit-addressFit, 1)
		}
	}
	if c.windows[mark.AbsAddr>>32] {
		return fit + addressFit
	}
	if len(c.windows) > 1 {
		return max(fit-1, 1) // it lies where nothing of this process was seen
	}
	return fit
}

// See notes an address of the process, which helps to tell two apart.
func (c *Collector) See(address uint64) {
	if c.windows == nil {
		c.windows = map[uint64]bool{}
	}
	if len(c.windows) < 64 {
		c.windows[address>>32] = true
	}
}

// Add takes a frame: of the announced stack, or of the one being read.
func (c *Collector) Add(mark Mark) {
	if mark.Index == 0 && !c.start() || mark.Index > 0 && c.next == 0 {
		return
	}
	stack := &c.stacks[len(c.stacks)-1]
	c.closed = false
	if mark.Index > c.next && stack.Truncated == "" {
		stack.Truncated = fmt.Sprintf("the log lacks frames #%d to #%d", c.next, mark.Index-1)
	}
	c.next = mark.Index + 1
	if len(stack.Frames) >= maxFramesPerStack || c.frames >= maxFramesPerReport || c.Strings.Full() {
		c.skipped++
		return
	}
	frame := mark.Frame(&c.Strings)
	stack.Frames = append(stack.Frames, frame)
	c.frames++
	c.See(mark.AbsAddr)
	if frame.Module != "" && len(c.biases) < 1024 {
		if c.biases == nil {
			c.biases = map[string]uint64{}
		}
		c.biases[frame.Module] = mark.AbsAddr - uint64(frame.VirtAddr)
	}
}

// start begins a stack, unless there are too many.
func (c *Collector) start() bool {
	c.finish()
	if len(c.stacks) >= maxStacks {
		c.heading = false
		last := &c.stacks[len(c.stacks)-1]
		last.Truncated = fmt.Sprintf("the report has more than %d stacks: the rest is left out", maxStacks)
		return false
	}
	role := c.role
	if !c.heading {
		role, c.name = model.RoleOther, ""
		if len(c.stacks) == 0 {
			role = model.RoleFault
		}
	}
	c.stacks = append(c.stacks, model.Stack{Role: role, Name: c.name, Frames: []model.Frame{}})
	c.heading, c.next, c.closed = false, 0, false
	return true
}

// FitBroken says how well a stack line that cannot be read continues this
// report.
func (c *Collector) FitBroken() Fit {
	if c.Open() || c.heading || len(c.stacks) == 0 {
		return FitWeak
	}
	return FitNone
}

// AddBroken takes a stack line that cannot be read. It holds the place of one
// frame, so that those after it are still read.
func (c *Collector) AddBroken() {
	c.broken++
	if !c.Open() && !c.start() {
		return
	}
	if stack := &c.stacks[len(c.stacks)-1]; stack.Truncated == "" {
		stack.Truncated = "the number or the address of a frame cannot be read"
	}
	c.next++
}

// Doubled says that mark begins a stack where one is being read that neither
// an empty line nor a heading ended.
func (c *Collector) Doubled(mark Mark) bool { return mark.Index == 0 && c.Open() && !c.heading }

// Unread says what of the stacks is missing, of the report that is named;
// empty if nothing is. due says that such a report has a stack. It must be
// asked before Result.
func (c *Collector) Unread(report string, due bool) string {
	switch {
	case c.broken > 0:
		return fmt.Sprintf("the number or the address of %d stack lines of %s cannot be read", c.broken, report)
	case due && len(c.stacks) == 0:
		return report + " has no stack that can be read"
	}
	return ""
}

// EmptyStack takes the runtime's "<empty stack>".
func (c *Collector) EmptyStack() {
	if c.start() {
		c.stacks[len(c.stacks)-1].Truncated = "the runtime recorded no frames"
	}
	c.closed = true
}

// Blank takes an empty line, which ends a stack.
func (c *Collector) Blank() { c.closed = true }

// Detail keeps an explaining line, without the white space around it.
func (c *Collector) Detail(text []byte) {
	if len(c.details) >= maxDetails {
		c.dropped++
		return
	}
	if detail := c.Strings.String(clip(text)); detail != "" {
		c.details = append(c.details, detail)
	}
}

// clip bounds a line that is kept for reading only.
func clip(text []byte) []byte {
	if len(text) > maxDetailBytes {
		return text[:maxDetailBytes]
	}
	return text
}

// finish closes the books on the last stack.
func (c *Collector) finish() {
	if c.skipped > 0 {
		stack := &c.stacks[len(c.stacks)-1]
		stack.Truncated = fmt.Sprintf("the stack is too deep: %d more frames are left out", c.skipped)
		c.skipped = 0
	}
	if len(c.stacks) > 0 {
		markInlined(c.stacks[len(c.stacks)-1].Frames)
	}
	c.next, c.closed = 0, false
}

// Result hands over the stacks and details. If why is not empty the report
// ended early: a stack that was being read is truncated for that reason.
func (c *Collector) Result(why string) ([]model.Stack, []string) {
	if why != "" && c.Open() {
		if stack := &c.stacks[len(c.stacks)-1]; stack.Truncated == "" {
			stack.Truncated = why
		}
	}
	c.finish()
	if c.dropped > 0 {
		c.details = append(c.details, fmt.Sprintf("(%d more lines)", c.dropped))
	}
	stacks, details := c.stacks, c.details
	if stacks == nil {
		stacks = []model.Stack{}
	}
	*c = Collector{Strings: c.Strings, biases: c.biases, windows: c.windows}
	return stacks, details
}

// markInlined marks inlined calls: frames that share their address with the
// next one. A symbolizer prints an address's whole inline chain each time, so
// a chain that repeats itself is a recursion through one call site and each
// repetition ends in a physical frame.
func markInlined(frames []model.Frame) {
	for start := 0; start < len(frames); {
		end := start + 1
		for end < len(frames) && frames[end].AbsAddr == frames[start].AbsAddr {
			end++
		}
		if frames[start].AbsAddr != 0 && end-start > 1 {
			period := chainLength(frames[start:end])
			for i := start; i < end; i++ {
				frames[i].Inlined = (i-start)%period != period-1
			}
		}
		start = end
	}
}

// chainLength is the smallest length that the run is a repetition of.
func chainLength(run []model.Frame) int {
	const longestChain = 64
	for length := 1; length <= min(len(run)/2, longestChain); length++ {
		if len(run)%length == 0 && repeats(run, length) {
			return length
		}
	}
	return len(run)
}

func repeats(run []model.Frame, length int) bool {
	for i := length; i < len(run); i++ {
		a, b := &run[i], &run[i-length]
		if a.Function != b.Function || a.File != b.File || a.Line != b.Line {
			return false
		}
	}
	return true
}
