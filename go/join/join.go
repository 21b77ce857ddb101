package join

import (
	"fmt"
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/trace"
)

// Joiner joins the reports of one log with the evidence of its processes. It
// is not safe for concurrent use.
type Joiner struct {
	processes []*process
}

// New takes the evidence of the processes that wrote into the log.
func New(evidence ...*trace.Evidence) *Joiner {
	j := &Joiner{}
	for _, e := range evidence {
		j.processes = append(j.processes, newProcess(e))
	}
	return j
}

// Report joins one report of the log and hands what it becomes to emit: itself,
// or for leaks one report for each stack that allocated them, of which all
// together are as many bytes and objects. Reports must come in the log's order.
// The error is emit's.
func (j *Joiner) Report(r model.Report, emit func(model.Report) error) error {
	p := j.process(&r)
	if p == nil {
		return emit(r)
	}
	p.used = true
	if r.PID == 0 {
		r.PID = p.evidence.PID
	}
	if r.Leaked != nil {
		return p.leak(r, emit)
	}
	p.fault(&r)
	return emit(r)
}

// process finds the evidence for a report. UBSan's reports name no process:
// they are of the only one that there is.
func (j *Joiner) process(r *model.Report) *process {
	if r.PID == 0 {
		if len(j.processes) == 1 {
			return j.processes[0]
		}
		return nil
	}
	for _, p := range j.processes {
		if p.evidence.PID == r.PID {
			return p
		}
	}
	return nil
}

// Partial tells what stands in the evidence and what it lacks, once the log
// was read: the companion's own notes, and evidence that no report asked for.
func (j *Joiner) Partial() []model.Partial {
	var partial []model.Partial
	for _, p := range j.processes {
		say := func(reason string) {
			partial = append(partial, model.Partial{File: p.evidence.Name, Reason: reason})
		}
		for _, note := range p.evidence.Notes {
			say(note)
		}
		if s := p.evidence.Statistics; s != nil && s.Lost > 0 {
			say(fmt.Sprintf("the companion could not record %d of %d allocations and frees", s.Lost, s.Mallocs+s.Frees))
		}
		if !p.used && len(p.evidence.ReportStacks) > 0 {
			say(fmt.Sprintf("this is evidence of process %d, and the log has no report of it", p.evidence.PID))
		}
	}
	return partial
}

// process is the evidence of one process, by what reports ask for.
type process struct {
	evidence *trace.Evidence
	used     bool
	// groups are the faults in their order, each with its further stacks.
	groups []group
	// next is where the next report of the log is looked for.
	next int
	// leaks are the leaked objects by address, the newest of an address last.
	leaks []leakStack
}

// group is one report's stacks: indexes into the evidence's ReportStacks.
type group struct {
	sequence uint32
	stacks   []int
	taken    bool
}

type leakStack struct {
	addr  model.AbsAddr
	order int
	stack uint32
}

func newProcess(e *trace.Evidence) *process {
	p := &process{evidence: e}
	bySequence := map[uint32]int{}
	for i, r := range e.ReportStacks {
		if r.Role == trace.RoleLeak || r.Role == trace.RoleAllocation {
			p.leaks = append(p.leaks, leakStack{r.AbsAddr, i, r.Stack})
		}
		if r.Role == trace.RoleLeak {
			continue
		}
		at, ok := bySequence[r.Sequence]
		if !ok {
			at = len(p.groups)
			bySequence[r.Sequence] = at
			p.groups = append(p.groups, group{sequence: r.Sequence})
		}
		p.groups[at].stacks = append(p.groups[at].stacks, i)
	}
	sort.SliceStable(p.groups, func(a, b int) bool { return p.groups[a].sequence < p.groups[b].sequence })
	sort.Slice(p.leaks, func(a, b int) bool {
		if p.leaks[a].addr != p.leaks[b].addr {
			return p.leaks[a].addr < p.leaks[b].addr
		}
		return p.leaks[a].order < p.leaks[b].order
	})
	return p
}

// window is how many recorded reports are looked at for one of the log: some
// of a log may be missing, and some reports (a failed CHECK) are not recorded.
const window = 256

