module github.com/ffikit/ffikit/ci/bench-symbolize/go-debug

go 1.25.0
