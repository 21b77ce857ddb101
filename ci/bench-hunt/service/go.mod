module ffikit.dev/bench-hunt/service

go 1.25.0
