package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 150 << 10: "150 KiB", 3 << 20: "3.0 MiB", 1<<64 - 1: "16.0 EiB"} {
		assert.Equal(t, want, Bytes(n))
	}
}
