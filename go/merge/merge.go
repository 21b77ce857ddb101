// Package merge tells same from different: fingerprints, deduplication, and
// the frame that a report blames.
//
// Normalized reports enter, one per fault and meeting; one per fault leaves,
// with how often it was met. Nothing is read from the machine: folders are
// compared as text.
package merge

import "github.com/ffikit/ffikit/go/model"

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
// but for its Count; a report that counts nothing yet counts as one.
func (b *Bucketer) Add(r model.Report) {
	if r.Count < 1 {
		r.Count = 1
	}
	r.Fingerprint = Fingerprint(&r)
	if place, ok := b.index[r.Fingerprint]; ok {
		b.reports[place].Count += r.Count
		return
	}
	if len(b.reports) >= b.opts.MaxReports {
		b.dropped += r.Count
		return
	}
	r.Blame, r.Related = blame(&r, b.opts)
	b.index[r.Fingerprint] = len(b.reports)
	b.reports = append(b.reports, r)
}

// Reports gives the different reports in the order of their first appearance.
// The slice belongs to the Bucketer until it is used no more.
func (b *Bucketer) Reports() []model.Report { return b.reports }

// Dropped is how many reports were not kept since MaxReports different ones
// were there already.
func (b *Bucketer) Dropped() int { return b.dropped }
