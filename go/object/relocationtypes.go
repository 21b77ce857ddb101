package object

import "debug/elf"

// shtCREL is SHT_CREL, LLVM's proposed compact form of relocations.
const shtCREL elf.SectionType = 0x40000014

// how says what a relocation does with S, the symbol's value, A, the addend,
// and P, the place's own address.
type how uint8

const (
	nothing      how = iota
	absolute         // S + A
	relative         // S + A - P
	inThread         // S + A - start of the thread-local storage - bias
	add              // what is there + S + A
	subtract         // what is there - (S + A)
	set6             // the low 6 bits become S + A
	subtract6        // the low 6 bits lose S + A
	setULEB          // a ULEB128 of unchanged length becomes S + A
	subtractULEB     // a ULEB128 of unchanged length loses S + A
)

// relocation is one type of relocation: what it does with how many bytes.
type relocation struct {
	how  how
	size uint8
	// bias is what the machine takes off offsets in thread-local storage, so
	// that 16-bit offsets reach more of it.
	bias uint16
}

// relocationTypes are the relocations that compilers leave in debug sections,
// as each machine's supplement to the gABI numbers and defines them.
var relocationTypes = map[elf.Machine]map[uint32]relocation{
	elf.EM_X86_64: {
		uint32(elf.R_X86_64_NONE):     {},
		uint32(elf.R_X86_64_64):       {how: absolute, size: 8},
		uint32(elf.R_X86_64_32):       {how: absolute, size: 4},
		uint32(elf.R_X86_64_32S):      {how: absolute, size: 4},
		uint32(elf.R_X86_64_16):       {how: absolute, size: 2},
		uint32(elf.R_X86_64_8):        {how: absolute, size: 1},
		uint32(elf.R_X86_64_PC64):     {how: relative, size: 8},
		uint32(elf.R_X86_64_PC32):     {how: relative, size: 4},
		uint32(elf.R_X86_64_DTPOFF64): {how: inThread, size: 8},
		uint32(elf.R_X86_64_DTPOFF32): {how: inThread, size: 4},
	},
	elf.EM_386: {
		uint32(elf.R_386_NONE):       {},
		uint32(elf.R_386_32):         {how: absolute, size: 4},
		uint32(elf.R_386_16):         {how: absolute, size: 2},
		uint32(elf.R_386_8):          {how: absolute, size: 1},
		uint32(elf.R_386_PC32):       {how: relative, size: 4},
		uint32(elf.R_386_TLS_LDO_32): {how: inThread, size: 4},
	},
	elf.EM_AARCH64: {
		uint32(elf.R_AARCH64_NONE):         {},
		uint32(elf.R_AARCH64_NULL):         {},
		uint32(elf.R_AARCH64_ABS64):        {how: absolute, size: 8},
		uint32(elf.R_AARCH64_ABS32):        {how: absolute, size: 4},
		uint32(elf.R_AARCH64_ABS16):        {how: absolute, size: 2},
		uint32(elf.R_AARCH64_PREL64):       {how: relative, size: 8},
		uint32(elf.R_AARCH64_PREL32):       {how: relative, size: 4},
		uint32(elf.R_AARCH64_PREL16):       {how: relative, size: 2},
		uint32(elf.R_AARCH64_TLS_DTPREL64): {how: inThread, size: 8},
	},
	elf.EM_ARM: {
		uint32(elf.R_ARM_NONE):      {},
		uint32(elf.R_ARM_ABS32):     {how: absolute, size: 4},
		uint32(elf.R_ARM_ABS16):     {how: absolute, size: 2},
		uint32(elf.R_ARM_ABS8):      {how: absolute, size: 1},
		uint32(elf.R_ARM_REL32):     {how: relative, size: 4},
		uint32(elf.R_ARM_TLS_LDO32): {how: inThread, size: 4},
	},
	elf.EM_RISCV: {
		uint32(elf.R_RISCV_NONE):         {},
		uint32(elf.R_RISCV_RELAX):        {},
		uint32(elf.R_RISCV_32):           {how: absolute, size: 4},
		uint32(elf.R_RISCV_64):           {how: absolute, size: 8},
		uint32(elf.R_RISCV_32_PCREL):     {how: relative, size: 4},
		uint32(elf.R_RISCV_ADD8):         {how: add, size: 1},
		uint32(elf.R_RISCV_ADD16):        {how: add, size: 2},
		uint32(elf.R_RISCV_ADD32):        {how: add, size: 4},
		uint32(elf.R_RISCV_ADD64):        {how: add, size: 8},
		uint32(elf.R_RISCV_SUB8):         {how: subtract, size: 1},
		uint32(elf.R_RISCV_SUB16):        {how: subtract, size: 2},
		uint32(elf.R_RISCV_SUB32):        {how: subtract, size: 4},
		uint32(elf.R_RISCV_SUB64):        {how: subtract, size: 8},
		uint32(elf.R_RISCV_SET6):         {how: set6, size: 1},
		uint32(elf.R_RISCV_SUB6):         {how: subtract6, size: 1},
		uint32(elf.R_RISCV_SET8):         {how: absolute, size: 1},
		uint32(elf.R_RISCV_SET16):        {how: absolute, size: 2},
		uint32(elf.R_RISCV_SET32):        {how: absolute, size: 4},
		uint32(elf.R_RISCV_TLS_DTPREL32): {how: inThread, size: 4, bias: 0x800},
		uint32(elf.R_RISCV_TLS_DTPREL64): {how: inThread, size: 8, bias: 0x800},
		// R_RISCV_SET_ULEB128 and R_RISCV_SUB_ULEB128.
		60: {how: setULEB, size: 1},
		61: {how: subtractULEB, size: 1},
	},
	elf.EM_PPC64: {
		uint32(elf.R_PPC64_NONE):     {},
		uint32(elf.R_PPC64_ADDR64):   {how: absolute, size: 8},
		uint32(elf.R_PPC64_UADDR64):  {how: absolute, size: 8},
		uint32(elf.R_PPC64_ADDR32):   {how: absolute, size: 4},
		uint32(elf.R_PPC64_REL64):    {how: relative, size: 8},
		uint32(elf.R_PPC64_REL32):    {how: relative, size: 4},
		uint32(elf.R_PPC64_DTPREL64): {how: inThread, size: 8, bias: 0x8000},
	},
	elf.EM_S390: {
		uint32(elf.R_390_NONE):      {},
		uint32(elf.R_390_64):        {how: absolute, size: 8},
		uint32(elf.R_390_32):        {how: absolute, size: 4},
		uint32(elf.R_390_16):        {how: absolute, size: 2},
		uint32(elf.R_390_8):         {how: absolute, size: 1},
		uint32(elf.R_390_PC64):      {how: relative, size: 8},
		uint32(elf.R_390_PC32):      {how: relative, size: 4},
		uint32(elf.R_390_TLS_LDO64): {how: inThread, size: 8},
		uint32(elf.R_390_TLS_LDO32): {how: inThread, size: 4},
	},
}

