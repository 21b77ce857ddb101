// Command host runs a plugin, which runs the host's functions, which run the plugin's: host FILE.
package main

import "C"

import (
	"os"
	"plugin"
)

//go:noinline
func through(leaf func()) {
	leaf()
}

func main() {
	opened, err := plugin.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	run, err := opened.Lookup("Run")
	if err != nil {
		panic(err)
	}
	leaf, err := opened.Lookup("Leaf")
	if err != nil {
		panic(err)
	}
	run.(func(func()))(func() { through(leaf.(func())) })
}
