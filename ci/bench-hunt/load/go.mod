module ffikit.dev/bench-hunt/load

go 1.25.0
