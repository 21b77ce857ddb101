package symbolize

// maxUses is how many uses of a file are counted.
const maxUses = 64

// usage is what is known when a module that has no index is asked.
type usage struct {
	// earlier is how often it was opened before, as a rule by other processes;
	// calls and addrs count what this Symbolizer was asked, this call included.
	earlier, calls, addrs int
	// debugBytes is the size of the files with its debug information.
	debugBytes int64
}

const (
	indexAddrs = 20000
	indexCalls = 32
	// indexBytes is the size of debug information that is indexed in about a
	// second.
	indexBytes = 256 << 20
)

// worthIndexing decides whether to make an index now. It costs about what
// 100,000 addresses cost without one, so it is made
//
//   - at once for 20,000 addresses, in one call or several;
//   - at the second use of the file: a tool that is started for each address,
//     or each report, will be started again;
//   - after 32 calls: so asks who reads a live stream.
//
// A file used once is not indexed, and leaves but a mark. Where there is more
// than 256 MiB of debug information, it takes as many more uses or calls.
func worthIndexing(u usage) bool {
	if u.addrs >= indexAddrs {
		return true
	}
	times := 1 + int(u.debugBytes/indexBytes)
	return u.earlier >= min(times, maxUses) || u.calls >= indexCalls*times
}
