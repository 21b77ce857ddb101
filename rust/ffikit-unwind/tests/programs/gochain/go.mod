module gochain

go 1.21
