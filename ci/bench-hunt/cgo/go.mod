module ffikit.dev/bench-hunt/cgo

go 1.25.0
