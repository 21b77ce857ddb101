package dwarf

type splitFiles struct{ images []*image }

func (d *Data) splitUnit(r *reader, u *unit) (*unit, error) { return nil, nil }

func (u *unit) inherit() {}
