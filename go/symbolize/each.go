package symbolize

import "github.com/ffikit/ffikit/go/model"

// Each looks up addresses as Resolve does and calls visit for each of them, in
// their order; i is the address's index. frames are empty where nothing is
// known; they, their slice and their strings are good until visit returns: what
// is kept is cloned. Module, BuildID and VirtAddr of the frames are not set.
func (s *Symbolizer) Each(path, buildID string, addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error {
	found, err := s.Resolve(path, buildID, addrs)
	if err != nil {
		return err
	}
	for i, frames := range found {
		for j := range frames {
			frames[j].Module, frames[j].BuildID, frames[j].VirtAddr = "", "", 0
		}
		visit(i, frames)
	}
	return nil
}