// fault joins a report that is no leak.
func (p *process) fault(r *model.Report) {
	r.Stacks = slices.Clone(r.Stacks) // they may be the caller's
	g := p.find(r)
	if g == nil {
		for i := range r.Stacks {
			noteShort(&r.Stacks[i])
		}
		return
	}
	g.taken = true
	used := map[int]bool{}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if !p.replace(s, g, used) {
			noteShort(s)
		}
	}
}

// find gives the recorded stacks of r: the next that have the instruction of the
// fault, else the next that share a frame with it, else the next that are about
// the same.
func (p *process) find(r *model.Report) *group {
	for p.next < len(p.groups) && p.groups[p.next].taken {
		p.next++
	}
	for _, belongs := range []func(*model.Report, *trace.ReportStack) bool{p.sameInstruction, p.samePlace, sameSubject} {
		for i := p.next; i < len(p.groups) && i < p.next+window; i++ {
			g := &p.groups[i]
			if g.taken {
				continue
			}
			for _, recorded := range g.stacks {
				of := &p.evidence.ReportStacks[recorded]
				isSameTool := (of.Kind == ubsanKind) == (r.Tool == ubsanTool)
				if of.Role == trace.RoleFault && isSameTool && belongs(r, of) {
					return g
				}
			}
		}
	}
	return nil
}

// sameInstruction says that the fault's own instruction is in both.
func (p *process) sameInstruction(r *model.Report, recorded *trace.ReportStack) bool {
	leaf := leafOf(r)
	if leaf == 0 {
		return false
	}
	if recorded.PC != 0 && (recorded.PC == leaf || recorded.PC-1 == leaf) {
		return true
	}
	frames, _, _ := p.evidence.Frames(recorded.Stack)
	return slices.ContainsFunc(frames, func(f model.Frame) bool { return f.AbsAddr == leaf })
}

// samePlace says that both have a frame in common: where the log begins in the
// sanitizer's own code, the recorded stack may have another way through it.
func (p *process) samePlace(r *model.Report, recorded *trace.ReportStack) bool {
	frames, _, _ := p.evidence.Frames(recorded.Stack)
	return leafOf(r) != 0 && anchored(faultStack(r).Frames, frames) >= 0
}

// sameSubject says that both are of one kind of fault at one address. A finding
// of UBSan that has a place in the source alone is the next one: the order is
// all there is.
func sameSubject(r *model.Report, recorded *trace.ReportStack) bool {
	if r.Tool == ubsanTool {
		s := faultStack(r)
		return recorded.Kind == ubsanKind && len(s.Frames) == 1 && s.Frames[0].AbsAddr == 0
	}
	return r.AbsAddr != nil && *r.AbsAddr != 0 && recorded.AbsAddr == *r.AbsAddr && recorded.Kind == r.Kind
}

// How UBSan's findings are called in logs, and in the evidence.
const (
	ubsanTool = "UndefinedBehaviorSanitizer"
	ubsanKind = "undefined"
)

func faultStack(r *model.Report) *model.Stack {
	i := slices.IndexFunc(r.Stacks, func(s model.Stack) bool { return s.Role == model.RoleFault })
	if i < 0 {
		return &model.Stack{}
	}
	return &r.Stacks[i]
}

// leafOf is the address of the fault in the log; 0: none.
func leafOf(r *model.Report) model.AbsAddr {
	if s := faultStack(r); len(s.Frames) > 0 {
		return s.Frames[0].AbsAddr
	}
	return 0
}

var roles = map[model.Role]trace.Role{
	model.RoleFault: trace.RoleFault, model.RoleFree: trace.RoleFree,
	model.RoleAllocation: trace.RoleAllocation, model.RoleThread: trace.RoleThread,
}

// replace puts the recorded stack of s's role in its place. used are those
// that another stack of the report has already.
func (p *process) replace(s *model.Stack, g *group, used map[int]bool) bool {
	role, ok := roles[s.Role]
	if !ok {
		return false
	}
	for _, i := range g.stacks {
		recorded := &p.evidence.ReportStacks[i]
		if recorded.Role != role || used[i] || role == trace.RoleThread && !namesThread(s, recorded.Kind) {
			continue
		}
		frames, truncated, ok := p.evidence.Frames(recorded.Stack)
		if ok && put(s, frames, truncated) {
			used[i] = true
			return true
		}
	}
	return false
}
