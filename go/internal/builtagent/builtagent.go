// Package builtagent names the agent of this checkout to tests. There is no test
// without it: `make test` builds it first.
package builtagent

import (
	"path/filepath"
	"runtime"

	"github.com/stretchr/testify/require"
)

// Path is the agent's file, as `make agent` leaves it. Where there is none t fails.
func Path(t require.TestingT) string {
	_, source, _, ok := runtime.Caller(0)
	require.True(t, ok)
	agent := filepath.Join(filepath.Dir(source), "../../../build/lib/libffikit_agent.so")
	require.FileExists(t, agent, "make agent builds it")
	return agent
}
