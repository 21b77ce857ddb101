package symbolize

import (
	"errors"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/pclntab"
)

// goTable finds the module's Go function table when it is first asked for; nil
// where there is none.
func (m *module) goTable() *pclntab.Table {
	if m.goTableSought || m.file == nil {
		return m.goFunctions
	}
	m.goTableSought = true
	table, err := pclntab.Open(m.file)
	if err != nil && !errors.Is(err, pclntab.ErrNoTable) {
		m.note(err)
	}
	m.goFunctions = table
	return table
}

// resolveGo answers from the Go function table where DWARF knew no function.
func (m *module) resolveGo(addrs []model.VirtAddr, frames [][]model.Frame) {
	var missing []model.VirtAddr
	var places []int
	for i := range frames {
		if last := len(frames[i]) - 1; last < 0 || frames[i][last].Function == "" {
			missing, places = append(missing, addrs[i]), append(places, i)
		}
	}
	if len(missing) == 0 || m.goTable() == nil {
		return
	}
	found, err := m.goFunctions.Resolve(missing)
	if err != nil {
		m.note(err)
	}
	for i, chain := range found {
		// C code in Go's text has a name only: the symbol table knows no less.
		if len(chain) > 0 && (len(frames[places[i]]) == 0 || chain[0].File != "") {
			frames[places[i]] = chain
		}
	}
}
