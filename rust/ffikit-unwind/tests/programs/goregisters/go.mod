module goregisters

go 1.21
