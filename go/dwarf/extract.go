package dwarf

type extraction struct{}

func (e *extraction) function(r *reader)               {}
func (e *extraction) add(ranges []addrRange, id int32) {}
