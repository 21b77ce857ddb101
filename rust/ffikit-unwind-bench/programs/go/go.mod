module ffikit.bench/nest

go 1.25.0
