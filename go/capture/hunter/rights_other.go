//go:build !linux

package hunter

import "os"

func isOwnUser(os.FileInfo) bool  { return true }
func isOwnGroup(os.FileInfo) bool { return true }
func hasCapabilities(string) bool { return false }