// apply changes the bytes at where, which lie at place in the section, by
// value, which is S + A.
func (t relocation) apply(r *relocator, where []byte, place, value uint64) {
	order, field := r.file.order, where[:t.size]
	switch t.how {
	case absolute:
		storeBytes(order, field, value)
	case relative:
		storeBytes(order, field, value-(r.base+place))
	case inThread:
		storeBytes(order, field, value-uint64(t.bias))
	case add:
		storeBytes(order, field, loadBytes(order, field)+value)
	case subtract:
		storeBytes(order, field, loadBytes(order, field)-value)
	case set6:
		where[0] = where[0]&^0x3f | byte(value)&0x3f
	case subtract6:
		where[0] = where[0]&^0x3f | (where[0]-byte(value))&0x3f
	case setULEB:
		changeULEB(where, func(uint64) uint64 { return value })
	case subtractULEB:
		changeULEB(where, func(old uint64) uint64 { return old - value })
	}
}

// changeULEB changes a ULEB128 in place. What does not fit its length is cut:
// a pair of set and subtract gives what fits.
func changeULEB(where []byte, change func(uint64) uint64) {
	length, old := 0, uint64(0)
	for length < len(where) && length < 10 {
		old |= uint64(where[length]&0x7f) << (7 * length)
		length++
		if where[length-1]&0x80 == 0 {
			break
		}
	}
	value := change(old)
	for i := range length {
		where[i] = where[i]&0x80 | byte(value>>(7*i))&0x7f
	}
}
