package preload

import (
	"os"
	"slices"
	"strings"
)

// Environment keeps the order of a process environment and its last value
// of each name.
type Environment struct {
	names  []string
	values map[string]string
}

// NewEnvironment takes entries NAME=VALUE; nil means this process's own.
func NewEnvironment(base []string) *Environment {
	if base == nil {
		base = os.Environ()
	}
	env := &Environment{values: map[string]string{}}
	for _, entry := range base {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env.Set(name, value)
		}
	}
	return env
}

// Get gives a value; empty where there is none.
func (e *Environment) Get(name string) string { return e.values[name] }

// Set sets a value.
func (e *Environment) Set(name, value string) {
	if _, known := e.values[name]; !known {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// Remove takes a variable out.
func (e *Environment) Remove(name string) {
	if _, known := e.values[name]; known {
		e.names = slices.DeleteFunc(e.names, func(n string) bool { return n == name })
		delete(e.values, name)
	}
}

// List gives the entries, NAME=VALUE.
func (e *Environment) List() []string {
	list := make([]string, 0, len(e.names))
	for _, name := range e.names {
		list = append(list, name+"="+e.values[name])
	}
	return list
}
