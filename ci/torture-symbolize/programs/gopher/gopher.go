// The Go program: generics, methods, closures and inlined calls, and no import
// that makes it large.
package main

import "os"

type number interface{ ~int | ~float64 }

type tunnel[T number] struct{ rooms []T }

func (t *tunnel[T]) dig(room T) { t.rooms = append(t.rooms, room) }

func total[T number](rooms []T, of func(T) T) (sum T) {
	for _, room := range rooms {
		sum += of(room)
	}
	return sum
}

func twice(x int) int { return x * 2 }

//go:noinline
func burrow(depth int) int {
	home := &tunnel[int]{}
	defer func() { home.rooms = nil }()
	for i := range depth {
		home.dig(twice(i))
	}
	return total(home.rooms, func(room int) int { return twice(room) + depth })
}

func main() { os.Exit(burrow(len(os.Args)) & 1) }
