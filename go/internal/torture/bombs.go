package torture

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/ffikit/ffikit/go/model"
)

// Bomb is a small file that asks for much.
type Bomb struct {
	Name string
	// Claims is a bomb that only claims to be large: it is to be refused for
	// that, with little memory and at once. The others are what they say.
	Claims bool
	// Files are its parts by name, "main" the one that is read. Names are
	// relative, and so are the links between them.
	Files func() map[string][]byte
}

// BombAddrs is what is asked about every bomb.
func BombAddrs() []model.VirtAddr {
	addrs := []model.VirtAddr{0}
	for addr := model.VirtAddr(textAddr - 8); addr <= textAddr+textBytes; addr += 40 {
		addrs = append(addrs, addr)
	}
	return append(addrs, 1<<40, ^model.VirtAddr(0))
}

// Bombs are all that there are.
func Bombs() []Bomb {
	var all []Bomb
	for _, group := range [][]Bomb{claims(), inflations(), tables(), entryBombs(), treeBombs(), rangeBombs(), lineBombs(), unitBombs(), linkBombs()} {
		all = append(all, group...)
	}
	return all
}

// one is a bomb of a single file.
func one(name string, build func() []byte) Bomb {
	return Bomb{Name: name, Files: func() map[string][]byte { return map[string][]byte{"main": build()} }}
}

func claim(name string, build func() []byte) Bomb {
	bomb := one(name, build)
	bomb.Claims = true
	return bomb
}

const huge = 1 << 40

// compressed is a section that says by its header (gABI, "Compression Header")
// that it is size bytes.
func compressed(name string, kind elf.CompressionType, size uint64, data []byte) section {
	var w writer
	w.u32(uint64(kind), 0).u64(size, 1)
	w.Write(data)
	return section{name: name, typ: elf.SHT_PROGBITS, flags: elf.SHF_COMPRESSED, data: w.Bytes()}
}

// claims are files of which one section says that it is 2^40 bytes.
func claims() []Bomb {
	return []Bomb{
		claim("claim-zlib", func() []byte {
			return executable(compressed(".debug_info", elf.COMPRESS_ZLIB, huge, deflated(1<<16)))
		}),
		claim("claim-zstd", func() []byte {
			return executable(compressed(".debug_info", elf.COMPRESS_ZSTD, huge, zstandard(1<<16)))
		}),
		claim("claim-zstd-frame", func() []byte {
			return executable(compressed(".debug_info", elf.COMPRESS_ZSTD, 1<<16, zstandardClaim()))
		}),
		claim("claim-zdebug", func() []byte {
			data := binary.BigEndian.AppendUint64([]byte("ZLIB"), huge)
			return executable(debug(".zdebug_info", append(data, deflated(1<<16)...)))
		}),
		claim("claim-all", func() []byte {
			var sections []section
			for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges", ".debug_aranges"} {
				sections = append(sections, compressed(name, elf.COMPRESS_ZLIB, huge, deflated(1<<16)))
			}
			return executable(sections...)
		}),
		claim("claim-plain", func() []byte {
			info := debug(".debug_info", make([]byte, 64))
			info.size = huge
			return executable(info, debug(".debug_abbrev", make([]byte, 64)))
		}),
		claim("claim-xz", func() []byte { return executable(debug(".gnu_debugdata", xzClaim())) }),
	}
}

// zstandardClaim is a frame that claims 2^40 bytes and a window as large
// (RFC 8878, 3.1.1.1), before a block that is there.
func zstandardClaim() []byte {
	var w writer
	w.u32(0xfd2fb528)
	w.u8(0xc0, 30<<3) // 8 bytes of content size; a window of 2^40
	w.u64(huge)
	return w.u8(1|1<<1|64<<3, 64>>5, 0).u8(0).Bytes()
}

// xzClaim is a stream whose index says that its only block is 2^40 bytes (the
// .xz file format, 2.1.2 and 4): the checksums are right.
func xzClaim() []byte {
	const footerBytes = 12
	data := xzOf(1 << 16)
	footer := data[len(data)-footerBytes:]
	start := len(data) - footerBytes - 4*(int(binary.LittleEndian.Uint32(footer[4:]))+1)
	record := data[start+2:] // after the indicator and the count, which is 1
	unpadded, _ := binary.Uvarint(record)

	var index writer
	index.u8(0, 1).uleb(unpadded, huge)
	index.repeat([]byte{0}, -index.Len()&3)
	index.u32(uint64(crc32.ChecksumIEEE(index.Bytes())))
	var end writer
	end.u32(uint64(index.Len()/4 - 1))
	end.Write(footer[8:10])
	var claim writer
	claim.Write(data[:start])
	claim.Write(index.Bytes())
	claim.u32(uint64(crc32.ChecksumIEEE(end.Bytes())))
	claim.Write(end.Bytes())
	claim.Write(footer[10:])
	return claim.Bytes()
}

// inflations are what they say: a thousand times what they take in the file.
func inflations() []Bomb {
	zeros := func(name string, others ...string) func() []byte {
		return func() []byte {
			sections := []section{compressed(name, elf.COMPRESS_ZLIB, large, deflatedZeros())}
			for _, other := range others {
				sections = append(sections, debug(other, make([]byte, 64)))
			}
			return executable(sections...)
		}
	}
	return []Bomb{
		one("zeros-info", zeros(".debug_info", ".debug_abbrev")),
		one("zeros-abbrev", func() []byte {
			return executable(compressed(".debug_abbrev", elf.COMPRESS_ZLIB, large, deflatedZeros()),
				debug(".debug_info", unit4(0, bytes.Repeat([]byte{1}, 64))))
		}),
		one("zeros-line", zeros(".debug_line", ".debug_info", ".debug_abbrev")),
		one("zeros-aranges", zeros(".debug_aranges", ".debug_info", ".debug_abbrev")),
		one("zeros-zstd", func() []byte {
			return executable(compressed(".debug_info", elf.COMPRESS_ZSTD, large, zstandard(large)), debug(".debug_abbrev", make([]byte, 64)))
		}),
		one("zeros-xz", func() []byte { return executable(debug(".gnu_debugdata", xzOf(large/4))) }),
		one("zeros-everywhere", func() []byte {
			var sections []section
			for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges", ".debug_aranges", ".debug_line_str"} {
				sections = append(sections, compressed(name, elf.COMPRESS_ZLIB, large, deflatedZeros()))
			}
			return executable(sections...)
		}),
	}
}

// large is what the inflations come to.
const large = 200 << 20

// deflatedZeros is deflated once, since it takes a second.
var deflatedZeros = sync.OnceValue(func() []byte { return deflated(large) })

func deflated(size int) []byte { return deflatedBytes(make([]byte, size)) }

func deflatedBytes(data []byte) []byte {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(data) // a Buffer takes all
	_ = w.Close()
	return packed.Bytes()
}

func zstandard(size int) []byte {
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constants
	}
	fill(w, size)
	_ = w.Close()
	return packed.Bytes()
}

func xzOf(size int) []byte {
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		panic(err)
	}
	fill(w, size)
	_ = w.Close()
	return packed.Bytes()
}

// fill writes size zeros.
func fill(w interface{ Write([]byte) (int, error) }, size int) {
	zeros := make([]byte, 1<<20)
	for ; size > 0; size -= len(zeros) {
		_, _ = w.Write(zeros[:min(size, len(zeros))])
	}
}
