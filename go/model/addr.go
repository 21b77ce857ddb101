package model

import (
	"fmt"
	"strconv"
	"strings"
)

// VirtAddr is a file-virtual address: an address in the numbering of one ELF
// file's segments, as `nm` prints it. It is the same in every run. In JSON it
// is a hexadecimal string ("0x26ff").
type VirtAddr uint64

// AbsAddr is an address in a running process. It differs from run to run and
// equals VirtAddr plus the load bias of its module. In JSON it is a
// hexadecimal string.
type AbsAddr uint64

func (a VirtAddr) String() string { return fmt.Sprintf("0x%x", uint64(a)) }
func (a AbsAddr) String() string  { return fmt.Sprintf("0x%x", uint64(a)) }

// MarshalText writes the address as JSON and text formats show it.
func (a VirtAddr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText writes the address as JSON and text formats show it.
func (a AbsAddr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a hexadecimal address with or without its 0x prefix.
func (a *VirtAddr) UnmarshalText(text []byte) error {
	bits, err := parseHex(string(text))
	*a = VirtAddr(bits)
	return err
}

// UnmarshalText reads a hexadecimal address with or without its 0x prefix.
func (a *AbsAddr) UnmarshalText(text []byte) error {
	bits, err := parseHex(string(text))
	*a = AbsAddr(bits)
	return err
}

func parseHex(text string) (uint64, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	bits, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("model: %q is not a hexadecimal address", text)
	}
	return bits, nil
}
