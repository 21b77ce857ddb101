// Package merge tells same from different: fingerprints, deduplication, and
// the frame that a report blames.
//
// Normalized reports enter, one per fault and meeting; one per fault leaves,
// with how often it was met. Nothing is read from the machine: folders are
// compared as text.
package merge

import (
	"fmt"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Options steer blame and bounds.
type Options struct {
	// SourceRoot is the folder whose files are the user's own; empty means
	// that every file outside of system folders is.
	SourceRoot string
	// MaxReports bounds how many different reports are kept; 0 means
	// DefaultMaxReports.
	MaxReports int
}

// DefaultMaxReports bounds the memory that a log of different reports takes.
const DefaultMaxReports = 10_000

// Reports fingerprints normalized reports, joins equal ones (adding up Count)
// in the order of their first appearance, and sets Blame and Related. Reports
// beyond opts.MaxReports different ones are left out; use a Bucketer to learn
// how many.
func Reports(reports []model.Report, opts Options) []model.Report {
	bucketer := NewBucketer(opts)
	for _, r := range reports {
		bucketer.Add(r)
	}
	return bucketer.Reports()
}

// Bucketer joins equal reports as they come. Its memory is bounded by the
// number of different reports, however many are added. It is not safe for
// concurrent use.
type Bucketer struct {
	opts    Options
	index   map[string]int // fingerprint to place in reports
	reports []model.Report
	last    []model.Location // where each report was met last
	dropped int
}

// NewBucketer makes an empty Bucketer.
func NewBucketer(opts Options) *Bucketer {
	if opts.MaxReports <= 0 {
		opts.MaxReports = DefaultMaxReports
	}
	return &Bucketer{opts: opts, index: make(map[string]int)}
}

// Add takes a normalized report in. The first of equal ones is kept as it is
// but for its Count, and for what leaked, which is added up; a report that
// counts nothing yet counts as one. Parts of one leak, which stood in one place
// of the log, are one meeting. What is kept of it and its equals is returned,
// to look at until the next Add; nil where it was dropped.
func (b *Bucketer) Add(r model.Report) *model.Report {
	if r.Count < 1 {
		r.Count = 1
	}
	if r.Leaked != nil { // the objects have served their purpose, and are many
		r.Leaked = &model.Leaked{SizeBytes: r.Leaked.SizeBytes, ObjectsCount: r.Leaked.ObjectsCount}
	}
	r.Fingerprint = Fingerprint(&r)
	if place, ok := b.index[r.Fingerprint]; ok {
		b.addTo(place, &r)
		return &b.reports[place]
	}
	if len(b.reports) >= b.opts.MaxReports {
		b.dropped += r.Count
		return nil
	}
	r.Blame, r.Related = blame(&r, b.opts)
	b.index[r.Fingerprint] = len(b.reports)
	b.reports = append(b.reports, r)
	b.last = append(b.last, r.Source)
	return &b.reports[len(b.reports)-1]
}

// addTo counts r as one more of a report that is there.
func (b *Bucketer) addTo(place int, r *model.Report) {
	kept := &b.reports[place]
	if r.Leaked == nil || kept.Leaked == nil || r.Source != b.last[place] {
		kept.Count += r.Count
	}
	b.last[place] = r.Source
	if r.Leaked == nil || kept.Leaked == nil {
		return
	}
	sum := model.Leaked{
		SizeBytes:    kept.Leaked.SizeBytes + r.Leaked.SizeBytes,
		ObjectsCount: kept.Leaked.ObjectsCount + r.Leaked.ObjectsCount,
	}
	old, fresh := leakedText(kept.Leaked), leakedText(&sum)
	kept.Message = strings.Replace(kept.Message, old, fresh, 1)
	for i := range kept.Stacks {
		kept.Stacks[i].Name = strings.Replace(kept.Stacks[i].Name, old, fresh, 1)
	}
	kept.Leaked = &sum
}

// leakedText is how LeakSanitizer says how much leaked.
func leakedText(leaked *model.Leaked) string {
	return fmt.Sprintf(" leak of %d byte(s) in %d object(s)", leaked.SizeBytes, leaked.ObjectsCount)
}

// Reports gives the different reports in the order of their first appearance.
// The slice belongs to the Bucketer until it is used no more.
func (b *Bucketer) Reports() []model.Report { return b.reports }

// Dropped is how many reports were not kept since MaxReports different ones
// were there already.
func (b *Bucketer) Dropped() int { return b.dropped }
