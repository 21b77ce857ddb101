module gothreads

go 1.21
